//! Devices as DRA publishes them: complete pools only.

use cherokee_plan::{Device, Holder, Mib};
use k8s_openapi::api::resource::v1::{Device as Published, DeviceClass, ResourceClaim, ResourceSlice};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// A device of a pool, by the names that claims use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pooled {
    /// Pool that publishes it.
    pub(crate) pool: String,
    /// Name in the pool.
    pub(crate) name: String,
    /// Published as simulated.
    pub(crate) simulated: bool,
    /// As the planner sees it.
    pub(crate) device: Device,
}

/// The driver that a DeviceClass stands for: what its selectors compare `device.driver` with, else its own name.
pub(crate) fn driver_of(class: Option<&DeviceClass>, name: &str) -> String {
    let selectors = class.and_then(|c| c.spec.selectors.as_deref()).unwrap_or_default();
    selectors
        .iter()
        .filter_map(|s| s.cel.as_ref())
        .find_map(|cel| {
            let (_, rest) = cel.expression.split_once("device.driver")?;
            let quoted = rest.trim_start().strip_prefix("==")?.trim_start();
            let quote = quoted.chars().next().filter(|c| ['"', '\''].contains(c))?;
            quoted[1..].split_once(quote).map(|(driver, _)| driver.to_owned())
        })
        .unwrap_or_else(|| name.to_owned())
}

/// The GPUs of each node, in the order of their names, as one driver publishes them.
///
/// A pool counts only when all slices of its newest generation are there, and a device only when it has a UUID and no
/// taint.
pub(crate) fn published(slices: &[Arc<ResourceSlice>], driver: &str) -> BTreeMap<String, Vec<Pooled>> {
    let mut pools: BTreeMap<&str, Vec<&Arc<ResourceSlice>>> = BTreeMap::new();
    for slice in slices.iter().filter(|s| s.spec.driver == driver) {
        pools.entry(&slice.spec.pool.name).or_default().push(slice);
    }
    let mut nodes: BTreeMap<String, Vec<Pooled>> = BTreeMap::new();
    for (pool, slices) in pools {
        let newest = slices.iter().map(|s| s.spec.pool.generation).max().unwrap_or(0);
        let current: Vec<_> = slices.iter().filter(|s| s.spec.pool.generation == newest).collect();
        let complete = current.iter().all(|s| usize::try_from(s.spec.pool.resource_slice_count) == Ok(current.len()));
        if !complete {
            continue;
        }
        for slice in current {
            for device in slice.spec.devices.as_deref().unwrap_or_default() {
                let node = device.node_name.as_ref().or(slice.spec.node_name.as_ref());
                if let (Some(node), Some(device)) = (node, read(device, driver, pool)) {
                    nodes.entry(node.clone()).or_default().push(device);
                }
            }
        }
    }
    for devices in nodes.values_mut() {
        devices.sort_by(|a, b| natural(&a.name).cmp(&natural(&b.name)));
    }
    nodes
}

/// `gpu-10` comes after `gpu-9`: the trailing number counts as a number.
fn natural(name: &str) -> (&str, u64, &str) {
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
    (stem, name[stem.len()..].parse().unwrap_or(0), name)
}

fn read(device: &Published, driver: &str, pool: &str) -> Option<Pooled> {
    let attribute = |name: &str| {
        let all = device.attributes.as_ref()?;
        all.get(name).or_else(|| all.get(&format!("{driver}/{name}")))
    };
    let text = |name: &str| attribute(name).and_then(|a| a.string.clone());
    if text("type").is_some_and(|kind| kind != "gpu") || device.taints.as_ref().is_some_and(|t| !t.is_empty()) {
        return None;
    }
    let capacity = device.capacity.as_ref();
    let memory = capacity.and_then(|all| all.get("memory").or_else(|| all.get(&format!("{driver}/memory"))));
    let bytes = memory.and_then(|m| crate::quantity::bytes(&m.value.0)).unwrap_or(0);
    Some(Pooled {
        pool: pool.to_owned(),
        name: device.name.clone(),
        simulated: attribute(SIMULATED).and_then(|a| a.bool).unwrap_or(false),
        device: Device {
            uuid: text("uuid")?,
            product: text("productName").unwrap_or_default(),
            memory: Mib(bytes >> 20),
            holder: Holder::Free,
        },
    })
}

