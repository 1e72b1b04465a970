//! What was decided.

use crate::{
    fleet::{Access, DeviceId},
    intent::{Intent, Layer, Memory},
};
pub use cherokee_wire::role::RoleState;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What was decided for one cluster.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
pub struct Plan {
    /// Slots by name, those that are off included.
    pub slots: BTreeMap<String, Slot>,
    /// Roles by name: every role of the intent is here.
    pub roles: BTreeMap<String, RoleOutcome>,
    /// What changes next by the calendar.
    pub next: Option<Transition>,
    /// Up to when (exclusive) this plan stays the same if nothing but time changes; absent: for ever.
    pub valid_until: Option<DateTime<Utc>>,
    /// Advice, most important first.
    pub advice: Vec<Advice>,
}

impl Plan {
    /// Roles that wait for a place, and why.
    pub fn waiting(&self) -> impl Iterator<Item = (&String, &Waits)> {
        self.roles.iter().filter_map(|(name, role)| role.waits.as_ref().map(|w| (name, w)))
    }
}

/// One worker process on one device: identity is (cluster, device, model revisions), never a role.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
pub struct Slot {
    /// Its device. In CPU mode the UUID is `cpu`, and an empty node stands for any node.
    pub device: DeviceId,
    /// How its pod gets the device.
    pub access: Access,
    /// Names of its models.
    pub models: BTreeSet<String>,
    /// Names of the roles that it serves.
    pub roles: BTreeSet<String>,
    /// Queries answered at once.
    pub max_sequences: u32,
    /// Memory that it may use.
    pub memory: Memory,
    /// Whether it wants its replica now: from leadTime before a window until its end and drain.
    pub on: bool,
}

impl Slot {
    /// The layer of its most urgent role.
    pub fn most_urgent(&self, intent: &Intent) -> Option<Layer> {
        self.roles.iter().filter_map(|role| intent.roles.get(role)).map(|role| role.layer).min()
    }
}

/// What a role does now.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
pub struct RoleOutcome {
    /// Whether it admits queries.
    pub state: RoleState,
    /// When that changes by the calendar.
    pub until: Option<DateTime<Utc>>,
    /// Slots that serve it; none while it waits.
    pub slots: BTreeSet<String>,
    /// Why it waits: a word, and a message with numbers and the next step.
    pub waits: Option<Waits>,
}

/// Why a role waits.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
pub struct Waits {
    /// As one word: becomes the reason of condition `Placed`.
    pub code: Code,
    /// With names, numbers and the next step; never names another namespace's pod or cluster.
    pub message: String,
}

/// Why a role waits, as one word.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq, PartialOrd, Ord)]
pub enum Code {
    /// No node fits `placement`.
    NoMatchingNode,
    /// The node named is not ready, cordoned or tainted.
    NodeNotUsable,
    /// No device fits `placement.device`, or the node has none.
    NoMatchingGpu,
    /// The device that `placement.device` names by UUID is not on its node, or not any more.
    GpuMissing,
    /// Another CherokeeCluster or a foreign pod holds the only fitting device.
    DeviceTaken,
    /// No fitting device has the memory.
    NotEnoughGpuMemory,
    /// All fitting devices are held by other roles of this cluster.
    NotEnoughGpus,
    /// Device plugin and DRA both publish the node's GPUs.
    GpuPublishedTwice,
    /// `device` under the device plugin, where the kubelet picks.
    DeviceNotChoosable,
    /// Roles that share a device are awake at the same time.
    SharedAwake,
}

impl Code {
    /// The word for conditions.
    pub fn word(self) -> &'static str {
        match self {
            Self::NoMatchingNode => "NoMatchingNode",
            Self::NodeNotUsable => "NodeNotUsable",
            Self::NoMatchingGpu => "NoMatchingGpu",
            Self::GpuMissing => "GpuMissing",
            Self::DeviceTaken => "DeviceTaken",
            Self::NotEnoughGpuMemory => "NotEnoughGpuMemory",
            Self::NotEnoughGpus => "NotEnoughGpus",
            Self::GpuPublishedTwice => "GpuPublishedTwice",
            Self::DeviceNotChoosable => "DeviceNotChoosable",
            Self::SharedAwake => "SharedAwake",
        }
    }
}

/// A change of one role by its calendar.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
pub struct Transition {
    /// When.
    pub at: DateTime<Utc>,
    /// Which role.
    pub role: String,
    /// To which state: `Awake` or `Asleep`; draining is part of falling asleep.
    pub to: RoleState,
}

/// One piece of advice.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
pub struct Advice {
    /// As one word.
    pub code: String,
    /// In words, with numbers.
    pub message: String,
}
