//! What the tests share: a namespace, a CherokeeCluster in it, conditions with a deadline, questions.

use cherokee_api::{CherokeeCluster, CherokeeClusterStatus, names};
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{Namespace, Pod},
    resource::v1::ResourceClaim,
};
use kube::{
    Api, Client, Config, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::{Value, json};
use std::{
    future::Future,
    time::{Duration, Instant},
};

/// Starting a worker on a busy machine of two cores takes its time; what is not true after this never will be.
pub(crate) const PATIENCE: Duration = Duration::from_mins(5);

/// A namespace of its own with a client, for one test.
pub(crate) struct Ground {
    pub(crate) client: Client,
    pub(crate) namespace: String,
    pub(crate) http: reqwest::Client,
}

impl Ground {
    /// Makes namespace `name` anew, under the restricted Pod Security Standard.
    pub(crate) async fn new(name: &str) -> Self {
        rustls::crypto::ring::default_provider().install_default().ok();
        let path = std::env::var("CHEROKEE_TEST_KUBECONFIG")
            .expect("CHEROKEE_TEST_KUBECONFIG must name the kubeconfig of the test cluster: run `make test-nodes`");
        let kubeconfig = Kubeconfig::read_from(path).expect("a readable kubeconfig");
        let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.expect("a config");
        let client = Client::try_from(config).expect("a client");
        let ground = Self { client, namespace: name.to_owned(), http: reqwest::Client::new() };
        // A test that failed left its cluster for people to look at, and its GPUs held.
        let everywhere: Api<CherokeeCluster> = Api::all(ground.client.clone());
        for left in everywhere.list_metadata(&ListParams::default()).await.expect("a list").items {
            let namespace = left.namespace().unwrap_or_default();
            Self { client: ground.client.clone(), namespace, http: ground.http.clone() }.remove().await;
        }
        ground.remove().await;
        let namespace: Namespace = serde_json::from_value(json!({"metadata": {"name": name,
            "labels": {"pod-security.kubernetes.io/enforce": "restricted"}}}))
        .expect("a namespace");
        Api::all(ground.client.clone()).create(&PostParams::default(), &namespace).await.expect("namespace created");
        ground
    }

    /// Deletes the namespace and waits until it is gone, so that its GPUs are free for the next test.
    pub(crate) async fn remove(&self) {
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        let _ = self.clusters().delete_collection(&DeleteParams::default(), &ListParams::default()).await;
        let _ = namespaces.delete(&self.namespace, &DeleteParams::default()).await;
        eventually("the namespace is gone", async || {
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

/// Names of all Deployments of a cluster.
pub(crate) async fn deployment_names(ground: &Ground, cluster: &str) -> Vec<String> {
    let by = ListParams::default().labels(&format!("{}={cluster}", names::label::CLUSTER));
    let mut names: Vec<_> =
        ground.deployments().list(&by).await.expect("a list").iter().map(ResourceExt::name_any).collect();
    names.sort();
    names
}
