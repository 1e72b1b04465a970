//! The gateway in one process with fake workers and a fake memory: what clients see.

mod client;
mod fake_memory;
mod fake_worker;
mod house;

mod fallback;
mod remembering;
mod serving;
mod stopping;
mod streaming;
