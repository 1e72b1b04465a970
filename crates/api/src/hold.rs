//! Who holds a GPU: one cluster-scoped object a device, whose name is the lock.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Characters that the name of a hold takes of the node's name, and again of the device's.
const NAME_PART: usize = 40;
/// Hex digits of the hash that ends the name of a hold.
const HASH_DIGITS: usize = 16;

/// Which CherokeeCluster holds a GPU.
#[derive(CustomResource, KubeSchema, Clone, Debug, Deserialize, Serialize, PartialEq)]
#[kube(
    group = "cherokee.ai",
    version = "v1alpha1",
    kind = "GpuHold",
    derive = "PartialEq",
    doc = "Says which CherokeeCluster holds a GPU. Written by the operator only; its name is that of the device, so that a second holder is refused.",
    printcolumn = r#"{"name":"Node","type":"string","jsonPath":".spec.device.node"}"#,
    printcolumn = r#"{"name":"UUID","type":"string","jsonPath":".spec.device.uuid"}"#,
    printcolumn = r#"{"name":"Ordinal","type":"integer","jsonPath":".spec.device.ordinal"}"#,
    printcolumn = r#"{"name":"Namespace","type":"string","jsonPath":".spec.holder.namespace"}"#,
    printcolumn = r#"{"name":"Cluster","type":"string","jsonPath":".spec.holder.name"}"#,
    printcolumn = r#"{"name":"Since","type":"date","jsonPath":".spec.since"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct GpuHoldSpec {
    /// The device, as its node publishes it. It never changes: another device is another object.
    #[x_kube(validation = Rule::new("self == oldSelf")
        .message("spec.device never changes: another device is another GpuHold").reason(Reason::FieldValueForbidden))]
    pub device: HeldDevice,
    /// The CherokeeCluster that holds the device.
    pub holder: HoldingCluster,
    /// Slots of that cluster that use the device, at most 64; several where roles take turns.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub slots: Vec<HeldSlot>,
    /// When the cluster took the device.
    pub since: Time,
}

/// A device of a node, by what its node publishes: driver and UUID under DRA, resource and ordinal under the device plugin.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.driver) == has(self.uuid) && has(self.resourceName) == has(self.ordinal) && has(self.uuid) != has(self.ordinal)")
        .message("spec.device takes driver and uuid, or resourceName and ordinal").reason(Reason::FieldValueInvalid)
)]
pub struct HeldDevice {
    /// Name of the node.
    #[schemars(length(min = 1, max = 253))]
    pub node: String,
    /// DRA driver that publishes the device, as `gpu.nvidia.com`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub driver: Option<String>,
    /// UUID of the device, under DRA.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub uuid: Option<String>,
    /// Extended resource of the device plugin, as `nvidia.com/gpu`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 317))]
    pub resource_name: Option<String>,
    /// Which of the node's devices, from 0: the device plugin publishes a count only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 255))]
    pub ordinal: Option<i32>,
}

/// A CherokeeCluster, by what tells it from a later one of the same name.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HoldingCluster {
    /// UID of the object.
    #[schemars(length(min = 1, max = 64))]
    pub uid: String,
    /// Namespace of the object.
    #[schemars(length(min = 1, max = 63))]
    pub namespace: String,
    /// Name of the object.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// A slot that uses the device.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HeldSlot {
    /// Name of its Deployment.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
    /// Roles that it serves, at most 32.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 40)))]
    pub roles: Vec<String>,
    /// Models that it has loaded, at most 32.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 40)))]
    pub models: Vec<String>,
}

impl HeldDevice {
    /// A device that a DRA driver publishes.
    pub fn dra(node: &str, driver: &str, uuid: &str) -> Self {
        Self {
            node: node.to_owned(),
            driver: Some(driver.to_owned()),
            uuid: Some(uuid.to_owned()),
            resource_name: None,
            ordinal: None,
        }
    }

    /// One of the devices that a device plugin counts.
    pub fn plugin(node: &str, resource_name: &str, ordinal: i32) -> Self {
        Self {
            node: node.to_owned(),
            driver: None,
            uuid: None,
            resource_name: Some(resource_name.to_owned()),
            ordinal: Some(ordinal),
        }
    }

    /// Name of the device's hold: at most 40 characters of the node, 40 of the device, and 16 hex digits of the SHA-256 over
    /// node, driver or resource name, and device, joined by zero bytes.
    pub fn hold_name(&self) -> String {
        let publisher = self.driver.as_deref().or(self.resource_name.as_deref()).unwrap_or_default();
        let device = match (&self.uuid, self.ordinal) {
            (Some(uuid), _) => uuid.clone(),
            (None, ordinal) => ordinal.unwrap_or_default().to_string(),
        };
        let mut hash = Sha256::new();
        hash.update([self.node.as_str(), publisher, &device].join("\0"));
        let digest = hex::encode(hash.finalize());
        format!("{}-{}-{}", part(&self.node), part(&device), &digest[..HASH_DIGITS])
    }
}

/// The first characters of a text as a Kubernetes name may have them.
fn part(text: &str) -> String {
    text.chars().take(NAME_PART).map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_name_of_a_hold_tells_node_and_device() {
        let dra = HeldDevice::dra("bluefin.lan", "gpu.nvidia.com", "GPU-5F0C");
        assert!(dra.hold_name().starts_with("bluefin-lan-gpu-5f0c-"), "{}", dra.hold_name());
        let plugin = HeldDevice::plugin("redfin", "nvidia.com/gpu", 3);
        assert!(plugin.hold_name().starts_with("redfin-3-"), "{}", plugin.hold_name());
        assert_ne!(plugin.hold_name(), HeldDevice::plugin("redfin", "nvidia.com/gpu.shared", 3).hold_name());
    }

    proptest! {
        #[test]
        fn devices_have_one_name_each_that_kubernetes_takes(
            a in ("[a-z0-9][a-z0-9.]{0,80}", "[a-z.]{1,20}", "[A-Za-z0-9_.-]{1,90}"),
            b in ("[a-z0-9][a-z0-9.]{0,80}", "[a-z.]{1,20}", "[A-Za-z0-9_.-]{1,90}"),
        ) {
            let name = |d: &(String, String, String)| HeldDevice::dra(&d.0, &d.1, &d.2).hold_name();
            prop_assert_eq!(a == b, name(&a) == name(&b));
            prop_assert!(name(&a).len() <= 98);
            prop_assert!(name(&a).chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'));
        }
    }
}
