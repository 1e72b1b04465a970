//! What every program has, whatever it does: the log, the address to listen on, the health server, the clock.

pub mod clock;
pub mod health;
pub mod listen;
pub mod log;
