//! What cannot be placed says why in `kubectl get`, and says it for good.

use crate::{
    clusters::one_gpu_spec,
    command::kubectl_cherokee,
    support::{Ground, condition, eventually, machine, slot_of},
};
use cherokee_api::{CherokeeCluster, CherokeeClusterStatus};
use k8s_openapi::api::{
    core::v1::{Pod, ResourceQuota},
    resource::v1::ResourceSlice,
};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api,
    api::{ApiResource, DynamicObject, ListParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

/// Starts the foreign pod `stranger`.
pub(crate) async fn stranger_runs(ground: &Ground, pod: &Pod) {
    ground.pods().create(&PostParams::default(), pod).await.expect("created");
    eventually("the stranger runs", async || {
        let pod = ground.pods().get("stranger").await.ok()?;
        (pod.status?.phase.as_deref() == Some("Running")).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_foreign_pod_on_the_gpu_is_named_as_the_reason() {
    let ground = Ground::new("t-foreign").await;
    let template: k8s_openapi::api::resource::v1::ResourceClaimTemplate = serde_json::from_value(json!({
        "metadata": {"name": "mine"},
        "spec": {"spec": {"devices": {"requests": [{"name": "gpu", "exactly": {"deviceClassName": "gpu.nvidia.com",
            "selectors": [{"cel": {"expression": "device.attributes['gpu.nvidia.com'].uuid == 'GPU-bluefin-0'"}}]}}]}}}}))
    .expect("a claim template");
    let templates = kube::Api::namespaced(ground.client.clone(), &ground.namespace);
    templates.create(&PostParams::default(), &template).await.expect("created");
    let restricted = json!({"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}, "runAsNonRoot": true,
        "seccompProfile": {"type": "RuntimeDefault"}});
    let pod = serde_json::from_value(json!({
        "metadata": {"name": "stranger"},
        "spec": {"resourceClaims": [{"name": "gpu", "resourceClaimTemplateName": "mine"}], "terminationGracePeriodSeconds": 0,
            "containers": [{"name": "c", "image": "localhost/pause:3.10", "resources": {"claims": [{"name": "gpu"}]},
                "securityContext": restricted}]}}))
    .expect("a pod");
    stranger_runs(&ground, &pod).await;

    ground.apply("c", one_gpu_spec()).await;
    let status = ground.status("c", "Ready=False DeviceTaken", |s| condition(s, "Ready").1 == "DeviceTaken").await;
    assert!(!condition(&status, "Ready").2.contains("stranger"), "another's pod is never named");

    ground.pods().delete("stranger", &kube::api::DeleteParams::default()).await.expect("deleted");
    ground.ready("c").await;
    ground.remove().await;
}

#[tokio::test]
async fn a_missing_gpu_a_missing_node_and_a_model_too_large_each_have_a_terminal_reason() {
    let ground = Ground::new("t-refuse").await;
    let mut spec = one_gpu_spec();
    spec["roles"][0]["placement"] = json!({"nodeName": "bluefin", "device": {"index": 3}});
    ground.apply("gpu", spec).await;
    let mut spec = one_gpu_spec();
    spec["roles"][0]["placement"] = json!({"nodeName": "greenfin"});
    ground.apply("node", spec).await;
    let mut spec = one_gpu_spec();
    spec["models"][0]["size"] = json!("32Gi");
    ground.apply("large", spec).await;
    for (name, reason, needle) in [
        ("gpu", "NoMatchingGpu", "bluefin"),
        ("node", "NoMatchingNode", "greenfin"),
        ("large", "NotEnoughGpuMemory", "MiB"),
    ] {
        let status = ground.status(name, reason, |s| condition(s, "Ready").1 == reason).await;
        let (_, _, message) = condition(&status, "Ready");
        assert!(message.contains("`solo`") && message.contains(needle), "{reason}: {message}");
        assert_eq!(condition(&status, "Stalled").0, "True", "{name} must not look pending");
    }
    ground.remove().await;
}

/// Takes a GPU away until it is dropped, so that a test that fails does not keep it.
struct Hidden(&'static str);

impl Hidden {
    async fn new(ground: &Ground, uuid: &'static str) -> Self {
        machine(&["gpu", "hide", uuid]);
        let hidden = Self(uuid);
        let slices: Api<ResourceSlice> = Api::all(ground.client.clone());
        eventually("nobody publishes the hidden GPU", async || {
            let all = slices.list(&ListParams::default()).await.ok()?;
            (!serde_json::to_string(&all.items).ok()?.contains(uuid)).then_some(())
        })
        .await;
        hidden
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        machine(&["gpu", "show", self.0]);
    }
}

#[tokio::test]
async fn a_gpu_that_has_gone_is_named_as_the_reason_until_it_is_back() {
    let ground = Ground::new("t-gone").await;
    let gone_uuid = "GPU-redfin-0";
    let gone = Hidden::new(&ground, gone_uuid).await;
    let mut spec = one_gpu_spec();
    spec["roles"][0]["placement"] = json!({"nodeName": "redfin", "device": {"uuid": gone.0}});
    ground.apply("c", spec).await;
    let status = ground.status("c", "Ready=False GpuMissing", |s| condition(s, "Ready").1 == "GpuMissing").await;
    let (_, _, message) = condition(&status, "Ready");
    assert!(message.contains("`solo`") && message.contains(gone.0), "names role and GPU: {message}");
    assert_eq!(condition(&status, "Stalled").0, "True", "it must not look pending");

    drop(gone);
    let slot = slot_of(&ground.ready("c").await, "solo");
    let on = eventually("the role is on that GPU", || ground.device_of(&slot)).await;
    assert_eq!(on, ("redfin".into(), "gpu-0".into()));

    // Gone under a worker that runs, it stays that worker's, and the user is told.
    let pod = async || ground.pod_of(&slot).await.and_then(|pod| pod.metadata.uid);
    let before = pod().await.expect("its pod");
    let gone = Hidden::new(&ground, gone_uuid).await;
    let told = |s: &CherokeeClusterStatus| s.advice.iter().any(|advice| advice.code == "GpuWithdrawn");
    let status = ground.status("c", "advice GpuWithdrawn", told).await;
    assert_eq!((condition(&status, "Ready").0, slot_of(&status, "solo")), ("True", slot.clone()));
    drop(gone);
    ground.status("c", "no advice any more", |s| !told(s)).await;
    assert_eq!(pod().await, Some(before), "the worker ran on");
    ground.remove().await;
}

#[tokio::test]
async fn a_quota_is_named_as_the_reason_until_it_is_lifted() {
    let ground = Ground::new("t-quota").await;
    let quotas: Api<ResourceQuota> = Api::namespaced(ground.client.clone(), &ground.namespace);
    // No pod at all, and not even the object for Redis.
    let quota = json!({"metadata": {"name": "tight"}, "spec": {"hard": {"pods": "0", "count/statefulsets.apps": "0"}}});
    let quota = serde_json::from_value(quota).expect("a quota");
    quotas.create(&PostParams::default(), &quota).await.expect("created");
    eventually("the quota counts", async || quotas.get("tight").await.ok()?.status?.hard).await;

    let mut spec = one_gpu_spec();
    spec["muscleMemory"] = json!({"memory": "64Mi", "persistence": {"size": "256Mi"}});
    ground.apply("c", spec).await;
    let parts = ["WorkersReady", "CacheReady", "DaemonsReady", "GatewayReady"];
    let refused = |s: &CherokeeClusterStatus| parts.iter().all(|part| condition(s, part).1 == "RefusedByApiServer");
    let status = ground.status("c", "all parts refused", refused).await;
    for part in parts {
        let (_, _, message) = condition(&status, part);
        assert!(message.contains("exceeded quota: tight"), "{part}: {message}");
    }
    assert!(condition(&status, "CacheReady").2.contains("StatefulSet `c-memory`"), "the object itself: {status:?}");
    assert_eq!((condition(&status, "Ready").1, condition(&status, "Stalled").0), ("RefusedByApiServer", "True"));

    quotas.delete("tight", &kube::api::DeleteParams::default()).await.expect("deleted");
    ground.ready("c").await;
    ground.remove().await;
}

#[tokio::test]
async fn what_a_later_version_serves_is_accepted_by_the_schema_and_refused_by_condition() {
    let ground = Ground::new("t-later").await;
    let mut spec = one_gpu_spec();
    spec["roles"][0]["split"] = json!({"stages": 2});
    ground.apply("split", spec).await;
    let status = ground.status("split", "Accepted=False", |s| condition(s, "Accepted").0 == "False").await;
    let (_, reason, message) = condition(&status, "Accepted");
    assert_eq!(reason, "NotYetSupported");
    assert!(message.contains("split"), "{message}");
    ground.remove().await;
}

/// Adds a word to the layers that the stored CRD knows, or takes it away again.
async fn know_layer(ground: &Ground, word: &str, known: bool) {
    let crds: Api<CustomResourceDefinition> = Api::all(ground.client.clone());
    let crd = crds.get("cherokeeclusters.cherokee.ai").await.expect("the CRD");
    let mut crd = serde_json::to_value(crd).expect("JSON");
    let path = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/roles/items/properties/layer/enum";
    let words = crd.pointer_mut(path).and_then(Value::as_array_mut).expect("the layers");
    words.retain(|w| w != word);
    if known {
        words.push(json!(word));
    }
    let crd = serde_json::from_value(crd).expect("a CRD");
    crds.replace("cherokeeclusters.cherokee.ai", &PostParams::default(), &crd).await.expect("replaced");
}

#[tokio::test]
async fn an_unreadable_resource_is_told_so_and_harms_no_other() {
    let ground = Ground::new("t-unread").await;
    // As if a later version had stored it: this one's types do not know the layer.
    know_layer(&ground, "Unconscious", true).await;
    let mut spec = one_gpu_spec();
    spec["roles"][0]["layer"] = json!("Unconscious");
    let object = json!({"apiVersion": "cherokee.ai/v1alpha1", "kind": "CherokeeCluster",
        "metadata": {"name": "later"}, "spec": spec});
    let untyped: Api<DynamicObject> =
        Api::namespaced_with(ground.client.clone(), &ground.namespace, &ApiResource::erase::<CherokeeCluster>(&()));
    let apply = PatchParams::apply("test").force();
    eventually("the relaxed CRD takes it", async || untyped.patch("later", &apply, &Patch::Apply(&object)).await.ok())
        .await;
    know_layer(&ground, "Unconscious", false).await;

    ground.apply("c", one_gpu_spec()).await;
    ground.ready("c").await;
    let message = eventually("the unreadable one is told so", async || {
        let stored = untyped.get("later").await.ok()?;
        let conditions = stored.data.pointer("/status/conditions")?.as_array()?.clone();
        let accepted = conditions.into_iter().find(|c| c["type"] == "Accepted")?;
        (accepted["status"] == "False" && accepted["reason"] == "Unreadable").then(|| accepted["message"].to_string())
    })
    .await;
    assert!(message.contains("Unconscious"), "{message}");
    let said = kubectl_cherokee(&ground, &["status"]);
    let both = said.contains("t-unread/c: strategy SingleGPU") && said.contains("t-unread/later: the stored object");
    assert!(both && said.contains("Unconscious"), "{said}");
    ground.remove().await;
}
