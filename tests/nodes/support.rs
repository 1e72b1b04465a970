//! What the tests share: a namespace, a CherokeeCluster in it, conditions with a deadline, questions.

use crate::server::{client, kubeconfig};
use cherokee_api::{CherokeeCluster, CherokeeClusterStatus, names};
use chrono::Utc;
use k8s_openapi::api::{
    apps::v1::Deployment,
    coordination::v1::Lease,
    core::v1::{Namespace, Pod, ServiceAccount},
    resource::v1::ResourceClaim,
};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    future::Future,
    process::Command,
    time::{Duration, Instant},
};

/// A busy machine takes up to ten times as long as an idle one; what is not true after this never will be.
pub(crate) const PATIENCE: Duration = Duration::from_mins(20);
/// Label of the namespaces that these tests make, and alone remove, with its value.
const OURS: (&str, &str) = ("cherokee.ai/test", "nodes");

/// A namespace of its own with a client, for one test.
pub(crate) struct Ground {
    pub(crate) client: Client,
    pub(crate) namespace: String,
    pub(crate) http: reqwest::Client,
}

impl Ground {
    /// Makes namespace `name`, under the restricted Pod Security Standard.
    pub(crate) async fn new(name: &str) -> Self {
        let ground = Self { client: client().await, namespace: name.to_owned(), http: reqwest::Client::new() };
        ground.remove_left().await;
        let (label, value) = OURS;
        let namespace: Namespace = serde_json::from_value(json!({"metadata": {"name": name,
            "labels": {"pod-security.kubernetes.io/enforce": "restricted", label: value}}}))
        .expect("a namespace");
        let created = Api::all(ground.client.clone()).create(&PostParams::default(), &namespace).await;
        created.unwrap_or_else(|error| panic!("namespace `{name}` cannot be made: {error}"));
        // No pod is admitted before it.
        let accounts: Api<ServiceAccount> = Api::namespaced(ground.client.clone(), name);
        eventually("its service account `default`", async || accounts.get("default").await.ok()).await;
        ground
    }

    /// A test that failed left its namespace, and its GPUs held: says what is there, then removes it.
    async fn remove_left(&self) {
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        let ours = ListParams::default().labels(&format!("{}={}", OURS.0, OURS.1));
        let left = namespaces.list_metadata(&ours).await.expect("a list").items;
        if !left.is_empty() {
            // Not by this process' own output, which a test that passes keeps to itself.
            let tool = concat!(env!("CARGO_MANIFEST_DIR"), "/demo/explain.sh");
            let _ = Command::new(tool).env("KUBECONFIG", kubeconfig()).status();
        }
        for namespace in left {
            let namespace = namespace.name_any();
            Self { client: self.client.clone(), namespace, http: self.http.clone() }.remove().await;
        }
    }

    /// Deletes the namespace and waits until it is gone, so that its GPUs are free for the next test.
    pub(crate) async fn remove(&self) {
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        eventually("the namespace is gone", async || {
            let _ = self.clusters().delete_collection(&DeleteParams::default(), &ListParams::default()).await;
            let _ = namespaces.delete(&self.namespace, &DeleteParams::default()).await;
            // Kubernetes looks 5 s after a change of the namespace, else after half the longest grace period of its pods.
            let asked = (Utc::now().timestamp() / 5).to_string();
            let nudge = Patch::Merge(json!({"metadata": {"annotations": {"cherokee.ai/asked": asked}}}));
            let _ = namespaces.patch(&self.namespace, &PatchParams::default(), &nudge).await;
            namespaces.get_opt(&self.namespace).await.is_ok_and(|n| n.is_none()).then_some(())
        })
        .await;
    }

    pub(crate) fn clusters(&self) -> Api<CherokeeCluster> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    pub(crate) fn deployments(&self) -> Api<Deployment> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    pub(crate) fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    pub(crate) fn claims(&self) -> Api<ResourceClaim> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Applies a CherokeeCluster of this spec.
    pub(crate) async fn apply(&self, name: &str, spec: Value) -> CherokeeCluster {
        let object = json!({"apiVersion": "cherokee.ai/v1alpha1", "kind": "CherokeeCluster",
            "metadata": {"name": name, "namespace": self.namespace}, "spec": spec});
        self.clusters().patch(name, &PatchParams::apply("test").force(), &Patch::Apply(object)).await.expect("applied")
    }

