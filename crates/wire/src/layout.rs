//! The layout document: which roles are awake on which slots. The operator writes it; gateway, dream and autonomic read it.
//!
//! ConfigMap `<cluster>-layout`, key [`KEY`]. Steady state does not change a byte of it.

pub use crate::role::{Layer, RoleState};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Key of the document in its ConfigMap, and its file name where the ConfigMap is mounted.
pub const KEY: &str = "layout.json";

/// Roles and slots as of one pass of the operator.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Layout {
    /// Namespace of the CherokeeCluster.
    pub namespace: String,
    /// Name of the CherokeeCluster.
    pub cluster: String,
    /// Models by name.
    pub models: BTreeMap<String, Model>,
    /// Roles by name.
    pub roles: BTreeMap<String, Role>,
    /// Slots by name; a slot's headless Service has the same name.
    pub slots: BTreeMap<String, Slot>,
    /// What the gateway does when all roles that could answer are asleep.
    pub when_asleep: WhenAsleep,
    /// Muscle memory, absent when disabled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<Memory>,
}

/// A model that workers hold.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Model {
    /// Hash of what makes its answers (address, digest): part of every memory key.
    pub revision: String,
    /// Tokens of prompt and answer together.
    pub context_tokens: u32,
}

/// A role and whether it admits queries.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Role {
    /// Layer of the role.
    pub layer: Layer,
    /// Name of its model in [`Layout::models`].
    pub model: String,
    /// Whether it admits new queries now.
    pub state: RoleState,
    /// When `state` changes by the calendar, RFC 3339 in UTC; absent: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// Slots that serve it.
    pub slots: Vec<String>,
    /// Takes queries that name no other role: the default route.
    pub default_route: bool,
    /// Values of a request's `model` that go to this role.
    pub model_names: Vec<String>,
    /// Roles that this one stands in for.
    pub backs: Vec<String>,
    /// Takes overflow of the default route while awake (a dream worker with trigger `Overflow`).
    pub overflow: bool,
}

/// One worker process on one device.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Slot {
    /// Node that carries it.
    pub node: String,
    /// UUID of its device, `cpu` in CPU mode.
    pub device: String,
    /// Names of the models that it holds.
    pub models: Vec<String>,
    /// Whether its Deployment wants a replica now.
    pub on: bool,
    /// It holds its models as they were before the last change of the resource: it answers until its turn comes, and what
    /// it says is not remembered.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub superseded: bool,
}

/// What the gateway does when all roles that could answer are asleep.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
pub enum WhenAsleep {
    /// 503 with the seconds to wait in the message.
    #[default]
    Refuse,
}

/// How the muscle memory is to be used.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Memory {
    /// Bytes of entries that autonomic keeps; Redis' own limit is above it.
    pub budget_bytes: u64,
    /// Seconds that an entry lives without being made anew.
    pub time_to_live_seconds: u64,
    /// Seconds in which an unused entry loses half of its heat.
    pub half_life_seconds: u64,
}

/// Why a query went where it went: the value of `x-cherokee-reason`.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// The same query was answered before.
    Remembered,
    /// The request's `model` names the role or one of its model names.
    ModelName,
    /// Nothing else was named: the default route.
    DefaultRoute,
    /// The role asked for cannot answer: a backup does.
    Fallback,
    /// The default route is full or away: an awake dream worker does.
    Overflow,
}

impl Reason {
    /// The word for headers and metrics.
    pub fn word(self) -> &'static str {
        match self {
            Self::Remembered => "remembered",
            Self::ModelName => "model-name",
            Self::DefaultRoute => "default-route",
            Self::Fallback => "fallback",
            Self::Overflow => "overflow",
        }
    }
}
