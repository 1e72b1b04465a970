//! The gateway in one process with fake workers and a fake memory: what clients see.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test ends where what it needs is not there")]

mod client;
mod fake_memory;
mod fake_worker;
mod house;

mod fallback;
mod remembering;
mod serving;
mod stopping;
mod streaming;
mod unread;
