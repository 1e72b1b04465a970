use super::*;
use serde_json::json;

fn node(name: &str, gpus: Option<u32>) -> Arc<Node> {
    let allocatable = gpus.map(|n| json!({"nvidia.com/gpu": n.to_string()})).unwrap_or(json!({}));
    Arc::new(serde_json::from_value(json!({
        "metadata": {"name": name, "labels": {"nvidia.com/gpu.product": "NVIDIA-GeForce-RTX-5070", "nvidia.com/gpu.memory": "16303"}},
        "status": {"conditions": [{"type": "Ready", "status": "True"}], "allocatable": allocatable},
    }))
    .unwrap())
}
fn slice(node: &str, gpus: u32) -> Arc<ResourceSlice> {
    let devices: Vec<_> = (0..gpus)
        .map(|i| {
            json!({"name": format!("gpu-{i}"), "attributes": {"uuid": {"string": format!("GPU-{node}-{i}")}},
                "capacity": {"memory": {"value": "16303Mi"}}})
        })
        .collect();
    Arc::new(
        serde_json::from_value(json!({"spec": {"driver": "gpu.nvidia.com", "nodeName": node,
        "pool": {"name": node, "generation": 1, "resourceSliceCount": 1}, "devices": devices}}))
        .unwrap(),
    )
}
fn slot(name: &str, cluster: &str, device: &str) -> Arc<Deployment> {
    Arc::new(serde_json::from_value(json!({"metadata": {"name": name, "namespace": "ns", "annotations": {"cherokee.ai/device": device},
        "labels": {"cherokee.ai/cluster": cluster},
        "ownerReferences": [{"apiVersion": "cherokee.ai/v1alpha1", "kind": "CherokeeCluster", "name": cluster, "uid": cluster, "controller": true}]}}))
    .unwrap())
}
fn cluster(name: &str, created: i64) -> (String, ClusterId) {
    let created = chrono::DateTime::from_timestamp(created, 0).unwrap();
    (name.into(), ClusterId { created, uid: name.into(), namespace: "ns".into(), name: name.into() })
}
fn pod(node: &str, gpus: u32, phase: &str) -> Arc<Pod> {
    Arc::new(
        serde_json::from_value(
            json!({"metadata": {"name": "other"}, "status": {"phase": phase}, "spec": {"nodeName": node,
        "containers": [{"name": "c", "resources": {"limits": {"nvidia.com/gpu": gpus.to_string()}}}]}}),
        )
        .unwrap(),
    )
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
fn holds_are_read_from_slot_deployments_and_the_older_cluster_wins() {
    let sources = Sources {
        nodes: vec![node("redfin", None)],
        slices: vec![slice("redfin", 2)],
        slots: vec![
            slot("young-1", "young", "redfin/GPU-redfin-0"),
            slot("old-2", "old", "redfin/GPU-redfin-0"),
            slot("old-1", "old", "redfin/GPU-redfin-0"),
        ],
        clusters: [cluster("young", 200), cluster("old", 100)].into(),
        ..Sources::default()
    };
    assert_eq!(holders(&see(&sources), "redfin"), ["old:old-1+old-2", "free"]);
}

#[test]
fn a_foreign_claim_takes_its_very_device() {
    let claim = serde_json::from_value(
        json!({"metadata": {"name": "theirs"}, "spec": {}, "status": {"allocation": {"devices": {"results": [
        {"driver": "gpu.nvidia.com", "pool": "redfin", "device": "gpu-1", "request": "gpu"}]}}}}),
    )
    .unwrap();
    let sources = Sources {
        nodes: vec![node("redfin", None)],
        slices: vec![slice("redfin", 2)],
        claims: vec![Arc::new(claim)],
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
    sources.slots = vec![slot("s", "old", "redfin/redfin-1")];
    sources.clusters = [cluster("old", 1)].into();
    assert_eq!(holders(&see(&sources), "redfin"), ["foreign", "old:s"]);
}

#[test]
fn a_device_that_is_withdrawn_under_a_ready_worker_stays_that_workers() {
    let running = |name: &str, device: &str| {
        let mut slot = slot(name, "old", device);
        Arc::make_mut(&mut slot).status = serde_json::from_value(json!({"readyReplicas": 1})).unwrap();
        slot
    };
    let mut sources = Sources {
        nodes: vec![node("plugin", Some(1)), node("dra", None)],
        slots: vec![
            running("a", "plugin/plugin-0"),
            running("b", "plugin/plugin-1"),
            running("c", "dra/GPU-dra-0"),
            slot("starting", "old", "dra/GPU-dra-1"),
        ],
        clusters: [cluster("old", 1)].into(),
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
fn what_only_looks_like_a_slot_holds_nothing() {
    let mut bare = slot("bare", "old", "redfin/GPU-redfin-0");
    Arc::make_mut(&mut bare).metadata.owner_references = None;
    let mut elsewhere = slot("elsewhere", "old", "redfin/GPU-redfin-1");
    Arc::make_mut(&mut elsewhere).metadata.namespace = Some("other".into());
    let sources = Sources {
        nodes: vec![node("redfin", None)],
        slices: vec![slice("redfin", 2)],
        slots: vec![bare, elsewhere],
        clusters: [cluster("old", 100)].into(),
        ..Sources::default()
    };
    assert_eq!(holders(&see(&sources), "redfin"), ["free", "free"]);
}

#[test]
fn an_evicted_pod_has_ended_and_one_that_starts_has_not() {
    let ends = |phase: &str| ended(&pod("redfin", 1, phase));
    assert_eq!(["Failed", "Succeeded", "Pending", "Running"].map(ends), [true, true, false, false]);
}
