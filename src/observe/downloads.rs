//! How far workers are with the downloads of their models. Only they know, so they are asked.

use crate::render;
use cherokee_api::{CherokeeCluster, names::label};
use cherokee_wire::worker::Download;
use futures::future::join_all;
use http_body_util::{BodyExt, Empty};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use std::{collections::BTreeMap, time::Duration};

/// A worker that takes longer to answer is asked again in the next pass.
const PATIENCE: Duration = Duration::from_secs(1);

/// Slots whose worker is starting and may be downloading, each with what it says.
pub(crate) async fn downloads(cluster: &CherokeeCluster, pods: &[Pod]) -> BTreeMap<String, Option<Download>> {
    if !cluster.spec.models.iter().any(render::downloaded) {
        return BTreeMap::new();
    }
    let http = Client::builder(TokioExecutor::new()).build_http();
    let asked = pods.iter().filter_map(starting).map(|(slot, address)| {
        let http = &http;
        async move { (slot, tokio::time::timeout(PATIENCE, ask(http, &address)).await.ok().flatten()) }
    });
    join_all(asked).await.into_iter().collect()
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
        .then(|| (slot.clone(), format!("http://{address}:{}/download", render::WORKER_PORT)))
}

async fn ask(http: &Client<HttpConnector, Empty<bytes::Bytes>>, address: &str) -> Option<Download> {
    let answer = http.get(address.parse().ok()?).await.ok()?;
    let body = answer.into_body().collect().await.ok()?.to_bytes();
    serde_json::from_slice(&body).ok()?
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
}
