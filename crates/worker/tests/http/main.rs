//! The real program, on the CPU, with the real SmolLM2-135M-Instruct whose path is in `CHEROKEE_TEST_MODEL`.
#![expect(clippy::panic, reason = "a test ends where what it needs is not there")]

mod answers;
mod download;
mod drain;
mod limits;
mod reach;
mod start;
mod worker;
