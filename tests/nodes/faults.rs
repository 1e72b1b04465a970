//! A loop of queries while parts are killed: no query fails of which no byte had been sent.

use crate::{
    clusters::one_gpu_spec,
    support::{Ground, condition, eventually, header, layer_spec, slot_of},
};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use serde_json::json;
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// Asks a new question again and again until told to stop; answers how often each outcome was seen.
async fn loop_of_queries(ground: Arc<Ground>, stop: Arc<AtomicBool>) -> BTreeMap<String, usize> {
    // Asked once, because the API server is killed as well.
    let gateway = ground.gateway("c").await;
    let mut seen = BTreeMap::new();
    let mut number = 0;
    while !stop.load(Ordering::SeqCst) {
        number += 1;
        let outcome = match ground.ask_at(&gateway, &format!("Say the number {number}.")).await {
            Ok(answer) if answer.status().is_success() => format!("200 {}", header(&answer, "x-cherokee-layer")),
            Ok(answer) => format!("{} {}", answer.status().as_u16(), answer.text().await.unwrap_or_default()),
            Err(error) => format!("failed: {error:?}"),
        };
        *seen.entry(outcome).or_default() += 1;
    }
    seen
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_query_fails_while_workers_redis_api_server_operator_and_gateways_are_killed() {
    let ground = Arc::new(Ground::new("t-faults").await);
    ground.apply("c", layer_spec()).await;
    let status = ground.ready("c").await;
    let stop = Arc::new(AtomicBool::new(false));
    let asking = tokio::spawn(loop_of_queries(ground.clone(), stop.clone()));
    let now = DeleteParams { grace_period_seconds: Some(0), ..DeleteParams::default() };

    // The conscious pod dies at once; the backup answers until it is back.
    let conscious = slot_of(&status, "conscious");
    let pod = ground.pod_of(&conscious).await.and_then(|p| p.metadata.name).expect("the conscious pod");
    ground.pods().delete(&pod, &now).await.expect("killed");
    eventually("another conscious pod is ready", async || {
        let deployment = ground.deployments().get(&conscious).await.ok()?;
        let other = ground.pod_of(&conscious).await?.metadata.name? != pod;
        (other && deployment.status?.ready_replicas == Some(1)).then_some(())
    })
    .await;

    // Redis dies at once.
    ground.pods().delete("c-memory-0", &now).await.expect("killed");
    ground.ready("c").await;

    // The API server dies at once, and starts again.
    machine(&["kill-api"]);
    eventually("the API server answers again", async || ground.clusters().get("c").await.ok()).await;
    ground.ready("c").await;

    // The operator is down while the gateway rolls.
    let system: kube::Api<k8s_openapi::api::apps::v1::Deployment> =
        kube::Api::namespaced(ground.client.clone(), "cherokee-system");
    let scale = |n: i32| json!({"spec": {"replicas": n}});
    let merge = PatchParams::default();
    system.patch("cherokee-operator", &merge, &Patch::Merge(scale(0))).await.expect("operator down");
    let restart = json!({"spec": {"template": {"metadata": {"annotations": {"test/restarted": "yes"}}}}});
    ground.deployments().patch("c-gateway", &merge, &Patch::Merge(restart)).await.expect("gateway rolls");
    eventually("the gateway has rolled", async || {
        let d = ground.deployments().get("c-gateway").await.ok()?;
        let (generation, status) = (d.metadata.generation, d.status?);
        (status.observed_generation == generation
            && status.updated_replicas == Some(2)
            && status.replicas == Some(2)
            && status.ready_replicas == Some(2))
        .then_some(())
    })
    .await;
    system.patch("cherokee-operator", &merge, &Patch::Merge(scale(1))).await.expect("operator up");
    ground.ready("c").await;

    stop.store(true, Ordering::SeqCst);
    let seen = asking.await.expect("the loop ended");
    let failed: BTreeMap<_, _> = seen.iter().filter(|(outcome, _)| !outcome.starts_with("200")).collect();
    assert!(failed.is_empty(), "queries failed: {failed:?}, all: {seen:?}");
    assert!(seen.contains_key("200 backup"), "the backup stood in: {seen:?}");
    let gateways = ListParams::default().labels("app.kubernetes.io/component=gateway");
    eventually("the old gateways are gone", async || {
        (ground.pods().list(&gateways).await.ok()?.items.len() == 2).then_some(())
    })
    .await;
    ground.remove().await;
}

#[tokio::test]
async fn a_stream_whose_worker_dies_ends_in_an_error_event() {
    let ground = Ground::new("t-cut").await;
    ground.apply("c", one_gpu_spec()).await;
    let status = ground.ready("c").await;
    let pod = ground.pod_of(&slot_of(&status, "solo")).await.and_then(|p| p.metadata.name).expect("its pod");
    // Counting does not end by itself, and takes longer than the kubelet needs to kill.
    let body = json!({"model": "default", "stream": true, "max_tokens": 1000, "temperature": 0, "prompt": "1, 2, 3, 4, 5, 6,"});
    let address = format!("{}/v1/completions", ground.gateway("c").await);
    let mut answer = ground.http.post(address).json(&body).send().await.expect("an answer");
    assert_eq!(answer.status(), 200);
    let first = answer.chunk().await.expect("a readable stream").expect("a first piece");
    let now = DeleteParams { grace_period_seconds: Some(0), ..DeleteParams::default() };
    ground.pods().delete(&pod, &now).await.expect("killed");
    let mut text = first.to_vec();
    while let Some(more) = answer.chunk().await.expect("the gateway ends the stream as HTTP wants it") {
        text.extend_from_slice(&more);
    }
    let text = String::from_utf8(text).expect("text");
    let events: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
    let last: serde_json::Value = serde_json::from_str(events.last().expect("events")).expect("JSON");
    assert_eq!(last.pointer("/error/code"), Some(&json!("stream_cut")), "{last}");
    assert!(!events.contains(&"[DONE]"), "a cut stream is not done");
    ground.ready("c").await;
    ground.remove().await;
}

/// `tests/cluster/cluster`: what happens to the machine under Kubernetes.
fn machine(what: &[&str]) {
    let tool = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cluster/cluster");
    let ended = std::process::Command::new(tool).args(what).status().expect("the cluster's tool");
    assert!(ended.success(), "{what:?}");
}

/// Starts a killed node when it is dropped, so that a test that fails does not take the node with it.
struct Back(&'static str);

impl Drop for Back {
    fn drop(&mut self) {
        machine(&["start-node", self.0]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_node_is_named_the_other_one_answers_and_it_comes_back_by_itself() {
    let ground = Ground::new("t-node").await;
    let mut spec = layer_spec();
    spec["muscleMemory"] = json!({"mode": "Disabled"});
    ground.apply("c", spec).await;
    ground.ready("c").await;
    // The operator is to live: what is lost is the other node.
    let system: kube::Api<Pod> = kube::Api::namespaced(ground.client.clone(), "cherokee-system");
    let operator = system.list(&ListParams::default()).await.expect("a list").items;
    let on = operator.iter().find_map(|p| p.spec.as_ref()?.node_name.as_deref()).expect("its node");
    let (lost, left, layer) =
        if on == "bluefin" { ("redfin", "bluefin", "conscious") } else { ("bluefin", "redfin", "backup") };
    machine(&["kill-node", lost]);
    let back = Back(lost);

    let status = ground.status("c", "the lost node is named", |s| condition(s, "Ready").2.contains(lost)).await;
    assert_eq!((condition(&status, "Ready").0, condition(&status, "Available").0), ("False", "True"), "{left} answers");
    eventually("the other node answers", async || {
        let answer = tokio::time::timeout(Duration::from_secs(20), ground.ask("c", "Say hello.")).await.ok()?.ok()?;
        (answer.status() == 200 && header(&answer, "x-cherokee-layer") == layer).then_some(())
    })
    .await;

    drop(back);
    ground.ready("c").await;
    ground.remove().await;
}
