//! What a whole operator asks of the API server, counted.

use super::stub::Server;
use crate::{Operator, SetClock, Settings, SimulatedGpus, name::Name, stores::State, wakes::Change};
use chrono::TimeDelta;
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use tokio::{sync::watch, time::Instant};

const CLUSTERS: usize = 30;
const PASSWORD: &str = "c3-memory-password";

fn settings() -> Settings {
    let image = || "localhost/none:0".to_owned();
    Settings {
        image: image(),
        worker_image: image(),
        redis_image: image(),
        image_pull_policy: "Never".into(),
        simulated_gpus: SimulatedGpus::Allow,
        identity: "test".into(),
        namespace: "cherokee-system".into(),
    }
}

fn cluster(name: &str, drain: &str) -> Value {
    json!({"apiVersion": "cherokee.ai/v1alpha1", "kind": "CherokeeCluster", "metadata": {"name": name, "namespace": "n"},
    "spec": {
        "models": [{"name": "owl", "uri": "oci://r/owl:1", "parameters": "1B"}],
        "roles": [{"name": "talk", "layer": "Conscious", "model": "owl", "routing": {"default": true}}],
        "accelerator": {"mode": "CPU"},
        "workers": {"drain": drain},
    }})
}

struct Ground {
    server: Arc<Server>,
    clock: Arc<SetClock>,
    op: Arc<Operator>,
    _stop: watch::Sender<bool>,
}

impl Ground {
    /// A server with a node and these clusters, and an operator at work on it.
    fn new() -> Self {
        Self::of(&[], &[])
    }

    /// The same for an operator of some namespaces, on a server that lacks some kinds.
    fn of(namespaces: &[String], absent: &[&str]) -> Self {
        let server: Arc<Server> = Arc::default();
        server.hide(absent);
        server.put(
            "nodes",
            json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "red"},
            "status": {"conditions": [{"type": "Ready", "status": "True"}], "allocatable": {"cpu": "8", "memory": "64Gi"}}}),
        );
        for index in 0..CLUSTERS {
            server.put("cherokeeclusters", cluster(&format!("c{index}"), "30s"));
        }
        let clock = Arc::new(SetClock::at("2026-11-24T12:00:00Z".parse().unwrap()));
        let op = Arc::new(Operator::new(server.client(), clock.clone(), settings()).within(namespaces));
        let (stop, stopped) = watch::channel(false);
        let (ready, _) = watch::channel(false);
        let running = op.clone();
        tokio::spawn(async move { super::run(running, stopped, &ready).await });
        Self { server, clock, op, _stop: stop }
    }

    /// Passes that went through.
    fn passes(&self) -> usize {
        let text = self.op.metrics.text().unwrap();
        let line =
            text.lines().find_map(|line| line.strip_prefix("cherokee_operator_pass_seconds_count{result=\"ok\"} "));
        line.map_or(0, |count| count.parse().unwrap())
    }

    /// No pass runs, and none is due within a minute.
    fn rests(&self) -> bool {
        let soon = Instant::now() + Duration::from_mins(1);
        self.op.wakes.running() == 0 && self.op.wakes.next().is_none_or(|due| due > soon)
    }

    async fn until(&self, what: &str, holds: impl Fn() -> bool) {
        let wait = async {
            while !holds() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_mins(2), wait).await;
        assert!(waited.is_ok(), "not true after two minutes: {what}; asked: {:#?}", self.server.asked());
    }

    fn observed(&self, name: &str) -> (i64, i64) {
        let object = self.server.get("cherokeeclusters", "n", name).unwrap();
        let number = |path| object.pointer(path).and_then(Value::as_i64).unwrap_or(0);
        (number("/metadata/generation"), number("/status/observedGeneration"))
    }

    async fn settled(&self) {
        let all = || (0..CLUSTERS).map(|index| self.observed(&format!("c{index}"))).all(|(now, seen)| now == seen);
        self.until("all clusters are observed and rest", || all() && self.rests()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thirty_settled_clusters_ask_nothing_and_a_change_of_one_asks_nothing_for_the_others() {
    let ground = Ground::new();
    ground.settled().await;
    assert!(ground.server.get("deployments", "n", "c3-gateway").is_some());
    let (asked, passes) = (ground.server.asked().len(), ground.passes());
    // Nothing is due for a minute; and if all are woken, their passes read memory.
    for index in 0..CLUSTERS {
        ground.op.wakes.change(&Change::Own(Name::new("n", &format!("c{index}"))));
    }
    ground.until("every cluster had a pass", || ground.passes() >= passes + CLUSTERS && ground.rests()).await;
    assert_eq!(ground.server.asked()[asked..].join("\n"), "");

    ground.server.put("cherokeeclusters", {
        let mut changed = ground.server.get("cherokeeclusters", "n", "c7").unwrap();
        changed["spec"]["workers"]["drain"] = json!("45s");
        changed
    });
    ground.until("the change is observed", || ground.observed("c7") == (2, 2) && ground.rests()).await;
    let asked = ground.server.asked().split_off(asked);
    assert!(!asked.is_empty());
    let others = asked.iter().filter(|request| !request.contains("/c7") && !request.contains("\"c7\""));
    assert_eq!(others.collect::<Vec<_>>(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_that_was_deleted_by_hand_is_back_within_ten_minutes() {
    let ground = Ground::new();
    ground.settled().await;
    ground.server.delete("secrets", "n", PASSWORD);
    ground.clock.set("2026-11-24T12:00:00Z".parse::<chrono::DateTime<chrono::Utc>>().unwrap() + TimeDelta::minutes(10));
    let back = || ground.server.get("secrets", "n", PASSWORD).is_some();
    ground.until("the Secret is back", back).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_that_was_deleted_by_hand_is_back_at_once_when_its_redis_changes() {
    let ground = Ground::new();
    ground.settled().await;
    ground.server.delete("secrets", "n", PASSWORD);
    ground.server.delete("statefulsets", "n", PASSWORD.strip_suffix("-password").unwrap());
    // The clock stands still: no look is due.
    ground.until("the Secret is back", || ground.server.get("secrets", "n", PASSWORD).is_some()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_without_dra_is_served_and_its_kinds_are_followed_once_they_appear() {
    let ground = Ground::of(&[], &["resourceslices", "resourceclaims", "deviceclasses", "resourceclaimtemplates"]);
    ground.settled().await;
    assert_eq!(ground.op.stores.slices.state(), State::Absent);
    ground.server.hide(&[]);
    ground.until("they are listed", || ground.op.stores.slices.state() == State::Listed).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_watched_namespaces_have_one_watch_of_all_pods_and_other_namespaces_are_left_alone() {
    let mut namespaces: Vec<String> = (0..49).map(|index| format!("n{index}")).collect();
    namespaces.push("n".to_owned());
    let ground = Ground::of(&namespaces, &[]);
    let mut elsewhere = cluster("elsewhere", "30s");
    elsewhere["metadata"]["namespace"] = json!("other");
    ground.server.put("cherokeeclusters", elsewhere);
    ground.settled().await;
    let other = Name::new("other", "elsewhere");
    ground.until("the other one is known", || ground.op.stores.clusters.get(&other).is_some()).await;
    for plural in ["pods", "nodes", "resourceclaims", "resourceslices", "deviceclasses", "cherokeeclusters"] {
        assert_eq!(ground.server.watches(plural), 1, "{plural}");
    }
    assert_eq!((ground.server.watches("configmaps"), ground.server.watches("deployments")), (50, 51));
    assert!(ground.server.get("cherokeeclusters", "other", "elsewhere").unwrap()["status"].is_null());
}
