//! How far workers are with the downloads of their models. Only they know, so they are asked: pods of our own slots only, and
//! each for a second and a few bytes, because what answers may be anything.

use super::live::Live;
use crate::children::{self, Kind};
use cherokee_api::{
    CherokeeCluster,
    names::{child, label},
};
use cherokee_wire::worker::Download;
use futures::future::join_all;
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use std::{collections::BTreeMap, time::Duration};

/// A worker that takes longer to answer is asked again in the next pass.
const PATIENCE: Duration = Duration::from_secs(1);
/// Most bytes of an answer. Ours have some hundred.
const LONGEST: usize = 64 << 10;

/// Slots whose worker is starting and may be downloading, each with what it says.
pub(crate) async fn downloads(
    cluster: &CherokeeCluster,
    live: &Live,
    pods: &[Pod],
) -> BTreeMap<String, Option<Download>> {
    if !cluster.spec.models.iter().any(children::downloaded) {
        return BTreeMap::new();
    }
    let http = Client::builder(TokioExecutor::new()).build_http();
    // By slot: however many pods look like one of its, one is asked.
    let starting: BTreeMap<_, _> =
        pods.iter().filter(|pod| is_slots(cluster, live, pod)).filter_map(starting).collect();
    let asked = starting.into_iter().map(|(slot, address)| {
        let http = &http;
        async move { (slot, ask(http, &address).await) }
    });
    join_all(asked).await.into_iter().collect()
}

/// Whether a pod is made by one of our slots: controlled by a `ReplicaSet` of the slot's Deployment, which our resource
/// controls, with the workers' account and an address of its own.
fn is_slots(cluster: &CherokeeCluster, live: &Live, pod: &Pod) -> bool {
    let labels = pod.labels();
    let (Some(slot), Some(template)) = (labels.get(label::SLOT), labels.get("pod-template-hash")) else { return false };
    let owners =
        live.get(Kind::Deployment, slot).and_then(|body| body.pointer("/metadata/ownerReferences")?.as_array());
    let ours = owners.is_some_and(|owners| {
        let uid = cluster.metadata.uid.as_deref();
        uid.is_some() && owners.iter().any(|owner| owner["controller"] == true && owner["uid"].as_str() == uid)
    });
    let made = pod.owner_references().iter().any(|owner| {
        owner.controller == Some(true) && owner.kind == "ReplicaSet" && owner.name == format!("{slot}-{template}")
    });
    let account = child::worker(&cluster.name_any());
    let spec = pod.spec.as_ref();
    let confined = spec
        .is_some_and(|s| s.service_account_name.as_deref() == Some(account.as_str()) && s.host_network != Some(true));
    ours && made && confined
}

/// Slot and address of a worker that runs and is not ready.
fn starting(pod: &Pod) -> Option<(String, String)> {
    let slot = pod.labels().get(label::SLOT)?;
    let status = pod.status.as_ref()?;
    let ip = status.pod_ip.as_ref()?;
    let worker = status.container_statuses.iter().flatten().find(|c| c.name == "worker")?;
    let runs = worker.state.as_ref().is_some_and(|s| s.running.is_some());
    let address = if ip.contains(':') { format!("[{ip}]") } else { ip.clone() };
    (runs && !worker.ready && pod.metadata.deletion_timestamp.is_none())
        .then(|| (slot.clone(), format!("http://{address}:{}/download", children::PORT)))
}

/// One answer, if it comes in time and is short. A redirect is no answer.
async fn ask(http: &Client<HttpConnector, Empty<bytes::Bytes>>, address: &str) -> Option<Download> {
    let answer = async {
        let answer = http.get(address.parse().ok()?).await.ok().filter(|answer| answer.status().is_success())?;
        let body = Limited::new(answer.into_body(), LONGEST).collect().await.ok()?.to_bytes();
        serde_json::from_slice(&body).ok()?
    };
    tokio::time::timeout(PATIENCE, answer).await.ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(ip: &str, ready: bool, state: &str) -> Pod {
        let container = json!({"name": "worker", "image": "", "imageID": "", "restartCount": 0, "ready": ready, "state": {state: {}}});
        serde_json::from_value(json!({"metadata": {"name": "p", "labels": {label::SLOT: "c-s"}},
            "status": {"podIP": ip, "containerStatuses": [container]}}))
        .unwrap()
    }

    #[test]
    fn only_a_worker_that_runs_and_is_not_ready_is_asked() {
        let address = |pod: &Pod| starting(pod).map(|(_, address)| address);
        assert_eq!(address(&pod("10.0.0.7", false, "running")).as_deref(), Some("http://10.0.0.7:8080/download"));
        assert_eq!(address(&pod("fd00::7", false, "running")).as_deref(), Some("http://[fd00::7]:8080/download"));
        assert_eq!(address(&pod("10.0.0.7", true, "running")), None);
        assert_eq!(address(&pod("10.0.0.7", false, "waiting")), None);
    }

    #[test]
    fn only_a_pod_that_our_slot_made_is_asked() {
        let cluster: CherokeeCluster =
            serde_json::from_value(json!({"apiVersion": "cherokee.ai/v1alpha1", "kind": "CherokeeCluster",
            "metadata": {"name": "c", "namespace": "n", "uid": "u"},
            "spec": {"models": [{"name": "m", "uri": "https://x/m.gguf", "parameters": "1B"}]}}))
            .unwrap();
        let mut live = Live::default();
        let owner = json!([{"uid": "u", "controller": true}]);
        live.insert(Kind::Deployment, "c-s", json!({"metadata": {"name": "c-s", "ownerReferences": owner}}));
        live.insert(Kind::Deployment, "c-t", json!({"metadata": {"name": "c-t"}}));
        let asked = |slot: &str, owner: &str, account: &str, host: bool| {
            let owners =
                json!([{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": owner, "uid": "r", "controller": true}]);
            let labels = json!({label::SLOT: slot, "pod-template-hash": "1f"});
            let pod = json!({"metadata": {"name": "p", "labels": labels, "ownerReferences": owners},
                "spec": {"serviceAccountName": account, "hostNetwork": host, "containers": []}});
            is_slots(&cluster, &live, &serde_json::from_value(pod).unwrap())
        };
        assert!(asked("c-s", "c-s-1f", "c-worker", false));
        assert!(!asked("c-s", "c-s-2a", "c-worker", false), "another's ReplicaSet");
        assert!(!asked("c-s", "c-s-1f", "default", false), "another account");
        assert!(!asked("c-s", "c-s-1f", "c-worker", true), "the address of a node");
        assert!(!asked("c-t", "c-t-1f", "c-worker", false), "a Deployment that is not ours");
        assert!(!asked("x", "x-1f", "c-worker", false), "no Deployment");
    }

    #[tokio::test]
    async fn an_answer_without_end_is_given_up() {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}/download", listener.local_addr().unwrap());
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = [0; 1024];
            let _ = stream.read(&mut head).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
            let mut sent = 0_usize;
            // Until the client hangs up.
            while stream.write_all(&[b' '; 4096]).await.is_ok() {
                sent += 4096;
            }
            sent
        });
        let http = Client::builder(TokioExecutor::new()).build_http();
        assert_eq!(ask(&http, &address).await, None);
        let sent = tokio::time::timeout(Duration::from_mins(1), server).await.expect("the client hangs up").unwrap();
        assert!(sent < 64 << 20, "{sent} bytes were taken");
    }
}
