use super::*;
use crate::children::Kind;
use cherokee_plan::{Memory, Slot};
use kube::api::DynamicObject;
use serde_json::{Value, json};

fn at(minute: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_500_000 + 60 * minute, 0).unwrap()
}
/// A CherokeeCluster of namespace `ns` with the devices of its status, and whether a version with holds wrote that.
fn cluster(name: &str, created: i64, devices: &[&str], version: bool) -> (String, Known) {
    let slots: Vec<Value> = devices.iter().map(|uuid| json!({"node": "redfin", "device": uuid})).collect();
    let mut status = json!({"slots": slots});
    if version {
        status["planVersion"] = json!(PLAN_VERSION);
    }
    let object: DynamicObject = serde_json::from_value(json!({
        "apiVersion": "cherokee.ai/v1alpha1", "kind": "CherokeeCluster", "status": status,
        "metadata": {"name": name, "namespace": "ns", "uid": name, "creationTimestamp": at(created).to_rfc3339()}}))
    .unwrap();
    (name.into(), Known::of(&object))
}
fn device(uuid: &str) -> DeviceId {
    DeviceId { node: "redfin".into(), uuid: uuid.into() }
}
fn held(cluster: &str, uuid: &str, slots: &[&str]) -> Arc<GpuHold> {
    let id = ClusterId { uid: cluster.into(), namespace: "ns".into(), name: cluster.into(), created: at(0) };
    let slots = slots.iter().map(|name| HeldSlot { name: (*name).into(), roles: vec![], models: vec![] }).collect();
    Arc::new(hold(held_device(&device(uuid), "gpu.nvidia.com", "nvidia.com/gpu"), &id, slots, time::to_k8s(at(0))))
}
/// A claim of `cluster` that a pod has reserved on the device `gpu-<index>`.
fn claim(cluster: &str, index: usize) -> Arc<k8s_openapi::api::resource::v1::ResourceClaim> {
    serde_json::from_value(json!({
        "metadata": {"name": "claim", "namespace": "ns", "labels": {label::CLUSTER: cluster, label::SLOT: "s"}}, "spec": {},
        "status": {"reservedFor": [{"resource": "pods", "name": "p", "uid": "u"}], "allocation": {"devices": {"results": [
            {"driver": "gpu.nvidia.com", "pool": "redfin", "device": format!("gpu-{index}"), "request": "gpu"}]}}}}))
    .map(Arc::new)
    .unwrap()
}
fn sources(clusters: &[(String, Known)], holds: Vec<Arc<GpuHold>>) -> Sources {
    let devices: Vec<_> = (0..3)
        .map(|i| json!({"name": format!("gpu-{i}"), "attributes": {"uuid": {"string": format!("GPU-{i}")}}}))
        .collect();
    let slice = json!({"spec": {"driver": "gpu.nvidia.com", "nodeName": "redfin", "devices": devices,
        "pool": {"name": "redfin", "generation": 1, "resourceSliceCount": 1}}});
    Sources {
        slices: vec![Arc::new(serde_json::from_value(slice).unwrap())],
        holds: Some(holds),
        clusters: clusters.iter().cloned().collect(),
        ..Sources::default()
    }
}
fn of_whom(holds: &[GpuHold]) -> Vec<(String, String)> {
    holds.iter().map(|h| (device_id(&h.spec.device).uuid, h.spec.holder.name.clone())).collect()
}
fn plan_on(slots: &[(&str, &str)]) -> Plan {
    let slot = |uuid: &str| Slot {
        device: device(uuid),
        access: Access::Dra,
        models: BTreeSet::from(["owl".into()]),
        roles: BTreeSet::from(["talk".into()]),
        max_sequences: 1,
        memory: Memory::default(),
        on: true,
    };
    Plan { slots: slots.iter().map(|(name, uuid)| ((*name).to_owned(), slot(uuid))).collect(), ..Plan::default() }
}
fn resource() -> CherokeeCluster {
    serde_json::from_value(json!({"apiVersion": "cherokee.ai/v1alpha1", "kind": "CherokeeCluster",
        "metadata": {"name": "a", "namespace": "ns", "uid": "a"},
        "spec": {"models": [{"name": "owl", "uri": "pvc://m/owl.gguf"}]}}))
    .unwrap()
}
fn live(slots: &[&str]) -> Live {
    let mut live = Live::default();
    for slot in slots {
        live.insert(Kind::Deployment, slot, json!({}));
    }
    live
}

#[test]
fn a_device_that_a_status_names_gets_its_hold_once_and_the_older_cluster_has_it() {
    let clusters = [cluster("young", 9, &["GPU-0", "redfin-2"], true), cluster("old", 1, &["GPU-0", "GPU-1"], false)];
    let seen = sources(&clusters, vec![held("old", "GPU-1", &[])]);
    let made = missing(&seen, at(10));
    assert_eq!(of_whom(&made), [("GPU-0".into(), "old".into()), ("redfin-2".into(), "young".into())]);
    assert_eq!(made[1].spec.device.ordinal, Some(2));
    let settled =
        sources(&clusters, [made.into_iter().map(Arc::new).collect(), vec![held("old", "GPU-1", &[])]].concat());
    assert_eq!(missing(&settled, at(10)), []);
}

