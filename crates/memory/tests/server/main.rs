//! The memory on a real redis-server.

mod night;
mod store;
mod support;
