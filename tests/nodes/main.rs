//! Level 3: the installed operator on two real nodes with simulated GPUs, real Redis and a real model.
//!
//! `tests/run.sh nodes` boots the cluster, installs the chart and calls this, one test at a time: each takes a namespace of
//! its own and leaves the GPUs free.
#![expect(clippy::panic, reason = "a test says what it saw and fails")]
#![expect(clippy::disallowed_methods, reason = "the tests play users and administrators")]

mod calendar;
mod clusters;
mod command;
mod device_plugin;
mod faults;
mod holds;
mod layout;
mod openai;
mod refusals;
mod rollout;
#[path = "../server/mod.rs"]
mod server;
mod sources;
mod support;
mod windows;
