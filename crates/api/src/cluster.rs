//! The resource itself and the rules that join its parts.

use crate::{
    accelerator::{Accelerator, Workers},
    gateway::{Gateway, Load},
    memory::{Autonomic, MuscleMemory},
    model::Model,
    role::Role,
    status::CherokeeClusterStatus,
    strategy::Strategy,
};
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

/// What a platform team wants of its GPUs.
#[derive(CustomResource, KubeSchema, Clone, Debug, Deserialize, Serialize, PartialEq)]
#[kube(
    group = "cherokee.ai",
    version = "v1alpha1",
    kind = "CherokeeCluster",
    namespaced,
    status = "CherokeeClusterStatus",
    derive = "PartialEq",
    doc = "Places the roles of language models on single GPUs by calendar, and serves them behind one OpenAI-compatible address.",
    shortname = "ckc",
    validation = Rule::new("self.metadata.name.size() <= 40").message("metadata.name must have at most 40 characters: names of children are made from it"),
    validation = Rule::new("self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')").message("metadata.name must begin with a letter and have only lower-case letters, digits and `-`: it begins the names of Services"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason"),
    printcolumn(name = "Available", type_ = "string", json_path = ".status.conditions[?(@.type==\"Available\")].status"),
    printcolumn(name = "Strategy", type_ = "string", json_path = ".status.strategy"),
    printcolumn(name = "Roles", type_ = "string", json_path = ".status.rolesSummary"),
    printcolumn(name = "GPUs", type_ = "string", json_path = ".status.gpusSummary"),
    printcolumn(name = "Next", type_ = "string", json_path = ".status.next"),
    printcolumn(name = "Hit%", type_ = "integer", json_path = ".status.muscleMemory.hitPercent"),
    printcolumn(name = "URL", type_ = "string", json_path = ".status.url", priority = 1),
    printcolumn(name = "Message", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].message", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.roles) || self.roles.all(r, self.models.exists(m, m.name == r.model))")
        .message("spec.roles[].model must be the name of an entry of spec.models: correct the name or add the model")
        .field_path(".roles").reason(Reason::FieldValueInvalid),
    validation = Rule::new("!has(self.roles) || self.roles.filter(r, has(r.routing) && has(r.routing.default) && r.routing.default).size() <= 1")
        .message("spec.roles[].routing.default may be true for one role only: queries that name no role go there")
        .field_path(".roles").reason(Reason::FieldValueInvalid),
    validation = Rule::new("!has(self.roles) || self.roles.all(r, !has(r.backs) || r.backs.all(b, b != r.name && self.roles.exists(o, o.name == b)))")
        .message("spec.roles[].backs must name other roles of this resource")
        .field_path(".roles").reason(Reason::FieldValueInvalid),
    validation = Rule::new("!has(self.roles) || self.roles.all(r, !has(r.placement) || !has(r.placement.shareWith) || r.placement.shareWith.all(b, b != r.name && self.roles.exists(o, o.name == b)))")
        .message("spec.roles[].placement.shareWith must name other roles of this resource")
        .field_path(".roles").reason(Reason::FieldValueInvalid),
    validation = Rule::new("!has(self.roles) || self.roles.all(r, !has(r.placement) || !has(r.placement.apartFrom) || r.placement.apartFrom.all(b, b != r.name && self.roles.exists(o, o.name == b)))")
        .message("spec.roles[].placement.apartFrom must name other roles of this resource")
        .field_path(".roles").reason(Reason::FieldValueInvalid)
)]
pub struct CherokeeClusterSpec {
    /// Stops the operator from changing anything of this cluster: what runs keeps running, windows are frozen. Default
    /// false.
    #[serde(default)]
    pub suspend: bool,
    /// Layout of roles over GPUs. It brings roles, windows and placement of its own when `roles` is empty; with `roles`
    /// given it is an assertion that they have this form. Default `Auto`: decided once from models and GPUs, then kept
    /// in `status.strategy`.
    #[serde(default)]
    pub strategy: Strategy,
    /// IANA time zone of all windows, as `America/Chicago`. Default `Etc/UTC`.
    #[serde(default = "utc")]
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[A-Za-z][A-Za-z0-9_+\-/]*$"))]
    pub time_zone: String,
    /// Models that roles may name, 1 to 32. Names are unique.
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    #[schemars(length(min = 1, max = 32))]
    pub models: Vec<Model>,
    /// Roles to place, at most 32. Names are unique. Empty: the strategy's own, which `kubectl cherokee plan` shows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    #[schemars(length(max = 32))]
    pub roles: Vec<Role>,
    /// What computes, and how pods get it. Default: one GPU a role, found by itself.
    #[serde(default = "Accelerator::standard")]
    pub accelerator: Accelerator,
    /// What all worker pods have in common.
    #[serde(default = "Workers::standard")]
    pub workers: Workers,
    /// The cache of answered queries. Default: a Redis that the operator runs.
    #[serde(default = "MuscleMemory::standard")]
    pub muscle_memory: MuscleMemory,
    /// The daemon that tends the cache.
    #[serde(default = "Autonomic::standard")]
    pub autonomic: Autonomic,
    /// The front door: one address for all roles.
    #[serde(default = "Gateway::standard")]
    pub gateway: Gateway,
    /// Expected load and price of a GPU hour: for advice, capacity and cost only; changes nothing else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load: Option<Load>,
}

fn utc() -> String {
    "Etc/UTC".into()
}
