//! The memory on a real redis-server.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test ends where what it needs is not there")]

mod night;
mod store;
mod support;
