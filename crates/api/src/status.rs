//! What the operator answers.

use crate::{schema, strategy::Strategy};
pub use cherokee_wire::role::RoleState;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What was observed and decided.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CherokeeClusterStatus {
    /// Generation of the spec that this status describes.
    #[serde(default)]
    pub observed_generation: i64,
    /// Version of the rules by which GPUs were taken when this status was written. Absent: an operator without
    /// `GpuHold` wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan_version: Option<i64>,
    /// Strategy in force; with `spec.strategy: Auto` the one that was decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strategy: Option<Strategy>,
    /// What `spec.strategy: Auto` decided, and from what. Kept until the strategy is another, or until annotation
    /// `cherokee.ai/decide-auto` has a new value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto: Option<AutoStatus>,
    /// What holds right now, one entry a type: `Ready`, `Available`, `Accepted`, `Placed`, `WorkersReady`, `CacheReady`,
    /// `DaemonsReady`, `GatewayReady`; `Reconciling`, `Stalled` and `Simulated` only while true.
    #[serde(default)]
    #[schemars(schema_with = "schema::conditions")]
    pub conditions: Vec<Condition>,
    /// Roles that are as they should be, of all: `2/3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roles_summary: Option<String>,
    /// GPUs that slots hold, of those they want: `2/3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpus_summary: Option<String>,
    /// What changes next, in words: `conscious sleeps 22:00`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// What changes next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_transition: Option<Transition>,
    /// Worker processes, each on one device.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub slots: Vec<SlotStatus>,
    /// Roles, in the order of the spec.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<RoleStatus>,
    /// What the planner advises, with its numbers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub advice: Vec<Advice>,
    /// The cache in coarse figures; exact ones are metrics.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub muscle_memory: Option<MemoryStatus>,
    /// Address of the gateway inside the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// What `spec.strategy: Auto` decided.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AutoStatus {
    /// The strategy that was decided.
    pub strategy: Strategy,
    /// GPUs that this cluster could have had at that time.
    pub gpus: i64,
    /// Value of the annotation `cherokee.ai/decide-auto` at that time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<String>,
}

/// A change of one role by its calendar.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Transition {
    /// When.
    pub time: Time,
    /// Which role.
    pub role: String,
    /// To which state.
    pub to: RoleState,
}

/// One worker process on one device.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SlotStatus {
    /// Name of its Deployment and Service.
    pub name: String,
    /// Node that carries it.
    pub node: String,
    /// UUID of its device; `cpu` in CPU mode.
    pub device: String,
    /// Models that it holds.
    pub models: Vec<String>,
    /// What its process does.
    pub state: SlotState,
    /// Memory that it was planned with.
    pub memory: SlotMemory,
    /// Why it is not as it should be, or how far the download of its model is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// What a slot's process does.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
pub enum SlotState {
    /// Wanted, not ready yet.
    Starting,
    /// Ready.
    Serving,
    /// Ends its running queries.
    Stopping,
    /// Not wanted now; its device is free.
    Stopped,
    /// Wanted, and failing again and again.
    Failed,
}

impl SlotState {
    /// The word as users read it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Starting => "Starting",
            Self::Serving => "Serving",
            Self::Stopping => "Stopping",
            Self::Stopped => "Stopped",
            Self::Failed => "Failed",
        }
    }
}

/// Device memory of a slot, as quantities in MiB.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SlotMemory {
    /// Weights of its models.
    pub weights: String,
    /// KV cache for its sequences.
    pub kv_cache: String,
    /// Set aside for activations and the runtime.
    pub reserve: String,
    /// Sum, or the role's `gpuMemory`.
    pub total: String,
}

/// One role.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RoleStatus {
    /// Name of the role.
    pub name: String,
    /// Whether it admits queries.
    pub state: RoleState,
    /// When that changes by the calendar.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
    /// Slots that serve it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub slots: Vec<String>,
    /// Why it waits, as one word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Why it waits, with numbers and what to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// One piece of advice.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Advice {
    /// As one word.
    pub code: String,
    /// In words, with numbers.
    pub message: String,
}

/// The cache in coarse figures.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MemoryStatus {
    /// Queries answered from it, in percent, in steps of 5.
    pub hit_percent: i32,
    /// Entries, to two digits.
    pub entries: i64,
}
