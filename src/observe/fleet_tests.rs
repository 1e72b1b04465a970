use super::*;
use crate::stores::ended;
use cherokee_api::GpuHold;
use cherokee_api::hold::HeldDevice;
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{Node, Pod},
    resource::v1::ResourceSlice,
};
use serde_json::json;
use std::sync::Arc;

fn node(name: &str, gpus: Option<u32>) -> Arc<Node> {
    let allocatable = gpus.map(|n| json!({"nvidia.com/gpu": n.to_string()})).unwrap_or(json!({}));
    serde_json::from_value(json!({
        "metadata": {"name": name, "labels": {"nvidia.com/gpu.product": "NVIDIA-GeForce-RTX-5070", "nvidia.com/gpu.memory": "16303"}},
        "status": {"conditions": [{"type": "Ready", "status": "True"}], "allocatable": allocatable},
    }))
    .map(Arc::new)
    .unwrap()
}
fn slice(node: &str, gpus: u32) -> Arc<ResourceSlice> {
    let devices: Vec<_> = (0..gpus)
        .map(|i| {
            json!({"name": format!("gpu-{i}"), "attributes": {"uuid": {"string": format!("GPU-{node}-{i}")}},
                "capacity": {"memory": {"value": "16303Mi"}}})
        })
        .collect();
    serde_json::from_value(json!({"spec": {"driver": "gpu.nvidia.com", "nodeName": node,
        "pool": {"name": node, "generation": 1, "resourceSliceCount": 1}, "devices": devices}}))
    .map(Arc::new)
    .unwrap()
}
fn hold(cluster: &str, device: HeldDevice, slots: &[&str]) -> Arc<GpuHold> {
    let slots: Vec<_> = slots.iter().map(|name| json!({"name": name})).collect();
    let spec = serde_json::from_value(json!({"device": device, "slots": slots, "since": "2026-11-24T12:00:00Z",
        "holder": {"uid": cluster, "namespace": "ns", "name": cluster}}))
    .unwrap();
    Arc::new(GpuHold::new(&device.hold_name(), spec))
}
fn by_uuid(node: &str, index: usize) -> HeldDevice {
    HeldDevice::dra(node, "gpu.nvidia.com", &format!("GPU-{node}-{index}"))
}
fn by_ordinal(node: &str, ordinal: i32) -> HeldDevice {
    HeldDevice::plugin(node, "nvidia.com/gpu", ordinal)
}
/// A Deployment with all the labels, annotations and owners of a slot, and so many ready workers.
fn slot(name: &str, cluster: &str, device: &str, ready: i32) -> Arc<Deployment> {
    serde_json::from_value(json!({"metadata": {"name": name, "namespace": "ns", "annotations": {"cherokee.ai/device": device},
        "labels": {"cherokee.ai/cluster": cluster, "cherokee.ai/slot": name},
        "ownerReferences": [{"apiVersion": "cherokee.ai/v1alpha1", "kind": "CherokeeCluster", "name": cluster, "uid": cluster, "controller": true}]},
        "status": {"readyReplicas": ready}}))
    .map(Arc::new)
    .unwrap()
}
fn pod(node: &str, gpus: u32, phase: &str) -> Arc<Pod> {
    serde_json::from_value(json!({"metadata": {"name": "other"}, "status": {"phase": phase}, "spec": {"nodeName": node,
        "containers": [{"name": "c", "resources": {"limits": {"nvidia.com/gpu": gpus.to_string()}}}]}}))
    .map(Arc::new)
    .unwrap()
}
fn see(sources: &Sources) -> Fleet {
    fleet(sources, &Accelerator::standard(), &[])
}
fn holders(fleet: &Fleet, node: &str) -> Vec<String> {
    let word = |d: &Device| match &d.holder {
        Holder::Free => "free".to_owned(),
        Holder::Foreign => "foreign".to_owned(),
        Holder::Slots { cluster, slots } => format!("{}:{}", cluster.name, slots.join("+")),
    };
    fleet.nodes[node].devices.iter().map(word).collect()
}

