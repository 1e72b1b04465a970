//! Roles: who answers what, when and where.

use crate::schema;
pub use cherokee_wire::role::Layer;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::{KubeSchema, core::Duration};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One duty that a GPU is given.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("(self.activation == 'Scheduled') == (has(self.windows) && self.windows.size() > 0)")
        .message("spec.roles[].windows and activation belong together: give windows with activation Scheduled, and none with Always or OnDemand")
        .field_path(".windows").reason(Reason::FieldValueInvalid),
    validation = Rule::new("self.activation != 'OnDemand' || has(self.onDemand)")
        .message("spec.roles[].onDemand is required with activation OnDemand: say triggers and maxDuration")
        .field_path(".onDemand").reason(Reason::FieldValueRequired),
    validation = Rule::new("!has(self.backs) || self.layer == 'Backup' || self.layer == 'Conscious'")
        .message("spec.roles[].backs is for roles of layer Backup or Conscious")
        .field_path(".backs").reason(Reason::FieldValueInvalid)
)]
pub struct Role {
    /// Name, unique in this resource: lower-case letters, digits and `-`; 1 to 40 characters.
    #[schemars(length(min = 1, max = 40), regex(pattern = r"^[a-z]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// What the role is for: `Conscious` answers new queries, `Subconscious` dreams (consolidates the cache, takes
    /// overflow), `Specialist` answers one domain, `Backup` stands in for others.
    pub layer: Layer,
    /// Name of a model in `spec.models`.
    #[schemars(length(min = 1, max = 40))]
    pub model: String,
    /// Program that runs the model. Default `candle`, the only one so far.
    #[serde(default = "candle")]
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[a-z]([-a-z0-9]*[a-z0-9])?$"))]
    pub engine: String,
    /// When the role is awake: `Always` (default), `Scheduled` (in `windows`) or `OnDemand` (only when woken).
    #[serde(default)]
    pub activation: Activation,
    /// Times in which the role admits new queries, at most 8; with `activation: Scheduled`. Windows that touch or
    /// overlap are one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub windows: Vec<Window>,
    /// Who may wake the role outside its windows, and for how long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_demand: Option<OnDemand>,
    /// Which queries come here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub routing: Option<Routing>,
    /// Roles that this one stands in for when they cannot answer, at most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Set)]
    #[schemars(length(max = 16), inner(length(min = 1, max = 40)))]
    pub backs: Vec<String>,
    /// Where the role may run. Default: where it fits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub placement: Option<Placement>,
    /// GPU memory that the engine may use, as a quantity: `6Gi`; it never takes more. Default: what sizing says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::quantity")]
    #[x_kube(validation = Rule::new("isQuantity(string(self)) && quantity(string(self)).isGreaterThan(quantity('0'))")
        .message("spec.roles[].gpuMemory must be a quantity above 0, as 6Gi").reason(Reason::FieldValueInvalid))]
    pub gpu_memory: Option<Quantity>,
    /// Queries answered at once, 1 to 256; each takes KV cache for the model's `contextTokens`. Default 4.
    #[serde(default = "max_sequences")]
    #[schemars(range(min = 1, max = 256))]
    pub max_sequences: i32,
    /// Splits the model's layers over several GPUs. Served by a later version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split: Option<Split>,
}

/// When a role is awake.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
pub enum Activation {
    /// Around the clock.
    #[default]
    Always,
    /// In its windows, and when woken if `onDemand` says so.
    Scheduled,
    /// Only when woken.
    OnDemand,
}

/// A time in which a role admits new queries: a start and how long it lasts, in wall-clock time of `spec.timeZone`.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Window {
    /// Start as a cron line of five fields, minute and hour as plain numbers: `0 2 * * *`, `30 22 * * MON-FRI`.
    /// With both a day of month and a weekday, either is enough: `0 2 1-7 * MON` starts on days 1 to 7 and on every Monday.
    /// Write weekdays over the end of the week as a list: `FRI,SAT,SUN,MON`.
    #[schemars(
        length(min = 9, max = 100),
        regex(pattern = r"^[0-9]{1,2} [0-9]{1,2} [0-9*,/\-]+ [0-9A-Za-z*,/\-]+ [0-9A-Za-z*,/\-]+$")
    )]
    pub schedule: String,
    /// Length, as `4h` or `1h30m`; more than 0, at most `24h`. 02:00 with `4h` ends at 06:00 on every day of the year,
    /// also when the clocks change in between.
    #[schemars(schema_with = "schema::duration")]
    #[x_kube(validation = Rule::new("self > duration('0s') && self <= duration('24h')")
        .message("spec.roles[].windows[].duration must be more than 0s and at most 24h").reason(Reason::FieldValueInvalid))]
    pub duration: Duration,
}

