//! All CherokeeClusters as far as one cluster's pass needs the others: read leniently, because one that this version cannot
//! read keeps its devices too.

use crate::time;
use cherokee_api::accelerator::Accelerator;
use cherokee_plan::{CPU, ClusterId, DeviceId};
use kube::{api::DynamicObject, core::ObjectMeta};
use serde_json::Value;
use std::collections::BTreeSet;

/// A CherokeeCluster beside others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Which cluster.
    pub id: ClusterId,
    /// Devices that its status names.
    pub devices: BTreeSet<DeviceId>,
    /// Its status was written without GpuHolds.
    pub before_holds: bool,
    /// DeviceClass and extended resource by which it gets devices.
    pub class: String,
    /// See `class`.
    pub resource: String,
}

impl Known {
    /// Reads an object as the API server listed it.
    pub fn of(object: &DynamicObject) -> Self {
        let standard = Accelerator::standard();
        let text = |path: &str| object.data.pointer(path).and_then(Value::as_str).map(str::to_owned);
        let slots = object.data.pointer("/status/slots").and_then(Value::as_array);
        let device = |slot: &Value| {
            let field = |name: &str| slot.get(name)?.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
            Some(DeviceId { node: field("node")?, uuid: field("device").filter(|uuid| uuid != CPU)? })
        };
        Self {
            id: cluster_id(&object.metadata),
            devices: slots.into_iter().flatten().filter_map(device).collect(),
            before_holds: object.data.get("status").is_some() && object.data.pointer("/status/planVersion").is_none(),
            class: text("/spec/accelerator/deviceClassName").unwrap_or(standard.device_class_name),
            resource: text("/spec/accelerator/resourceName").unwrap_or(standard.resource_name),
        }
    }
}

/// A cluster's place in the queue, from its metadata.
pub fn cluster_id(meta: &ObjectMeta) -> ClusterId {
    ClusterId {
        created: meta.creation_timestamp.as_ref().map(time::from_k8s).unwrap_or_default(),
        uid: meta.uid.clone().unwrap_or_default(),
        namespace: meta.namespace.clone().unwrap_or_default(),
        name: meta.name.clone().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_object_that_this_version_cannot_read_still_names_its_devices() {
        let object: DynamicObject = serde_json::from_value(json!({
            "apiVersion": "cherokee.ai/v1alpha1", "kind": "CherokeeCluster",
            "metadata": {"name": "c", "namespace": "n", "uid": "u"},
            "spec": {"strategy": 7, "accelerator": {"resourceName": "amd.com/gpu"}},
            "status": {"slots": [{"node": "redfin", "device": "GPU-1"}, {"node": "redfin", "device": "cpu"}, {"device": "GPU-2"}, 3]},
        }))
        .unwrap();
        let known = Known::of(&object);
        assert_eq!(known.devices, BTreeSet::from([DeviceId { node: "redfin".into(), uuid: "GPU-1".into() }]));
        assert!(known.before_holds);
        assert_eq!((known.class.as_str(), known.resource.as_str()), ("gpu.nvidia.com", "amd.com/gpu"));
    }
}