    /// The status once `holds` is true of it; fails with the last one seen.
    pub(crate) async fn status(
        &self,
        name: &str,
        what: &str,
        holds: impl Fn(&CherokeeClusterStatus) -> bool,
    ) -> CherokeeClusterStatus {
        let last = std::sync::Mutex::new(String::from("no status"));
        let clusters = self.clusters();
        let seen = within(PATIENCE, async || {
            let cluster = clusters.get(name).await.ok()?;
            let generation = cluster.metadata.generation;
            let status = cluster.status?;
            *last.lock().expect("no poison") = serde_json::to_string(&status).unwrap_or_default();
            (Some(status.observed_generation) == generation && holds(&status)).then_some(status)
        })
        .await;
        seen.unwrap_or_else(|| {
            panic!("not true after {PATIENCE:?}: {what}; last status: {}", last.lock().expect("no poison"))
        })
    }

    /// Waits for condition Ready.
    pub(crate) async fn ready(&self, name: &str) -> CherokeeClusterStatus {
        self.status(name, "Ready", |s| condition(s, names::condition::READY).0 == "True").await
    }

    /// Waits until this role answers: a cluster is Ready a moment before the way to it is there. Memory never meets the
    /// question again.
    pub(crate) async fn answers(&self, name: &str, role: &str) {
        eventually(&format!("`{role}` answers"), async || {
            let answer = self.ask(name, "Say good morning.").await.ok()?;
            (answer.status() == 200 && header(&answer, "x-cherokee-role") == role).then_some(())
        })
        .await;
    }

    /// Sends one chat query to the gateway of cluster `name`.
    pub(crate) async fn ask(&self, name: &str, question: &str) -> reqwest::Result<reqwest::Response> {
        self.ask_at(&self.gateway(name).await, question).await
    }

    /// Sends one chat query to the gateway at this address.
    pub(crate) async fn ask_at(&self, gateway: &str, question: &str) -> reqwest::Result<reqwest::Response> {
        let body = json!({"model": "default", "max_tokens": 24, "temperature": 0,
            "messages": [{"role": "user", "content": question}]});
        self.http.post(format!("{gateway}/v1/chat/completions")).json(&body).send().await
    }

    /// Address of the gateway's Service as this machine reaches it.
    pub(crate) async fn gateway(&self, name: &str) -> String {
        let services: Api<k8s_openapi::api::core::v1::Service> = Api::namespaced(self.client.clone(), &self.namespace);
        let service = services.get(&names::child::gateway(name)).await.expect("the gateway's Service");
        let address = service.spec.and_then(|s| s.cluster_ip).expect("a cluster address");
        format!("http://{address}:80")
    }

    /// The pod of a slot that runs and is not being deleted.
    pub(crate) async fn pod_of(&self, slot: &str) -> Option<Pod> {
        let list =
            self.pods().list(&ListParams::default().labels(&format!("{}={slot}", names::label::SLOT))).await.ok()?;
        list.items.into_iter().find(|p| p.metadata.deletion_timestamp.is_none())
    }

    /// Node and device that the scheduler gave to a slot's pod, as `(node, device name)`.
    pub(crate) async fn device_of(&self, slot: &str) -> Option<(String, String)> {
        let pod = self.pod_of(slot).await?;
        let node = pod.spec.as_ref()?.node_name.clone()?;
        let claim = pod.status.as_ref()?.resource_claim_statuses.as_ref()?.first()?.resource_claim_name.clone()?;
        let claim = self.claims().get(&claim).await.ok()?;
        let device = claim.status?.allocation?.devices?.results?.first()?.device.clone();
        Some((node, device))
    }
}

/// Three roles on their seed places, all awake: the base of most tests.
pub(crate) fn layer_spec() -> Value {
    json!({
        "strategy": "Layer",
        "models": [model()],
        "roles": [
            {"name": "conscious", "layer": "Conscious", "model": "smollm2", "routing": {"default": true},
             "placement": {"nodeName": "bluefin"}},
            {"name": "dream", "layer": "Subconscious", "model": "smollm2", "activation": "OnDemand",
             "onDemand": {"triggers": ["Overflow", "Manual"]},
             "placement": {"nodeName": "redfin", "device": {"index": 0}}},
            {"name": "backup", "layer": "Backup", "model": "smollm2", "backs": ["conscious"],
             "placement": {"nodeName": "redfin", "device": {"index": 1}}}],
        "workers": {"leadTime": "10s", "drain": "10s", "cpu": "200m"},
        "muscleMemory": {"memory": "64Mi", "persistence": {"size": "256Mi"}},
        "gateway": {"replicas": 2}
    })
}