/// Who may wake a role outside its windows.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct OnDemand {
    /// `Manual`: the annotation `wake.cherokee.ai/<role>: <from>/<until>` (RFC 3339), which `kubectl cherokee dream`
    /// writes. `Overflow`: the autonomic daemon when the default route is full, and queries overflow here while the role
    /// is awake.
    #[x_kube(merge_strategy = ListMerge::Set)]
    #[schemars(length(min = 1, max = 2))]
    pub triggers: Vec<Trigger>,
    /// Longest time awake by one wake-up, as `1h`; more than 0, at most `24h`. Default `1h`.
    #[serde(default = "one_hour")]
    #[schemars(schema_with = "schema::duration")]
    #[x_kube(validation = Rule::new("self > duration('0s') && self <= duration('24h')")
        .message("spec.roles[].onDemand.maxDuration must be more than 0s and at most 24h").reason(Reason::FieldValueInvalid))]
    pub max_duration: Duration,
}

/// Who may wake a role.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq, PartialOrd, Ord, JsonSchema)]
pub enum Trigger {
    /// The autonomic daemon, when the default route is full.
    Overflow,
    /// A person, by annotation.
    Manual,
}

/// Which queries come to a role.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Routing {
    /// Takes the queries that name no other role. One role at most. Default: the first role of layer `Conscious`.
    #[serde(default)]
    pub default: bool,
    /// Values of a request's `model` that come here, beside the role's name; at most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Set)]
    #[schemars(length(max = 16), inner(length(min = 1, max = 128)))]
    pub model_names: Vec<String>,
    /// Queries that are typical of this role, at most 32: kept for routing by meaning, which a later version serves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 512)))]
    pub examples: Vec<String>,
}

/// Where a role may run.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!(has(self.nodeName) && has(self.nodeSelector))")
        .message("spec.roles[].placement takes nodeName or nodeSelector, not both: remove one")
        .reason(Reason::FieldValueInvalid)
)]
pub struct Placement {
    /// Name of the only node that may carry it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub node_name: Option<String>,
    /// Labels that a node must have, at most 16.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16))]
    pub node_selector: BTreeMap<String, String>,
    /// The device on that node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<Device>,
    /// Roles whose GPU this one uses too, at most 16. Roles of one model whose windows never meet share it now; sharing
    /// awake is served by a later version.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Set)]
    #[schemars(length(max = 16), inner(length(min = 1, max = 40)))]
    pub share_with: Vec<String>,
    /// Roles whose GPU this one must not use, at most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Set)]
    #[schemars(length(max = 16), inner(length(min = 1, max = 40)))]
    pub apart_from: Vec<String>,
}

/// A device on a node, by exactly one of its names.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("[has(self.index), has(self.uuid), has(self.product)].filter(x, x).size() == 1")
        .message("spec.roles[].placement.device takes exactly one of index, uuid and product")
        .reason(Reason::FieldValueInvalid)
)]
pub struct Device {
    /// Position on the node, from 0, in the order of the device names. Resolved once, then held by UUID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 127))]
    pub index: Option<i32>,
    /// UUID, as `nvidia-smi -L` prints it: `GPU-5f0c…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z0-9_.\-]+$"))]
    pub uuid: Option<String>,
    /// Product name, as `NVIDIA GeForce RTX 5070`: any device of that product.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub product: Option<String>,
}

/// How a model's layers are split over GPUs. Served by a later version.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Split {
    /// Number of GPUs, 2 to 8.
    #[schemars(range(min = 2, max = 8))]
    pub stages: i32,
    /// Whether stages may, must or must not sit on different nodes. Default `Allow`.
    #[serde(default)]
    pub across_nodes: AcrossNodes,
}

/// Whether stages may sit on different nodes.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
pub enum AcrossNodes {
    /// They may.
    #[default]
    Allow,
    /// They must.
    Require,
    /// They must not.
    Forbid,
}

fn candle() -> String {
    "candle".into()
}
fn max_sequences() -> i32 {
    4
}
fn one_hour() -> Duration {
    std::time::Duration::from_hours(1).into()
}
