//! What is said of whole clusters, each a plan with children in some state.

use super::*;
use crate::{intent, render::Kind};
use cherokee_plan::{Access, Device, Holder, Mib, Node, plan};
use cherokee_wire::hints::Hints;
use serde_json::Value;

const CREATED: &str = "2026-11-24T12:00:00Z";

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn fleet() -> Fleet {
    let device = Device { uuid: "GPU-1".into(), product: "RTX".into(), memory: Mib(16_303), holder: Holder::Free };
    let node = Node { usable: true, access: Access::Dra, devices: vec![device], ..Node::default() };
    Fleet { nodes: [("bluefin".to_owned(), node)].into() }
}

/// One role on one GPU, awake in the windows, or always if there is none.
fn cluster(windows: &Value) -> CherokeeCluster {
    let activation = if windows == &json!([]) { "Always" } else { "Scheduled" };
    serde_json::from_value(json!({
        "apiVersion": "cherokee.ai/v1alpha1", "kind": "CherokeeCluster",
        "metadata": {"name": "c", "namespace": "n", "uid": "u", "generation": 1, "creationTimestamp": CREATED},
        "spec": {
            "models": [{"name": "owl", "uri": "pvc://models/owl.gguf", "parameters": "1.1B"}],
            "roles": [{"name": "talk", "layer": "Conscious", "model": "owl", "routing": {"default": true},
                "activation": activation, "windows": windows}],
        },
    }))
    .unwrap()
}

fn always() -> CherokeeCluster {
    cluster(&json!([]))
}

/// By day, from 06:00Z for twelve hours.
fn by_day() -> CherokeeCluster {
    cluster(&json!([{"schedule": "0 6 * * *", "duration": "12h"}]))
}

/// All children there and ready, the slot turned on at `since`.
fn children(slot: &str, since: &str) -> Live {
    let mut live = Live::default();
    let status = json!({"observedGeneration": 1, "readyReplicas": 1, "updatedReplicas": 1});
    for (kind, name) in [
        (Kind::StatefulSet, "c-memory"),
        (Kind::Deployment, "c-autonomic"),
        (Kind::Deployment, "c-gateway"),
        (Kind::Deployment, slot),
    ] {
        let metadata = json!({"name": name, "generation": 1, "creationTimestamp": CREATED,
            "annotations": {"cherokee.ai/since": since}});
        live.insert(kind, name, json!({"metadata": metadata, "spec": {"replicas": 1}, "status": status}));
    }
    live
}

fn set(live: &mut Live, name: &str, path: &str, value: Value) {
    let mut body = live.get(Kind::Deployment, name).unwrap().clone();
    *body.pointer_mut(path).unwrap() = value;
    live.insert(Kind::Deployment, name, body);
}

/// The slot's pod died then.
fn died(live: &mut Live, slot: &str, when: &str) {
    let gone = json!({"observedGeneration": 1, "updatedReplicas": 1, "conditions": [
        {"type": "Available", "status": "False", "lastTransitionTime": when}]});
    set(live, slot, "/status", gone);
}

/// Name of the only slot.
fn slot(cluster: &CherokeeCluster) -> String {
    let wish = intent::understand(cluster, &Hints::default(), &fleet(), at(CREATED)).unwrap();
    plan(&wish.intent, &fleet(), at(CREATED)).slots.into_keys().next().unwrap()
}

/// Status word, reason and message of a condition at a time.
fn said(cluster: &CherokeeCluster, live: &Live, now: &str, condition: &str) -> (String, String, String) {
    let wish = intent::understand(cluster, &Hints::default(), &fleet(), at(now)).unwrap();
    let plan = plan(&wish.intent, &fleet(), at(now));
    let facts = Facts {
        cluster,
        name: "c".into(),
        namespace: "n".into(),
        strategy: wish.strategy,
        roles: &wish.roles,
        intent: &wish.intent,
        plan: &plan,
        notes: &[],
        fleet: &fleet(),
        live,
        pods: &[],
        refused: &[],
        later: &BTreeSet::new(),
        downloads: &BTreeMap::new(),
        missing: &[],
        memory: None,
        now: at(now),
    };
    let conditions = status::status(&facts).0.conditions;
    let found = conditions.into_iter().find(|c| c.type_ == condition).unwrap();
    (found.status, found.reason, found.message)
}

fn words(said: &(String, String, String)) -> (&str, &str) {
    (&said.0, &said.1)
}

#[test]
fn a_worker_that_dies_after_hours_has_as_long_to_come_back_as_a_new_one() {
    let cluster = always();
    let slot = slot(&cluster);
    let mut live = children(&slot, CREATED);
    died(&mut live, &slot, "2026-11-24T18:00:00Z");
    assert_eq!(words(&said(&cluster, &live, "2026-11-24T18:10:00Z", "Ready")), ("False", "Starting"));
    let late = said(&cluster, &live, "2026-11-24T18:30:00Z", "Ready");
    assert_eq!(words(&late), ("False", "StartTimedOut"));
    assert_eq!(late.2, format!("slot `{slot}` has not been ready for 1200 s: see the log of its pod"));
}

#[test]
fn a_cluster_made_inside_its_window_is_not_ready_before_its_worker() {
    let cluster = by_day();
    let slot = slot(&cluster);
    let mut first = children(&slot, CREATED);
    died(&mut first, &slot, CREATED);
    assert_eq!(words(&said(&cluster, &first, "2026-11-24T12:01:00Z", "Ready")), ("False", "Starting"));
    // The next morning the calendar turns it on, and a start in time is no fault.
    let mut next = children(&slot, "2026-11-25T05:58:00Z");
    died(&mut next, &slot, "2026-11-25T05:58:00Z");
    assert_eq!(words(&said(&cluster, &next, "2026-11-25T05:59:00Z", "Ready")), ("True", "Transitioning"));
}

#[test]
fn the_end_of_a_window_is_told_as_sleep_and_not_as_a_fault() {
    let cluster = by_day();
    let live = children(&slot(&cluster), CREATED);
    let draining = said(&cluster, &live, "2026-11-24T18:00:05Z", "Available");
    assert_eq!(words(&draining), ("False", "Asleep"), "{}", draining.2);
    assert_eq!(words(&said(&cluster, &live, "2026-11-24T20:00:00Z", "Available")), ("False", "Asleep"));
}

#[test]
fn a_gateway_that_still_runs_its_old_spec_answers_and_is_not_ready() {
    let cluster = always();
    let mut live = children(&slot(&cluster), CREATED);
    set(&mut live, "c-gateway", "/status/updatedReplicas", json!(0));
    assert_eq!(words(&said(&cluster, &live, "2026-11-24T13:00:00Z", "Available")), ("True", "Serving"));
    let ready = said(&cluster, &live, "2026-11-24T13:00:00Z", "Ready");
    assert_eq!(words(&ready), ("False", "Starting"));
    assert_eq!(ready.2, "Deployment `c-gateway`: none of 1 is of the newest spec");
}
