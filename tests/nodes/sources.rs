//! Models from a web server and from a claim; the first in CPU mode.

use crate::support::{Ground, condition, eventually, header};
use axum::{Router, body::Body, http::header::CONTENT_LENGTH, response::Response, routing::get};
use cherokee_api::{CherokeeClusterStatus, names::condition::READY};
use futures::{StreamExt, stream};
use k8s_openapi::api::{
    core::v1::{Node, PersistentVolumeClaim, Pod},
    events::v1::Event,
};
use kube::{
    Api,
    api::{DeleteParams, ListParams, PostParams},
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// Bytes of a piece that the server sends at once, and the pause before it while the server takes its time.
const PIECE: usize = 1 << 20;
const PAUSE: Duration = Duration::from_secs(1);

/// The real model, served by this process where pods reach it, at full speed once `hurry` says so: address and digest.
async fn web_server(ground: &Ground, hurry: Arc<AtomicBool>) -> (String, String) {
    let path = std::env::var("CHEROKEE_TEST_MODEL")
        .expect("CHEROKEE_TEST_MODEL must hold the model's file: run `make test-nodes`");
    let file: &'static [u8] = std::fs::read(path).expect("the model's file").leak();
    let node = Api::<Node>::all(ground.client.clone()).get("bluefin").await.expect("node bluefin");
    let node = node.status.and_then(|s| s.addresses).into_iter().flatten().find(|a| a.type_ == "InternalIP");
    // Bound to the address from which this machine reaches the node: the node reaches it back.
    let way = std::net::UdpSocket::bind("0.0.0.0:0").expect("a socket");
    way.connect(format!("{}:9", node.expect("its address").address)).expect("a way to the node");
    let listener =
        tokio::net::TcpListener::bind((way.local_addr().expect("an address").ip(), 0)).await.expect("a port");
    let url = format!("http://{}/model.gguf", listener.local_addr().expect("an address"));
    let answer = move || async move {
        let pieces = stream::iter(file.chunks(PIECE)).then(move |piece| {
            let hurry = hurry.clone();
            async move {
                if !hurry.load(Ordering::Relaxed) {
                    tokio::time::sleep(PAUSE).await;
                }
                Ok::<_, std::io::Error>(piece)
            }
        });
        let response = Response::builder().header(CONTENT_LENGTH, file.len());
        response.body(Body::from_stream(pieces)).expect("a response")
    };
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/model.gguf", get(answer))).await });
    (url, hex::encode(Sha256::digest(file)))
}

fn spec(model: &Value) -> Value {
    let mut model = model.clone();
    for (key, value) in [("name", json!("smollm2")), ("size", json!("94Mi")), ("contextTokens", json!(1024))] {
        model[key] = value;
    }
    json!({
        "models": [model],
        "roles": [{"name": "talk", "layer": "Conscious", "model": "smollm2", "routing": {"default": true}}],
        "workers": {"drain": "10s", "cpu": "200m"},
        "muscleMemory": {"mode": "Disabled"},
        "gateway": {"replicas": 1}
    })
}

#[tokio::test]
async fn a_model_from_the_web_is_downloaded_with_progress_and_serves_without_a_gpu() {
    let ground = Ground::new("t-web").await;
    let hurry = Arc::new(AtomicBool::new(false));
    let (url, sha256) = web_server(&ground, hurry.clone()).await;
    let mut spec = spec(&json!({"uri": url, "sha256": sha256}));
    spec["accelerator"] = json!({"mode": "CPU"});
    ground.apply("c", spec).await;
    let downloading = |s: &CherokeeClusterStatus| {
        let mut messages = s.slots.iter().filter_map(|slot| slot.message.clone());
        messages.find(|m| m.starts_with("downloading model `smollm2`: "))
    };
    let status = ground.status("c", "a slot says how far its download is", |s| downloading(s).is_some()).await;
    let further = |s: &CherokeeClusterStatus| downloading(s).is_some_and(|now| Some(now) != downloading(&status));
    ground.status("c", "it says that it is further", further).await;
    hurry.store(true, Ordering::Relaxed);
    ground.ready("c").await;
    let events: Api<Event> = Api::namespaced(ground.client.clone(), &ground.namespace);
    let events = events.list(&ListParams::default()).await.expect("a list").items;
    let steps = events.iter().filter(|e| e.reason.as_deref() == Some("Downloading")).count();
    assert!(steps >= 2, "{steps} events of progress");
    ground.answers("c", "talk").await;
    let answer = ground.ask("c", "Say hello.").await.expect("an answer");
    assert_eq!((answer.status().as_u16(), header(&answer, "x-cherokee-device").as_str()), (200, "cpu"));
    ground.remove().await;
}

#[tokio::test]
async fn a_wrong_digest_is_said_on_the_resource() {
    let ground = Ground::new("t-digest").await;
    let (url, _) = web_server(&ground, Arc::new(AtomicBool::new(true))).await;
    let mut spec = spec(&json!({"uri": url, "sha256": "0".repeat(64)}));
    spec["accelerator"] = json!({"mode": "CPU"});
    ground.apply("c", spec).await;
    let status = ground.status("c", "the digest is named", |s| condition(s, READY).2.contains("SHA-256")).await;
    assert!(condition(&status, READY).2.contains(&"0".repeat(64)), "{:?}", condition(&status, READY));
    ground.remove().await;
}

#[tokio::test]
async fn a_model_from_a_claim_serves() {
    let ground = Ground::new("t-claim").await;
    let (url, sha256) = web_server(&ground, Arc::new(AtomicBool::new(true))).await;
    let claim: PersistentVolumeClaim = serde_json::from_value(json!({"metadata": {"name": "models"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "200Mi"}}}}))
    .expect("a claim");
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(ground.client.clone(), &ground.namespace);
    claims.create(&PostParams::default(), &claim).await.expect("created");
    let filler = filler(&url, &sha256);
    ground.pods().create(&PostParams::default(), &filler).await.expect("created");
    eventually("the claim is filled", async || {
        let pod = ground.pods().get("filler").await.ok()?;
        pod.status?.container_statuses?.first()?.ready.then_some(())
    })
    .await;
    ground.pods().delete("filler", &DeleteParams::default()).await.expect("deleted");

    let mut spec = spec(&json!({"uri": format!("pvc://models/{sha256}.gguf")}));
    spec["roles"][0]["placement"] = json!({"nodeName": "bluefin"});
    ground.apply("c", spec).await;
    ground.ready("c").await;
    ground.answers("c", "talk").await;
    ground.remove().await;
}