#[test]
fn a_pod_on_the_device_comes_before_a_status() {
    let mut seen = sources(&[cluster("young", 9, &[], true), cluster("old", 1, &["GPU-0"], true)], vec![]);
    seen.claims = vec![claim("young", 0)];
    assert_eq!(of_whom(&missing(&seen, at(10))), [("GPU-0".into(), "young".into())]);
}

#[test]
fn the_hold_of_a_cluster_that_is_gone_goes_when_its_device_is_not_in_use() {
    let mut seen = sources(&[cluster("a", 1, &[], true)], vec![held("a", "GPU-0", &[]), held("gone", "GPU-1", &["s"])]);
    seen.claims = vec![claim("gone", 1)];
    assert!(of_nobody(&seen).is_empty(), "its pod still has the device");
    seen.claims = vec![];
    assert_eq!(of_nobody(&seen).iter().map(|h| h.spec.holder.name.as_str()).collect::<Vec<_>>(), ["gone"]);
    // Under the device plugin the bound pod of the slot counts.
    seen.holds = Some(vec![held("gone", "redfin-0", &["s"])]);
    seen.pods = vec![
        serde_json::from_value(json!({"metadata": {"name": "p", "namespace": "ns", "labels": {label::SLOT: "s"}},
        "status": {"phase": "Running"}, "spec": {"nodeName": "redfin", "containers": [
            {"name": "c", "resources": {"limits": {"nvidia.com/gpu": "1"}}}]}}))
        .map(Arc::new)
        .unwrap(),
    ];
    assert!(of_nobody(&seen).is_empty());
    Arc::make_mut(&mut seen.pods[0]).metadata.namespace = Some("elsewhere".into());
    assert_eq!(of_nobody(&seen).len(), 1, "a pod of another namespace is not the holder's");
}

#[test]
fn after_a_version_without_holds_only_what_status_or_pods_name_stays_held() {
    let holds =
        || vec![held("a", "GPU-0", &[]), held("a", "GPU-1", &[]), held("a", "GPU-2", &[]), held("b", "redfin-7", &[])];
    let of = |version| {
        let mut seen = sources(&[cluster("a", 1, &["GPU-0"], version)], holds());
        seen.claims = vec![claim("a", 2)];
        let id = seen.clusters["a"].id.clone();
        of_whom(&outdated(&id, &seen).into_iter().map(|hold| hold.as_ref().clone()).collect::<Vec<_>>())
    };
    assert_eq!(of(false), [("GPU-1".into(), "a".into())]);
    assert_eq!(of(true), []);
}

#[test]
fn a_hold_names_the_slots_of_the_plan_and_those_whose_deployment_is_left() {
    let seen = sources(&[cluster("a", 1, &[], true)], vec![held("a", "GPU-0", &["leaving", "pruned"])]);
    let id = seen.clusters["a"].id.clone();
    let made = wanted(&plan_on(&[("new", "GPU-0")]), &resource(), &id, &seen, &live(&["leaving"]), at(5));
    let names: Vec<_> = made[0].spec.slots.iter().map(|slot| slot.name.as_str()).collect();
    assert_eq!((made.len(), names), (1, vec!["leaving", "new"]));
    assert_eq!(made[0].spec.since, time::to_k8s(at(0)), "it is the same hold");
    assert_eq!(made[0].metadata.name, held("a", "GPU-0", &[]).metadata.name);
}

#[test]
fn a_hold_goes_last_after_plan_deployment_pods_and_allocation() {
    let mut seen = sources(&[cluster("a", 1, &[], true)], vec![held("a", "GPU-0", &["s"])]);
    let id = seen.clusters["a"].id.clone();
    let pod: Pod = serde_json::from_value(json!({"metadata": {"name": "p", "labels": {label::SLOT: "s"}}})).unwrap();
    let count = |seen: &Sources, plan: &Plan, live: &Live, pods: &[Pod]| released(plan, &id, seen, live, pods).len();
    assert_eq!(count(&seen, &plan_on(&[("s", "GPU-0")]), &live(&[]), &[]), 0, "planned");
    assert_eq!(count(&seen, &Plan::default(), &live(&["s"]), &[]), 0, "its Deployment is there");
    assert_eq!(count(&seen, &Plan::default(), &live(&[]), &[pod]), 0, "its pod is there");
    assert_eq!(count(&seen, &Plan::default(), &live(&[]), &[]), 1);
    seen.claims = vec![claim("a", 0)];
    assert_eq!(count(&seen, &Plan::default(), &live(&[]), &[]), 0, "the device is still allocated");
}
