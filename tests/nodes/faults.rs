//! A loop of queries while parts are killed: no query fails of which no byte had been sent.

use crate::{
    clusters::one_gpu_spec,
    support::{Ground, Operators, condition, eventually, header, is_ready, layer_spec, leader, machine, slot_of},
};
use axum::http::Request;
use k8s_openapi::api::apps::v1::Deployment;
use kube::{
    Api,
    api::{DeleteParams, ListParams, Patch, PatchParams},
};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

/// A client that asks a new question again and again until it is told to stop.
#[derive(Default)]
pub(crate) struct Asking {
    pub(crate) stop: AtomicBool,
    /// Queries that ended, well or badly.
    ended: AtomicUsize,
}

impl Asking {
    /// Asks; answers how often each outcome was seen.
    pub(crate) async fn run(&self, ground: &Ground, gateway: &str) -> BTreeMap<String, usize> {
        let mut seen = BTreeMap::new();
        let mut number = 0;
        while !self.stop.load(Ordering::SeqCst) {
            number += 1;
            let outcome = match ground.ask_at(gateway, &format!("Say the number {number}.")).await {
                Ok(answer) if answer.status().is_success() => format!("200 {}", header(&answer, "x-cherokee-layer")),
                Ok(answer) => format!("{} {}", answer.status().as_u16(), answer.text().await.unwrap_or_default()),
                Err(error) => format!("failed: {error:?}"),
            };
            *seen.entry(outcome).or_default() += 1;
            self.ended.fetch_add(1, Ordering::SeqCst);
        }
        seen
    }

