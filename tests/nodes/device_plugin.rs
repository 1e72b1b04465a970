//! The same layout where the kubelet picks the GPUs. Needs a cluster of its own: `GPU_ACCESS=device-plugin`.

use crate::{
    clusters::one_gpu_spec,
    refusals::stranger_runs,
    support::{Ground, condition, layer_spec, slot_of},
};
use k8s_openapi::api::core::v1::Pod;
use kube::api::DeleteParams;
use serde_json::json;

const RESOURCE: &str = "nvidia.com/gpu";

fn gpus(pod: &Pod) -> Option<String> {
    let limits = pod.spec.as_ref()?.containers.iter().find_map(|c| c.resources.as_ref()?.limits.clone())?;
    limits.get(RESOURCE).map(|quantity| quantity.0.clone())
}

#[tokio::test]
async fn three_roles_that_take_all_gpus_serve_and_answer() {
    let ground = Ground::new("t-plugin").await;
    let mut spec = layer_spec();
    spec["roles"][1] = json!({"name": "dream", "layer": "Subconscious", "model": "smollm2",
        "placement": {"nodeName": "redfin", "device": {"index": 0}}});
    ground.apply("c", spec).await;
    let status = ground.ready("c").await;
    assert_eq!(condition(&status, "Simulated").0, "True", "simulated GPUs must say so");
    assert_eq!(status.gpus_summary.as_deref(), Some("3/3"));
    for (role, node) in [("conscious", "bluefin"), ("dream", "redfin"), ("backup", "redfin")] {
        let pod = ground.pod_of(&slot_of(&status, role)).await.expect("its pod");
        assert_eq!(gpus(&pod).as_deref(), Some("1"), "{role} asks for one GPU");
        assert_eq!(pod.spec.and_then(|s| s.node_name).as_deref(), Some(node), "{role}");
    }
    ground.answers("c", "conscious").await;
    ground.remove().await;
}

#[tokio::test]
async fn a_device_that_cannot_be_chosen_is_refused() {
    let ground = Ground::new("t-choose").await;
    let mut spec = one_gpu_spec();
    spec["roles"][0]["placement"] = json!({"nodeName": "redfin", "device": {"index": 1}});
    ground.apply("c", spec).await;
    let status = ground.status("c", "DeviceNotChoosable", |s| condition(s, "Ready").1 == "DeviceNotChoosable").await;
    assert_eq!(condition(&status, "Stalled").0, "True", "it must not look pending");
    assert!(condition(&status, "Ready").2.contains("use DRA"), "{}", condition(&status, "Ready").2);
    ground.remove().await;
}

#[tokio::test]
async fn a_foreign_pod_on_the_gpu_is_the_reason_until_it_goes() {
    let ground = Ground::new("t-strange").await;
    let pod = serde_json::from_value(json!({
        "metadata": {"name": "stranger"},
        "spec": {"nodeSelector": {"kubernetes.io/hostname": "bluefin"}, "terminationGracePeriodSeconds": 0,
            "containers": [{"name": "c", "image": "localhost/pause:3.10", "resources": {"limits": {RESOURCE: "1"}},
                "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]},
                    "runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}}}]}}))
    .expect("a pod");
    stranger_runs(&ground, &pod).await;
    ground.apply("c", one_gpu_spec()).await;
    ground.status("c", "DeviceTaken", |s| condition(s, "Ready").1 == "DeviceTaken").await;
    ground.pods().delete("stranger", &DeleteParams::default()).await.expect("deleted");
    ground.ready("c").await;
    ground.remove().await;
}
