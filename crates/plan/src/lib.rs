//! Pure decisions: who sits on which device, who waits and why, and until when that holds.
//!
//! [`plan`] takes what a cluster wants ([`Intent`]), what there is ([`Fleet`], with what is held already) and
//! the time; it answers with a [`Plan`]. It knows no Kubernetes, no clock, no chance: equal inputs give equal bytes.
//! Input and output are plain data with a stable JSON form.

pub mod fleet;
pub mod intent;
pub mod outcome;

pub use fleet::{Access, Device, DeviceId, Fleet, Holder, Node};
pub use intent::{ClusterId, Intent, Layer, Memory, Model, Role};
pub use outcome::{Advice, Code, Plan, RoleOutcome, RoleState, Slot, Transition};

use serde::{Deserialize, Serialize};

/// Mebibytes: sums of memory are whole numbers.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[serde(transparent)]
pub struct Mib(pub u64);

impl std::ops::Add for Mib {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl std::iter::Sum for Mib {
    fn sum<I: Iterator<Item = Self>>(items: I) -> Self {
        items.fold(Self(0), |a, b| a + b)
    }
}

impl std::fmt::Display for Mib {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} MiB", self.0)
    }
}
