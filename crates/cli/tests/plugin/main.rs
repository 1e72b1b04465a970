//! The plugin from outside: the built program against a stand-in for the API server on loopback.

mod clock;
mod controls;
mod plugin;
mod refusals;
mod standin;
