//! What is said of whole clusters, each a plan with children in some state.

use super::*;
use crate::{
    intent, observe,
    render::{self, Child, Kind},
};
use cherokee_plan::{Access, Device, Holder, Mib, Node, plan};
use cherokee_wire::hints::Hints;
use serde_json::Value;
use std::collections::BTreeSet;

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
    let status = json!({"observedGeneration": 1, "replicas": 1, "readyReplicas": 1, "updatedReplicas": 1});
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

/// The slot's pod is not ready since then.
fn died(live: &mut Live, slot: &str, when: &str) -> Vec<Pod> {
    set(live, slot, "/status", json!({"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1}));
    let pod = json!({"metadata": {"name": "p", "labels": {"cherokee.ai/slot": slot}, "creationTimestamp": CREATED},
        "status": {"conditions": [{"type": "Ready", "status": "False", "lastTransitionTime": when}]}});
    vec![serde_json::from_value(pod).unwrap()]
}

/// Name of the only slot.
fn slot(cluster: &CherokeeCluster) -> String {
    let wish = intent::understand(cluster, &Hints::default(), &fleet(), at(CREATED)).unwrap();
    plan(&wish.intent, &fleet(), at(CREATED)).slots.into_keys().next().unwrap()
}

/// Status word, reason and message of a condition at a time.
fn said(cluster: &CherokeeCluster, live: &Live, now: &str, condition: &str) -> (String, String, String) {
    find(&status_of(cluster, live, &[], &[], now), condition)
}

fn find(status: &CherokeeClusterStatus, condition: &str) -> (String, String, String) {
    let found = status.conditions.iter().find(|c| c.type_ == condition).unwrap().clone();
    (found.status, found.reason, found.message)
}

fn status_of(
    cluster: &CherokeeCluster,
    live: &Live,
    pods: &[Pod],
    refused: &[Refused],
    now: &str,
) -> CherokeeClusterStatus {
    status_with(cluster, live, pods, refused, &[], now)
}

fn status_with(
    cluster: &CherokeeCluster,
    live: &Live,
    pods: &[Pod],
    refused: &[Refused],
    missing: &[Missing],
    now: &str,
) -> CherokeeClusterStatus {
    let wish = intent::understand(cluster, &Hints::default(), &fleet(), at(now)).unwrap();
    let plan = plan(&wish.intent, &fleet(), at(now));
    let facts = Facts {
        cluster,
        name: "c".into(),
        namespace: "n".into(),
        strategy: wish.strategy,
        auto: None,
        roles: &wish.roles,
        intent: &wish.intent,
        plan: &plan,
        notes: &[],
        fleet: &fleet(),
        live,
        pods,
        refused,
        later: &BTreeMap::new(),
        unowned: &[],
        foreign: &[],
        downloads: &BTreeMap::new(),
        missing,
        memory: None,
        now: at(now),
    };
    status::status(&facts).0
}

fn words(said: &(String, String, String)) -> (&str, &str) {
    (&said.0, &said.1)
}

#[test]
fn a_worker_that_dies_after_hours_has_as_long_to_come_back_as_a_new_one() {
    let cluster = always();
    let slot = slot(&cluster);
    let mut live = children(&slot, CREATED);
    let pods = died(&mut live, &slot, "2026-11-24T18:00:00Z");
    let ready = |now| find(&status_of(&cluster, &live, &pods, &[], now), "Ready");
    assert_eq!(words(&ready("2026-11-24T18:10:00Z")), ("False", "Starting"));
    let late = ready("2026-11-24T18:30:00Z");
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

#[test]
fn after_a_change_of_the_spec_a_part_that_kubernetes_has_not_seen_yet_is_not_ready() {
    let cluster = always();
    let slot = slot(&cluster);
    let now = "2026-11-24T13:00:00Z";
    assert_eq!(words(&said(&cluster, &children(&slot, CREATED), now, "Ready")), ("True", "Ready"));
    // The answer to our own write: the next generation, with the counters of the last.
    for name in ["c-gateway", "c-autonomic", &slot] {
        let mut live = children(&slot, CREATED);
        set(&mut live, name, "/metadata/generation", json!(2));
        let ready = said(&cluster, &live, now, "Ready");
        assert_eq!(words(&ready), ("False", "Starting"), "{name}");
        assert!(ready.2.contains(name), "{}", ready.2);
        assert_eq!(words(&said(&cluster, &live, now, "Available")), ("True", "Serving"), "the old pods answer");
    }
    let mut surging = children(&slot, CREATED);
    set(&mut surging, "c-gateway", "/status/replicas", json!(2));
    assert_eq!(words(&said(&cluster, &surging, now, "Ready")), ("False", "Starting"), "only the old one is ready");
}

#[test]
fn a_window_edge_keeps_ready_only_where_this_generation_was_ready_before() {
    let mut cluster = by_day();
    let slot = slot(&cluster);
    let mut live = children(&slot, "2026-11-25T05:58:00Z");
    let pods = died(&mut live, &slot, "2026-11-25T05:58:00Z");
    let mut before = |generation: i64, word: &str| {
        let ready = json!({"type": "Ready", "status": word, "reason": "x", "message": "", "observedGeneration": generation,
            "lastTransitionTime": CREATED});
        cluster.metadata.generation = Some(2);
        cluster.status = serde_json::from_value(json!({"conditions": [ready]})).unwrap();
        find(&status_of(&cluster, &live, &pods, &[], "2026-11-25T05:59:00Z"), "Ready")
    };
    assert_eq!(words(&before(2, "True")), ("True", "Transitioning"));
    assert_eq!(words(&before(1, "True")), ("False", "Starting"));
    assert_eq!(words(&before(2, "False")), ("False", "Starting"));
}

#[test]
fn every_refused_child_is_named_by_a_condition_whatever_its_kind() {
    let mut cluster = always();
    cluster.spec.gateway.replicas = 2;
    let slot = slot(&cluster);
    let live = children(&slot, CREATED);
    let children = rendered(&cluster);
    let mut kinds: BTreeSet<Kind> = Kind::ALL.into();
    let secret = json!({"metadata": {"labels": {"app.kubernetes.io/component": "memory"}}});
    let named = children.iter().map(|child| (format!("{} `{}`", child.kind, child.name), &child.body));
    for (object, body) in named.chain([("Secret `c-memory-password`".to_owned(), &secret)]) {
        let refused = [Refused::new(object.clone(), body, reason::REFUSED, "exceeded quota: no more of them")];
        let status = status_of(&cluster, &live, &[], &refused, "2026-11-24T13:00:00Z");
        let ready = find(&status, "Ready");
        assert_eq!(words(&ready), ("False", reason::REFUSED), "{object}");
        let named =
            status.conditions.iter().any(|c| c.type_ != "Ready" && c.status == "False" && c.message.contains(&object));
        assert!(named, "{object}: {:?}", status.conditions);
    }
    for child in &children {
        kinds.remove(&child.kind);
    }
    assert!(kinds.is_empty(), "the cluster of this test has no {kinds:?}");
}

#[test]
fn several_refused_children_of_a_part_are_all_named() {
    let cluster = always();
    let slot = slot(&cluster);
    let children = rendered(&cluster);
    let of_gateway = children.iter().filter(|child| child.name == "c-gateway");
    let refused: Vec<_> = of_gateway
        .map(|c| Refused::new(format!("{} `{}`", c.kind, c.name), &c.body, reason::REFUSED, "no ".repeat(2000)))
        .collect();
    let live = self::children(&slot, CREATED);
    let said = find(&status_of(&cluster, &live, &[], &refused, "2026-11-24T13:00:00Z"), "GatewayReady");
    assert!(refused.len() >= 5 && refused.iter().all(|r| said.2.contains(&r.object)), "{}", said.2);
}

#[test]
fn a_child_that_is_being_deleted_is_not_ready() {
    let cluster = always();
    let slot = slot(&cluster);
    let live = children(&slot, CREATED);
    for child in rendered(&cluster) {
        let object = format!("{} `{}`", child.kind, child.name);
        let leaving = [Refused::new(object.clone(), &child.body, reason::DELETING, "it is being deleted")];
        let status = status_of(&cluster, &live, &[], &leaving, "2026-11-24T13:00:00Z");
        assert_eq!(words(&find(&status, "Ready")), ("False", reason::DELETING), "{object}");
        assert!(!status.conditions.iter().any(|c| c.type_ == "Stalled"), "it ends by itself");
    }
}

#[test]
fn a_secret_without_what_is_read_from_it_is_named_by_the_part_that_reads_it() {
    let cluster = always();
    let slot = slot(&cluster);
    let mut live = children(&slot, CREATED);
    let ask = |live: &Live, part, condition| {
        let missing = [Missing { part, object: "Secret `s`".into(), key: Some("the key `k`".into()) }];
        let status = status_with(&cluster, live, &[], &[], &missing, "2026-11-24T12:00:01Z");
        (find(&status, condition), find(&status, "Ready").0)
    };
    let (gateway, ready) = ask(&live, observe::Use::ApiKeys, "GatewayReady");
    assert_eq!((words(&gateway), ready.as_str()), (("False", "SecretKeyMissing"), "False"));
    assert_eq!(gateway.2, "Secret `s` with the API keys does not have the key `k`: add it");
    died(&mut live, &slot, CREATED);
    let (workers, _) = ask(&live, observe::Use::Model, "WorkersReady");
    assert_eq!(words(&workers), ("False", "SecretKeyMissing"));
}

#[test]
fn an_external_redis_is_ready_only_while_the_daemon_works_with_it() {
    let mut cluster = always();
    cluster.spec.muscle_memory.mode = cherokee_api::memory::MemoryMode::External;
    let slot = slot(&cluster);
    let mut live = children(&slot, CREATED);
    assert_eq!(words(&said(&cluster, &live, "2026-11-24T12:10:00Z", "CacheReady")), ("True", "Ready"));
    set(&mut live, "c-autonomic", "/status/readyReplicas", json!(0));
    assert_eq!(words(&said(&cluster, &live, "2026-11-24T12:10:00Z", "CacheReady")), ("False", "Starting"));
    let pod = json!({"metadata": {"name": "a", "labels": {"app.kubernetes.io/component": "autonomic"}, "creationTimestamp": CREATED},
        "status": {"containerStatuses": [{"name": "autonomic", "image": "i", "imageID": "", "ready": false, "restartCount": 0,
            "state": {"running": {}}}]}});
    let pods: Vec<Pod> = vec![serde_json::from_value(pod).unwrap()];
    let cache = |now| find(&status_of(&cluster, &live, &pods, &[], now), "CacheReady");
    assert_eq!(words(&cache("2026-11-24T12:00:10Z")), ("False", "Starting"));
    assert_eq!(words(&cache("2026-11-24T12:00:30Z")), ("False", "CacheUnreachable"));
}

/// All children of a cluster.
fn rendered(cluster: &CherokeeCluster) -> Vec<Child> {
    let wish = intent::understand(cluster, &Hints::default(), &fleet(), at(CREATED)).unwrap();
    let plan = plan(&wish.intent, &fleet(), at(CREATED));
    let settings = crate::args::Settings {
        image: "i".into(),
        worker_image: "i".into(),
        redis_image: "i".into(),
        image_pull_policy: "Always".into(),
        simulated_gpus: crate::args::SimulatedGpus::Allow,
        identity: "t".into(),
        namespace: "s".into(),
    };
    let desired = render::render(&render::Scene {
        cluster,
        settings: &settings,
        roles: &wish.roles,
        intent: &wish.intent,
        plan: &plan,
        held: &BTreeSet::new(),
        fleet: &fleet(),
        password: &render::Password::default(),
        since: &BTreeMap::new(),
    })
    .unwrap();
    let render::Desired { created, accounts, config, network, memory, front, claims, workers, password: _, held: _ } =
        desired;
    [created, accounts, config, network, memory, front, claims, workers].into_iter().flatten().collect()
}