/// A worker whose cache is the claim: one way to fill it, on the node where the claim is used afterwards.
fn filler(url: &str, sha256: &str) -> Pod {
    let worker = std::env::var("WORKER").expect("WORKER must hold the worker's image: run `make test-nodes`");
    serde_json::from_value(json!({
        "metadata": {"name": "filler"},
        "spec": {
            "nodeSelector": {"kubernetes.io/hostname": "bluefin"},
            "terminationGracePeriodSeconds": 5,
            "automountServiceAccountToken": false,
            "securityContext": {"runAsNonRoot": true, "runAsUser": 65532, "runAsGroup": 65532, "fsGroup": 65532,
                "seccompProfile": {"type": "RuntimeDefault"}},
            "volumes": [{"name": "models", "persistentVolumeClaim": {"claimName": "models"}}],
            "containers": [{
                "name": "worker", "image": worker, "imagePullPolicy": "IfNotPresent",
                "args": ["--listen=0.0.0.0:8080", "--device=cpu", "--threads=1", "--model-cache=/models", "--context-tokens=256",
                    format!("--model-url=m={url}"), format!("--model-sha256=m={sha256}")],
                "volumeMounts": [{"name": "models", "mountPath": "/models"}],
                "readinessProbe": {"httpGet": {"path": "/readyz", "port": 8080}, "periodSeconds": 1},
                "securityContext": {"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true,
                    "capabilities": {"drop": ["ALL"]}},
            }],
        },
    }))
    .expect("a pod")
}