#[test]
fn a_node_is_reached_by_what_it_offers() {
    let sources = Sources {
        nodes: vec![node("dra", None), node("plugin", Some(2)), node("both", Some(1)), node("none", Some(0))],
        slices: vec![slice("dra", 1), slice("both", 1)],
        ..Sources::default()
    };
    let seen = see(&sources);
    let access: Vec<_> = ["dra", "plugin", "both", "none"].iter().map(|n| seen.nodes[*n].access).collect();
    assert_eq!(access, [Access::Dra, Access::DevicePlugin, Access::Twice, Access::None]);
    let plugin = &seen.nodes["plugin"].devices[1];
    assert_eq!(
        (plugin.uuid.as_str(), plugin.product.as_str(), plugin.memory),
        ("plugin-1", "NVIDIA-GeForce-RTX-5070", Mib(16303))
    );

    let wanted = |access| Accelerator { access, ..Accelerator::standard() };
    assert_eq!(fleet(&sources, &wanted(Wanted::DevicePlugin), &[]).nodes["both"].access, Access::DevicePlugin);
    assert_eq!(fleet(&sources, &wanted(Wanted::DynamicResourceAllocation), &[]).nodes["both"].access, Access::Dra);
    assert_eq!(fleet(&sources, &wanted(Wanted::DynamicResourceAllocation), &[]).nodes["plugin"].access, Access::None);
}

#[test]
fn holds_are_read_from_gpu_holds_and_nothing_that_a_tenant_writes_changes_them() {
    let mut sources = Sources {
        nodes: vec![node("redfin", None)],
        slices: vec![slice("redfin", 2)],
        holds: Some(vec![hold("old", by_uuid("redfin", 0), &["old-1", "old-2"])]),
        ..Sources::default()
    };
    assert_eq!(holders(&see(&sources), "redfin"), ["old:old-1+old-2", "free"]);
    sources.slots = vec![slot("x", "thief", "redfin/GPU-redfin-0", 1), slot("y", "thief", "redfin/GPU-redfin-1", 0)];
    assert_eq!(holders(&see(&sources), "redfin"), ["old:old-1+old-2", "free"]);
}

#[test]
fn a_hold_of_a_wrong_name_counts_as_taken_but_never_above_one_of_the_right_name() {
    let mut wrong = hold("other", by_uuid("redfin", 0), &["x"]);
    Arc::make_mut(&mut wrong).metadata.name = Some("zzz".into());
    let mut sources = Sources {
        nodes: vec![node("redfin", None)],
        slices: vec![slice("redfin", 1)],
        holds: Some(vec![wrong]),
        ..Sources::default()
    };
    assert_eq!(holders(&see(&sources), "redfin"), ["other:x"]);
    sources.holds.as_mut().unwrap().push(hold("old", by_uuid("redfin", 0), &["a"]));
    assert_eq!(holders(&see(&sources), "redfin"), ["old:a"]);
}

#[test]
fn a_gpu_that_is_published_twice_is_not_used_twice() {
    let mut sources = Sources {
        nodes: vec![node("both", Some(2))],
        slices: vec![slice("both", 2)],
        holds: Some(vec![hold("old", by_uuid("both", 0), &["a"])]),
        ..Sources::default()
    };
    let wanted = |access| Accelerator { access, ..Accelerator::standard() };
    let plugin = fleet(&sources, &wanted(Wanted::DevicePlugin), &[]);
    assert_eq!(holders(&plugin, "both"), ["free", "foreign"], "one is used by UUID, which one is not known here");
    sources.holds = Some(vec![hold("old", by_ordinal("both", 0), &["a"])]);
    let dra = fleet(&sources, &wanted(Wanted::DynamicResourceAllocation), &[]);
    assert_eq!(holders(&dra, "both"), ["free", "foreign"], "one is used by ordinal");
}