/// The real model that all tests use.
pub(crate) fn model() -> Value {
    let image = std::env::var("MODEL").expect("MODEL must hold the model image's reference: run `make test-nodes`");
    json!({"name": "smollm2", "uri": format!("oci://{image}"), "parameters": "135M", "dtype": "Q4_1", "size": "94Mi",
        "contextTokens": 1024, "kvBytesPerToken": 46080})
}

/// Status word, reason and message of one condition; empty strings when it is absent.
pub(crate) fn condition<'a>(status: &'a CherokeeClusterStatus, kind: &str) -> (&'a str, &'a str, &'a str) {
    status.conditions.iter().find(|c| c.type_ == kind).map_or(("", "", ""), |c| (&c.status, &c.reason, &c.message))
}

/// The slot that serves a role.
pub(crate) fn slot_of(status: &CherokeeClusterStatus, role: &str) -> String {
    let role = status.roles.iter().find(|r| r.name == role).expect("the role is in status");
    role.slots.first().expect("the role has a slot").clone()
}

/// Whether Kubernetes calls the pod ready.
pub(crate) fn is_ready(pod: &Pod) -> bool {
    let mut conditions = pod.status.iter().flat_map(|s| s.conditions.iter().flatten());
    conditions.any(|c| c.type_ == "Ready" && c.status == "True")
}

/// `tests/cluster/cluster`: what happens to the machine under Kubernetes.
pub(crate) fn machine(what: &[&str]) {
    let tool = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cluster/cluster");
    let ended = Command::new(tool).args(what).status().expect("the cluster's tool");
    assert!(ended.success(), "{what:?}");
}

/// Where the installed operator lives.
const OPERATORS: &str = "cherokee-system";

/// The installed operator in another number of copies until this is dropped, by a test that fails too.
pub(crate) struct Operators;

impl Operators {
    /// Waits until there are so many, all ready.
    pub(crate) async fn scaled(ground: &Ground, copies: u8) -> Self {
        let scaled = Self;
        scale_operator(copies);
        eventually(&format!("{copies} operators are there, all ready"), async || {
            let pods = operator_pods(ground).await?;
            (pods.len() == usize::from(copies) && pods.iter().all(is_ready)).then_some(())
        })
        .await;
        scaled
    }
}

impl Drop for Operators {
    fn drop(&mut self) {
        scale_operator(1);
    }
}

/// Pod and node of the operator that leads, and the nodes of all.
pub(crate) async fn leader(ground: &Ground) -> Option<(String, String, BTreeSet<String>)> {
    let leases: Api<Lease> = Api::namespaced(ground.client.clone(), OPERATORS);
    let name = leases.get("cherokee-operator").await.ok()?.spec?.holder_identity?;
    let pods = operator_pods(ground).await?;
    let node = |pod: &Pod| pod.spec.as_ref()?.node_name.clone();
    let leads = pods.iter().find(|pod| pod.name_any() == name).and_then(node)?;
    Some((name, leads, pods.iter().filter_map(node).collect()))
}

async fn operator_pods(ground: &Ground) -> Option<Vec<Pod>> {
    let pods: Api<Pod> = Api::namespaced(ground.client.clone(), OPERATORS);
    let operators = ListParams::default().labels("app.kubernetes.io/component=operator");
    Some(pods.list(&operators).await.ok()?.items)
}

fn scale_operator(copies: u8) {
    let mut program = Command::new("kubectl");
    program.args(["-n", OPERATORS, "scale", "deployment/cherokee-operator"]);
    let ended = program.arg(format!("--replicas={copies}")).env("KUBECONFIG", kubeconfig()).status();
    assert!(ended.is_ok_and(|ended| ended.success()), "kubectl on the PATH: run `make test-nodes`");
}

/// A response header as text, empty when absent.
pub(crate) fn header(answer: &reqwest::Response, name: &str) -> String {
    answer.headers().get(name).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned()
}

/// What `probe` finds within [`PATIENCE`]; fails with `what` else.
pub(crate) async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, probe: impl Fn() -> F) -> T {
    within(PATIENCE, probe).await.unwrap_or_else(|| panic!("not true after {PATIENCE:?}: {what}"))
}

/// What `probe` finds within `limit`, asked twice a second.
pub(crate) async fn within<T, F: Future<Output = Option<T>>>(limit: Duration, probe: impl Fn() -> F) -> Option<T> {
    let end = Instant::now() + limit;
    loop {
        if let Some(found) = probe().await {
            return Some(found);
        }
        if Instant::now() > end {
            return None;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}
