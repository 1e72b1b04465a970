//! What needs no Redis: keys and temperature.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test ends where what it needs is not there")]

mod heat;
mod key;
