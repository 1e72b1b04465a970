//! The resources `CherokeeCluster` and `GpuHold`: types, CEL rules, defaults and names. No client, no clock.
//!
//! [`cluster`] holds the spec, one file a part beside it; [`status`] what the operator answers; [`names`] every label,
//! annotation, condition and reason that leaves the operator;
//! [`crd`] the definition as it is installed.

#![allow(
    unreachable_pub,
    reason = "`KubeSchema` declares each type again inside a function, with the span of the first"
)]

pub mod accelerator;
pub mod cluster;
pub mod crd;
pub mod gateway;
pub mod hold;
pub mod memory;
pub mod model;
pub mod names;
pub mod role;
pub mod schema;
pub mod status;
pub mod strategy;

pub use cluster::{CherokeeCluster, CherokeeClusterSpec};
pub use hold::GpuHold;
pub use status::CherokeeClusterStatus;
pub use strategy::Strategy;
