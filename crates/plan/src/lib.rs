//! Pure decisions: who sits on which device, who waits and why, and until when that holds.
//!
//! [`plan`] takes what a cluster wants ([`Intent`]), what there is ([`Fleet`], with what is held already) and
//! the time; it answers with a [`Plan`]. It knows no Kubernetes, no clock, no chance: equal inputs give equal bytes.
//! Input and output are plain data with a stable JSON form.

//!
//! | file | what it decides |
//! | --- | --- |
//! | [`sizing`] | how much memory a model takes |
//! | `zone` | what the clocks of a time zone show |
//! | [`calendar`] | when a role is awake by windows and wake-ups |
//! | `group` | which roles share a device and a process |
//! | `choice` | which devices a group may take, and if none, why |
//! | `assign` | who gets which: what is held stays, then as many as can be |
//! | `timeline` | who is awake and which process is on, now and until when |
//! | `advice` | what a layout could do better, with numbers |
//! | `place` | all of these in turn |

mod advice;
mod assign;
pub mod calendar;
mod choice;
pub mod fleet;
mod group;
pub mod intent;
pub mod outcome;
mod place;
pub mod sizing;
mod slot;
mod span;
mod timeline;
mod zone;

pub use fleet::{Access, Device, DeviceId, Fleet, Holder, Node};
pub use intent::{ClusterId, Intent, Layer, Memory, Model, Role};
pub use outcome::{Advice, Code, Plan, RoleOutcome, RoleState, Slot, Transition};
pub use place::{devices_free_for, plan};
pub use slot::{CPU, slot_name};
pub use zone::{UnknownZone, Zone};

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
