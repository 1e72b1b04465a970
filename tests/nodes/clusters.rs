//! Two CherokeeClusters and one GPU.

use crate::support::{Ground, condition, eventually, model, slot_of};
use cherokee_api::{CherokeeClusterStatus, names::label};
use kube::{
    ResourceExt,
    api::{DeleteParams, ListParams},
};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// One conscious role that wants bluefin's only GPU.
pub(crate) fn one_gpu_spec() -> Value {
    json!({
        "strategy": "SingleGPU",
        "models": [model()],
        "roles": [{"name": "solo", "layer": "Conscious", "model": "smollm2", "routing": {"default": true},
            "placement": {"nodeName": "bluefin"}}],
        "workers": {"leadTime": "0s", "drain": "5s", "cpu": "200m"},
        "muscleMemory": {"mode": "Disabled"},
        "gateway": {"replicas": 1}
    })
}

/// Clusters that have a slot, and with it the GPU.
async fn holders(ground: &Ground) -> BTreeSet<String> {
    let slots = ground.deployments().list(&ListParams::default().labels(label::SLOT)).await.expect("a list");
    slots.iter().filter_map(|slot| slot.labels().get(label::CLUSTER).cloned()).collect()
}

async fn status_of(ground: &Ground, name: &str) -> Option<CherokeeClusterStatus> {
    ground.clusters().get(name).await.ok()?.status
}

#[tokio::test]
async fn two_clusters_that_want_one_gpu_never_both_get_it() {
    let ground = Ground::new("t-two").await;
    // Both at once: whoever decides first has it.
    tokio::join!(ground.apply("first", one_gpu_spec()), ground.apply("second", one_gpu_spec()));
    let (winner, loser) = eventually("one is Ready and the other one is told DeviceTaken", async || {
        assert!(holders(&ground).await.len() < 2, "both have the GPU");
        let (first, second) = (status_of(&ground, "first").await?, status_of(&ground, "second").await?);
        match (condition(&first, "Ready").1, condition(&second, "Ready").1) {
            ("Ready", "DeviceTaken") => Some(("first", "second")),
            ("DeviceTaken", "Ready") => Some(("second", "first")),
            _ => None,
        }
    })
    .await;
    assert_eq!(holders(&ground).await, BTreeSet::from([winner.to_owned()]));
    let told = status_of(&ground, loser).await.expect("its status");
    let message = condition(&told, "Ready").2;
    assert!(message.contains("`solo`") && message.contains("bluefin"), "names role and node: {message}");
    assert_eq!(condition(&told, "Stalled").0, "True", "no endless Pending");
    let served = status_of(&ground, winner).await.expect("its status");
    assert!(ground.pod_of(&slot_of(&served, "solo")).await.is_some());

    // The one goes; the other moves in by itself.
    ground.clusters().delete(winner, &DeleteParams::default()).await.expect("deleted");
    let moved = ground.ready(loser).await;
    assert_eq!(moved.gpus_summary.as_deref(), Some("1/1"));
    ground.remove().await;
}