    /// Waits for a query that begins and ends from now on: the first to end may have begun before.
    pub(crate) async fn once_more(&self, phase: &str) {
        let before = self.ended.load(Ordering::SeqCst);
        eventually(&format!("a query begins and ends: {phase}"), async || {
            (self.ended.load(Ordering::SeqCst) >= before + 2).then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_query_fails_while_workers_redis_api_server_operator_and_gateways_are_killed() {
    let ground = Arc::new(Ground::new("t-faults").await);
    ground.apply("c", layer_spec()).await;
    let status = ground.ready("c").await;
    let asking = Arc::new(Asking::default());
    let seen = tokio::spawn({
        // The gateway's address is asked for once, because the API server is killed as well.
        let (ground, asking, gateway) = (ground.clone(), asking.clone(), ground.gateway("c").await);
        async move { asking.run(&ground, &gateway).await }
    });
    asking.once_more("before any fault").await;

    the_conscious_worker_dies(&ground, &asking, &slot_of(&status, "conscious")).await;
    redis_dies(&ground, &asking).await;
    the_api_server_dies(&ground, &asking).await;
    the_gateway_rolls_without_the_operator(&ground, &asking).await;

    asking.once_more("after all faults").await;
    asking.stop.store(true, Ordering::SeqCst);
    let seen = seen.await.expect("the loop ended");
    let failed: BTreeMap<_, _> = seen.iter().filter(|(outcome, _)| !outcome.starts_with("200")).collect();
    assert!(failed.is_empty(), "queries failed: {failed:?}, all: {seen:?}");
    assert!(seen.contains_key("200 backup"), "the backup stood in: {seen:?}");
    ground.remove().await;
}

fn at_once() -> DeleteParams {
    DeleteParams { grace_period_seconds: Some(0), ..DeleteParams::default() }
}

/// The backup answers until it is back.
async fn the_conscious_worker_dies(ground: &Ground, asking: &Asking, slot: &str) {
    let pod = ground.pod_of(slot).await.and_then(|p| p.metadata.name).expect("the conscious pod");
    ground.pods().delete(&pod, &at_once()).await.expect("killed");
    asking.once_more("the conscious worker is gone").await;
    eventually("another conscious pod is ready", async || {
        let other = ground.pod_of(slot).await?;
        (other.metadata.name.as_ref() != Some(&pod) && is_ready(&other)).then_some(())
    })
    .await;
    ground.ready("c").await;
}

async fn redis_dies(ground: &Ground, asking: &Asking) {
    let redis = "c-memory-0";
    let before = ground.pods().get(redis).await.expect("Redis").metadata.uid;
    ground.pods().delete(redis, &at_once()).await.expect("killed");
    asking.once_more("Redis is gone").await;
    eventually("another Redis is ready", async || {
        let other = ground.pods().get(redis).await.ok()?;
        (other.metadata.uid != before && is_ready(&other)).then_some(())
    })
    .await;
    ground.ready("c").await;
}

async fn the_api_server_dies(ground: &Ground, asking: &Asking) {
    machine(&["kill-api"]);
    asking.once_more("the API server is gone").await;
    eventually("the API server is whole again", async || {
        ground.client.request_text(Request::get("/readyz").body(Vec::new()).ok()?).await.ok()
    })
    .await;
    ground.ready("c").await;
}

async fn the_gateway_rolls_without_the_operator(ground: &Ground, asking: &Asking) {
    let change = async |api: &Api<Deployment>, name: &str, body: Value| {
        api.patch(name, &PatchParams::default(), &Patch::Merge(body)).await.expect("changed");
    };
    let away = Operators::scaled(ground, 0).await;
    asking.once_more("the operator is down").await;

    let deployments = ground.deployments();
    let restart = json!({"spec": {"template": {"metadata": {"annotations": {"test/restarted": "yes"}}}}});
    change(&deployments, "c-gateway", restart).await;
    // Nobody puts this back before the operator does: by it the Ready below is one of after its return.
    change(&deployments, "c-autonomic", json!({"spec": {"replicas": 0}})).await;
    asking.once_more("the gateway rolls").await;
    eventually("the gateway has rolled, the old ones are gone", async || {
        let gateway = deployments.get("c-gateway").await.ok()?;
        let (generation, status) = (gateway.metadata.generation, gateway.status?);
        let rolled = status.observed_generation == generation
            && [status.updated_replicas, status.replicas, status.ready_replicas] == [Some(2); 3];
        let gateways = ListParams::default().labels("app.kubernetes.io/component=gateway");
        (rolled && ground.pods().list(&gateways).await.ok()?.items.len() == 2).then_some(())
    })
    .await;

    drop(away);
    eventually("the operator has put the daemon back", async || {
        (deployments.get("c-autonomic").await.ok()?.status?.ready_replicas == Some(1)).then_some(())
    })
    .await;
    asking.once_more("the operator is back").await;
    ground.ready("c").await;
}

#[tokio::test]
async fn a_stream_whose_worker_dies_ends_in_an_error_event() {
    let ground = Ground::new("t-cut").await;
    ground.apply("c", one_gpu_spec()).await;
    let status = ground.ready("c").await;
    let pod = ground.pod_of(&slot_of(&status, "solo")).await.and_then(|p| p.metadata.name).expect("its pod");
    ground.answers("c", "solo").await;
    // Counting does not end by itself, and takes longer than the kubelet needs to kill.
    let body = json!({"model": "default", "stream": true, "max_tokens": 1000, "temperature": 0, "prompt": "1, 2, 3, 4, 5, 6,"});
    let address = format!("{}/v1/completions", ground.gateway("c").await);
    let mut answer = ground.http.post(address).json(&body).send().await.expect("an answer");
    assert_eq!(answer.status(), 200);
    let first = answer.chunk().await.expect("a readable stream").expect("a first piece");
    ground.pods().delete(&pod, &at_once()).await.expect("killed");
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

/// Starts a killed node when it is dropped, so that a test that fails does not take the node with it.
struct Back(&'static str);

impl Drop for Back {
    fn drop(&mut self) {
        machine(&["start-node", self.0]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_lost_with_the_leading_operator_is_named_the_other_one_answers_and_it_comes_back_by_itself() {
    let ground = Ground::new("t-node").await;
    let mut spec = layer_spec();
    spec["muscleMemory"] = json!({"mode": "Disabled"});
    ground.apply("c", spec).await;
    ground.ready("c").await;
    let operators = Operators::scaled(&ground, 2).await;
    let (led, node, all) = eventually("one of the operators leads", || leader(&ground)).await;
    assert_eq!(all.len(), 2, "both operators are on {node}");
    let (lost, left, layer) =
        if node == "redfin" { ("redfin", "bluefin", "conscious") } else { ("bluefin", "redfin", "backup") };
    machine(&["kill-node", lost]);
    let back = Back(lost);

    let status = ground.status("c", "the lost node is named", |s| condition(s, "Ready").2.contains(lost)).await;
    assert_eq!((condition(&status, "Ready").0, condition(&status, "Available").0), ("False", "True"), "{left} answers");
    let leads = eventually("somebody leads", || leader(&ground)).await;
    assert!(leads.0 != led && leads.1 == left, "the other operator took over from {led}: {leads:?}");
    eventually("the other node answers", async || {
        let answer = tokio::time::timeout(Duration::from_mins(1), ground.ask("c", "Say hello.")).await.ok()?.ok()?;
        (answer.status() == 200 && header(&answer, "x-cherokee-layer") == layer).then_some(())
    })
    .await;

    drop(back);
    ground.ready("c").await;
    drop(operators);
    ground.remove().await;
}
