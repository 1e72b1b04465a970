//! What computes, and what all worker pods have in common.

use crate::{model::SecretRef, schema};
use k8s_openapi::api::core::v1::Toleration;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::{KubeSchema, core::Duration};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What computes, and how pods get it.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Accelerator {
    /// `GPU` (default) or `CPU`. In `CPU` mode no GPU is asked for; with `GPU` a worker that finds none ends with the
    /// reason `NoGpu` and never falls back.
    #[serde(default)]
    pub mode: Mode,
    /// How pods get their GPU: `Auto` (default) decides by node, by what the node offers.
    #[serde(default)]
    pub access: Access,
    /// Extended resource of the device plugin, with the vendor's domain; those of Kubernetes itself are refused. Default
    /// `nvidia.com/gpu`.
    #[serde(default = "resource_name")]
    #[schemars(
        length(min = 3, max = 317),
        regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?/[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$")
    )]
    #[x_kube(validation = Rule::new("!self.split('/')[0].endsWith('kubernetes.io')")
        .message("spec.accelerator.resourceName must be the extended resource of a device plugin, as nvidia.com/gpu").reason(Reason::FieldValueInvalid))]
    pub resource_name: String,
    /// DeviceClass of Dynamic Resource Allocation. Default `gpu.nvidia.com`.
    #[serde(default = "device_class_name")]
    #[schemars(length(min = 1, max = 253))]
    pub device_class_name: String,
    /// RuntimeClass of worker pods, if the cluster needs one: `nvidia`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub runtime_class_name: Option<String>,
}

/// What computes.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
pub enum Mode {
    /// One GPU a slot.
    #[default]
    #[serde(rename = "GPU")]
    Gpu,
    /// No GPU: for tests, edge and small models.
    #[serde(rename = "CPU")]
    Cpu,
}

/// How pods get their GPU.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
pub enum Access {
    /// By node: DRA where the node has ResourceSlices and no extended resource, the device plugin where it is the other
    /// way round. A node with both is refused (`GpuPublishedTwice`).
    #[default]
    Auto,
    /// The device plugin on every node.
    DevicePlugin,
    /// Dynamic Resource Allocation on every node.
    DynamicResourceAllocation,
}

impl Accelerator {
    /// One GPU a slot, found by itself.
    pub fn standard() -> Self {
        Self {
            mode: Mode::Gpu,
            access: Access::Auto,
            resource_name: resource_name(),
            device_class_name: device_class_name(),
            runtime_class_name: None,
        }
    }
}

/// What all worker pods have in common.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Workers {
    /// Taints that worker pods tolerate, at most 16; GPU nodes often carry one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub tolerations: Vec<Toleration>,
    /// Secrets of this namespace to pull images with, at most 8.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub image_pull_secrets: Vec<SecretRef>,
    /// PriorityClass of worker pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub priority_class_name: Option<String>,
    /// CPU that a worker asks for, as a quantity. Where the CPU computes, it is also the number of threads, rounded up.
    /// Default `500m`.
    #[serde(default = "worker_cpu")]
    #[schemars(schema_with = "schema::quantity")]
    #[x_kube(validation = Rule::new("isQuantity(string(self)) && quantity(string(self)).isGreaterThan(quantity('0'))")
        .message("spec.workers.cpu must be a quantity above 0, as 500m").reason(Reason::FieldValueInvalid))]
    pub cpu: Quantity,
    /// Main memory that a worker may use, as a quantity. Default: its model's need and 512Mi in CPU mode and on simulated
    /// GPUs, `4Gi` elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::quantity")]
    #[x_kube(validation = Rule::new("isQuantity(string(self)) && quantity(string(self)).isGreaterThan(quantity('0'))")
        .message("spec.workers.memory must be a quantity above 0, as 4Gi").reason(Reason::FieldValueInvalid))]
    pub memory: Option<Quantity>,
    /// Time that running queries get to end when a worker is stopped, as `30s`; at most `1h`. Default `30s`.
    #[serde(default = "drain")]
    #[schemars(schema_with = "schema::duration")]
    #[x_kube(validation = Rule::new("self >= duration('0s') && self <= duration('1h')")
        .message("spec.workers.drain must be at most 1h").reason(Reason::FieldValueInvalid))]
    pub drain: Duration,
    /// Time before a window in which its worker starts, so that it answers when the window opens, as `2m`; at most `1h`.
    /// Default `2m`.
    #[serde(default = "lead_time")]
    #[schemars(schema_with = "schema::duration")]
    #[x_kube(validation = Rule::new("self >= duration('0s') && self <= duration('1h')")
        .message("spec.workers.leadTime must be at most 1h").reason(Reason::FieldValueInvalid))]
    pub lead_time: Duration,
}

impl Workers {
    /// No tolerations, half a CPU, 30 s to drain, 2 min to start.
    pub fn standard() -> Self {
        Self {
            tolerations: Vec::new(),
            image_pull_secrets: Vec::new(),
            priority_class_name: None,
            cpu: worker_cpu(),
            memory: None,
            drain: drain(),
            lead_time: lead_time(),
        }
    }
}

fn resource_name() -> String {
    "nvidia.com/gpu".into()
}
fn device_class_name() -> String {
    "gpu.nvidia.com".into()
}
fn worker_cpu() -> Quantity {
    Quantity("500m".into())
}
fn drain() -> Duration {
    std::time::Duration::from_secs(30).into()
}
fn lead_time() -> Duration {
    std::time::Duration::from_mins(2).into()
}
