//! The plugin from outside: the built program against a stand-in for the API server on loopback.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test ends where what it needs is not there")]

mod clock;
mod controls;
mod flags;
mod kubeconfigs;
mod plugin;
mod proxies;
mod refusals;
mod standin;
mod tunnel;