#[test]
fn a_foreign_claim_takes_its_very_device() {
    let claim = serde_json::from_value(
        json!({"metadata": {"name": "theirs", "labels": {"cherokee.ai/slot": "s"}}, "spec": {}, "status": {"allocation": {"devices": {"results": [
        {"driver": "gpu.nvidia.com", "pool": "redfin", "device": "gpu-1", "request": "gpu"}]}}}}),
    )
    .map(Arc::new)
    .unwrap();
    let sources = Sources {
        nodes: vec![node("redfin", None)],
        slices: vec![slice("redfin", 2)],
        claims: vec![claim],
        ..Sources::default()
    };
    assert_eq!(holders(&see(&sources), "redfin"), ["free", "foreign"]);
}

#[test]
fn under_the_device_plugin_foreign_pods_are_counted_and_ended_ones_are_not() {
    let mut sources = Sources {
        nodes: vec![node("redfin", Some(2))],
        pods: vec![pod("redfin", 1, "Running"), pod("redfin", 1, "Succeeded"), pod("bluefin", 2, "Running")],
        ..Sources::default()
    };
    assert_eq!(holders(&see(&sources), "redfin"), ["free", "foreign"]);
    sources.holds = Some(vec![hold("old", by_ordinal("redfin", 1), &["s"])]);
    assert_eq!(holders(&see(&sources), "redfin"), ["foreign", "old:s"]);
    // As many pods as a namespace holds are the holder's, whatever their labels say; every further one is foreign.
    Arc::make_mut(&mut sources.pods[0]).metadata.namespace = Some("ns".into());
    assert_eq!(holders(&see(&sources), "redfin"), ["free", "old:s"]);
    Arc::make_mut(&mut sources.pods[0]).metadata.labels =
        Some([("cherokee.ai/slot".to_owned(), "s".to_owned())].into());
    Arc::make_mut(&mut sources.pods[0]).metadata.namespace = Some("elsewhere".into());
    assert_eq!(holders(&see(&sources), "redfin"), ["foreign", "old:s"]);
}

#[test]
fn a_device_that_is_withdrawn_under_a_ready_worker_stays_that_workers() {
    let running = |name: &str| slot(name, "old", "", 1);
    let mut sources = Sources {
        nodes: vec![node("plugin", Some(1)), node("dra", None)],
        slots: vec![running("a"), running("b"), running("c"), slot("starting", "old", "", 0)],
        holds: Some(vec![
            hold("old", by_ordinal("plugin", 0), &["a"]),
            hold("old", by_ordinal("plugin", 1), &["b"]),
            hold("old", by_uuid("dra", 0), &["c"]),
            hold("old", by_uuid("dra", 1), &["starting"]),
        ]),
        ..Sources::default()
    };
    let seen = see(&sources);
    let withdrawn = |seen: &Fleet, node: &str| -> Vec<String> {
        seen.nodes[node].withdrawn.iter().map(|d| d.uuid.clone()).collect()
    };
    assert_eq!((seen.nodes["plugin"].devices.len(), withdrawn(&seen, "plugin")), (1, vec!["plugin-1".to_owned()]));
    assert_eq!((seen.nodes["dra"].access, withdrawn(&seen, "dra")), (Access::Dra, vec!["GPU-dra-0".to_owned()]));
    sources.nodes[0] = node("plugin", Some(0));
    let seen = see(&sources);
    assert_eq!(seen.nodes["plugin"].access, Access::DevicePlugin, "its pods were given their GPUs that way");
    assert_eq!(withdrawn(&seen, "plugin"), ["plugin-0", "plugin-1"]);
}

#[test]
fn an_evicted_pod_has_ended_and_one_that_starts_has_not() {
    let ends = |phase: &str| ended(&pod("redfin", 1, phase));
    assert_eq!(["Failed", "Succeeded", "Pending", "Running"].map(ends), [true, true, false, false]);
}