/// Attribute of a published device: it is simulated.
const SIMULATED: &str = "cherokee.ai/simulated";

/// Devices, as (pool, name), that a driver's claim has been given.
pub(crate) fn allocated<'c>(
    claim: &'c ResourceClaim,
    driver: &'c str,
) -> impl Iterator<Item = (&'c String, &'c String)> {
    let allocation = claim.status.as_ref().and_then(|status| status.allocation.as_ref());
    let results = allocation.and_then(|a| a.devices.as_ref()).and_then(|d| d.results.as_ref());
    results
        .into_iter()
        .flatten()
        .filter(move |result| result.driver == driver && result.admin_access != Some(true))
        .map(|result| (&result.pool, &result.device))
}

/// Devices, as (pool, name), that any claims have been given. Whose they are decides the hold of the device, never a label.
pub(crate) fn taken(claims: &[Arc<ResourceClaim>], driver: &str) -> BTreeSet<(String, String)> {
    let all = claims.iter().flat_map(|claim| allocated(claim, driver));
    all.map(|(pool, name)| (pool.clone(), name.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn slice(generation: i64, count: i64, devices: &[&str]) -> Arc<ResourceSlice> {
        let devices: Vec<_> = devices
            .iter()
            .map(|name| {
                json!({"name": name, "attributes": {"uuid": {"string": format!("GPU-{name}")}, "type": {"string": "gpu"},
                    "productName": {"string": "NVIDIA GeForce RTX 5070"}, "cherokee.ai/simulated": {"bool": true}},
                    "capacity": {"memory": {"value": "16303Mi"}}})
            })
            .collect();
        serde_json::from_value(json!({"spec": {"driver": "gpu.nvidia.com", "nodeName": "redfin",
            "pool": {"name": "redfin", "generation": generation, "resourceSliceCount": count}, "devices": devices}}))
        .map(Arc::new)
        .unwrap()
    }
    fn names(slices: &[Arc<ResourceSlice>]) -> Vec<String> {
        published(slices, "gpu.nvidia.com").into_values().flatten().map(|d| d.name).collect()
    }

    #[test]
    fn devices_are_in_the_order_of_their_names_whatever_the_order_of_the_slices() {
        let slices = [slice(1, 2, &["gpu-10", "gpu-9"]), slice(1, 2, &["gpu-0"])];
        assert_eq!(names(&slices), ["gpu-0", "gpu-9", "gpu-10"]);
        let device = &published(&slices, "gpu.nvidia.com")["redfin"][0];
        assert_eq!(
            (device.device.uuid.as_str(), device.device.memory, device.simulated),
            ("GPU-gpu-0", Mib(16303), true)
        );
    }

    #[test]
    fn a_pool_of_which_a_slice_is_missing_has_no_devices() {
        assert!(names(&[slice(1, 2, &["gpu-0"])]).is_empty());
    }

    #[test]
    fn only_the_newest_generation_counts() {
        assert_eq!(names(&[slice(1, 1, &["gpu-0", "gpu-1"]), slice(2, 1, &["gpu-1"])]), ["gpu-1"]);
    }

    #[test]
    fn a_class_of_another_name_leads_to_its_driver() {
        let class: DeviceClass = serde_json::from_value(json!({"spec": {"selectors": [
            {"cel": {"expression": "device.driver == 'gpu.example.com' && true"}}]}}))
        .unwrap();
        assert_eq!(driver_of(Some(&class), "big-gpus"), "gpu.example.com");
        assert_eq!(driver_of(None, "gpu.nvidia.com"), "gpu.nvidia.com");
    }

    #[test]
    fn a_claim_takes_its_device_whatever_its_labels_say() {
        let claim = |labels: serde_json::Value| -> ResourceClaim {
            serde_json::from_value(
                json!({"metadata": {"labels": labels}, "spec": {}, "status": {"allocation": {"devices": {"results": [
                {"driver": "gpu.nvidia.com", "pool": "redfin", "device": "gpu-1", "request": "gpu"}]}}}}),
            )
            .unwrap()
        };
        for labels in [json!({}), json!({"cherokee.ai/slot": "a"})] {
            let held = taken(&[Arc::new(claim(labels))], "gpu.nvidia.com");
            assert_eq!(held.into_iter().collect::<Vec<_>>(), [("redfin".into(), "gpu-1".into())]);
        }
    }
}
