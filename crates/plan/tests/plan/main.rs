//! The planner from outside: stories of layouts, and properties of all plans.

mod build;
mod handover;
mod layouts;
mod properties;
mod waits;
