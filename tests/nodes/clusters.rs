//! Two CherokeeClusters and one GPU.

use crate::support::{Ground, condition, model, slot_of};
use serde_json::{Value, json};

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

#[tokio::test]
async fn two_clusters_that_want_one_gpu_never_both_get_it() {
    let ground = Ground::new("t-two").await;
    ground.apply("first", one_gpu_spec()).await;
    let first = ground.ready("first").await;
    ground.apply("second", one_gpu_spec()).await;
    let second = ground.status("second", "Ready=False DeviceTaken", |s| condition(s, "Ready").1 == "DeviceTaken").await;
    let message = condition(&second, "Ready").2;
    assert!(message.contains("`solo`") && message.contains("bluefin"), "names role and node: {message}");
    assert_eq!(condition(&second, "Stalled").0, "True", "no endless Pending");
    assert!(ground.pod_of(&slot_of(&first, "solo")).await.is_some());

    // The first goes; the second moves in by itself.
    ground.clusters().delete("first", &kube::api::DeleteParams::default()).await.expect("deleted");
    let second = ground.ready("second").await;
    assert_eq!(second.gpus_summary.as_deref(), Some("1/1"));
    ground.remove().await;
}
