//! The planner from outside: stories of layouts, and properties of all plans.
#![expect(clippy::panic, reason = "a test ends where what it needs is not there")]

mod build;
mod handover;
mod layouts;
mod properties;
mod waits;
mod withdrawn;
