//! What one cluster wants, checked and in units.

use crate::{Mib, Zone};
pub use cherokee_wire::role::Layer;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What one cluster wants.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
pub struct Intent {
    /// Which cluster.
    pub cluster: ClusterId,
    /// Zone of all windows.
    pub time_zone: Zone,
    /// GPUs, or CPU only: then every role has a slot of its own on the device `cpu` of a fitting node.
    pub cpu_only: bool,
    /// Models by name.
    pub models: BTreeMap<String, Model>,
    /// Roles by name.
    pub roles: BTreeMap<String, Role>,
    /// Time that running queries get to end.
    pub drain: Seconds,
    /// Time before a window in which its worker starts.
    pub lead_time: Seconds,
    /// Slots that each role had by the live layout document. It only tells apart what holds cannot: which of two roles of
    /// one model sits on which of their devices. Without it the order of roles and devices decides.
    #[serde(default)]
    pub serving: BTreeMap<String, BTreeSet<String>>,
    /// Queries a second that are expected, for advice.
    #[serde(default)]
    pub queries_per_second: Option<u32>,
}

/// A cluster and its place in the queue for devices: the older one, then the lower UID, comes first.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClusterId {
    /// When it was created.
    pub created: DateTime<Utc>,
    /// UID of the object.
    pub uid: String,
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
}

/// Whole seconds.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(transparent)]
pub struct Seconds(pub u32);

impl Seconds {
    /// The same as a time delta.
    pub fn delta(self) -> TimeDelta {
        TimeDelta::seconds(i64::from(self.0))
    }
}

/// A model as far as planning needs it.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
pub struct Model {
    /// Hash of address, path and digest: another revision is another slot.
    pub revision: String,
    /// Size of its weights in device memory.
    pub weights: Mib,
    /// KV cache of one token, in bytes.
    pub kv_bytes_per_token: u64,
    /// Tokens of prompt and answer together.
    pub context_tokens: u32,
    /// Number of parameters, if known: for advice.
    pub parameters: Option<u64>,
    /// How the weights are stored, as users write it: for messages.
    pub dtype: String,
}

/// A role as far as planning needs it.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
pub struct Role {
    /// What it is for, and its priority at a hand-over.
    pub layer: Layer,
    /// Name of its model.
    pub model: String,
    /// Queries answered at once.
    pub max_sequences: u32,
    /// Device memory that the engine may use; absent: what sizing says.
    pub budget: Option<Mib>,
    /// When it is awake by the spec.
    pub activation: Activation,
    /// Times beside that in which it was woken, already cut to `onDemand.maxDuration`; unordered, may overlap.
    pub wake: Vec<Interval>,
    /// Takes overflow while awake.
    pub overflow: bool,
    /// Takes queries that name no other role.
    pub default_route: bool,
    /// Where it may run.
    pub placement: Placement,
}

/// When a role is awake by the spec.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
pub enum Activation {
    /// Around the clock.
    Always,
    /// In these windows.
    Scheduled(Vec<Window>),
    /// Only when woken.
    OnDemand,
}

/// A start and a wall-clock length.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
pub struct Window {
    /// Cron line of five fields.
    pub schedule: String,
    /// Wall-clock length.
    pub duration: Seconds,
}

/// From (inclusive) until (exclusive).
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq, PartialOrd, Ord)]
pub struct Interval {
    /// Start.
    pub from: DateTime<Utc>,
    /// End.
    pub until: DateTime<Utc>,
}

/// Where a role may run.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
pub struct Placement {
    /// The only node.
    pub node: Option<String>,
    /// Labels that a node must have.
    pub node_selector: BTreeMap<String, String>,
    /// The device on it.
    pub device: Option<DeviceChoice>,
    /// Roles whose device it uses too.
    pub share_with: BTreeSet<String>,
    /// Roles whose device it must not use.
    pub apart_from: BTreeSet<String>,
}

/// How a device is named.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
pub enum DeviceChoice {
    /// Position on the node.
    Index(u32),
    /// UUID.
    Uuid(String),
    /// Any device of this product.
    Product(String),
}

/// Device memory of a slot, its parts apart.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
pub struct Memory {
    /// Weights of all its models.
    pub weights: Mib,
    /// KV cache of all its sequences.
    pub kv_cache: Mib,
    /// Set aside for activations and the runtime.
    pub reserve: Mib,
    /// What the engine may use in all: the sum, or the budget where one is given.
    pub total: Mib,
}
