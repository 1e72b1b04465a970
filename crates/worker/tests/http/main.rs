//! The real program, on the CPU, with the real SmolLM2-135M-Instruct whose path is in `CHEROKEE_TEST_MODEL`.

mod answers;
mod download;
mod drain;
mod limits;
mod start;
mod worker;
