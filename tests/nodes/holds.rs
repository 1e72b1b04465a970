//! GpuHolds: what a tenant writes takes no GPU, and a hold follows its cluster.

use crate::{
    clusters::one_gpu_spec,
    support::{Ground, condition, eventually, slot_of},
};
use cherokee_api::{
    GpuHold,
    hold::{HeldDevice, HoldingCluster},
};
use k8s_openapi::api::apps::v1::Deployment;
use kube::{
    Api, Resource, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use serde_json::json;

/// The GPU of bluefin as the test cluster publishes it.
fn bluefins() -> HeldDevice {
    HeldDevice::dra("bluefin", "gpu.nvidia.com", "GPU-bluefin-0")
}

async fn hold(holds: &Api<GpuHold>) -> Option<GpuHold> {
    holds.get_opt(&bluefins().hold_name()).await.expect("an answer")
}

#[tokio::test]
async fn what_a_tenant_writes_takes_no_gpu_and_a_hold_that_is_deleted_comes_back() {
    let ground = Ground::new("t-holds").await;
    let holds: Api<GpuHold> = Api::all(ground.client.clone());
    // An older cluster of the tenant, suspended, and a Deployment of it that says all that a slot's Deployment says.
    let mut idle = one_gpu_spec();
    idle["suspend"] = json!(true);
    ground.apply("thief", idle).await;
    let thief = ground.clusters().get("thief").await.expect("the thief");
    let fake: Deployment = serde_json::from_value(json!({
        "metadata": {"name": "fake", "labels": {"cherokee.ai/slot": "fake", "cherokee.ai/cluster": "thief", "app.kubernetes.io/managed-by": "cherokee-operator"},
            "annotations": {"cherokee.ai/device": "bluefin/GPU-bluefin-0"}, "ownerReferences": [thief.controller_owner_ref(&())]},
        "spec": {"replicas": 0, "selector": {"matchLabels": {"a": "b"}},
            "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "x"}]}}}}))
    .expect("a Deployment");
    let by_hand = PostParams { field_manager: Some("cherokee-operator".into()), ..PostParams::default() };
    ground.deployments().create(&by_hand, &fake).await.expect("created");

    ground.apply("owner", one_gpu_spec()).await;
    let served = ground.ready("owner").await;
    let taken = hold(&holds).await.expect("a hold");
    let owner = ground.clusters().get("owner").await.expect("the owner");
    assert_eq!(Some(&taken.spec.holder.uid), owner.metadata.uid.as_ref());
    let slot = slot_of(&served, "solo");
    assert_eq!(taken.spec.slots.iter().map(|s| s.name.as_str()).collect::<Vec<_>>(), [slot.as_str()]);

    // The spec of a hold's device never changes.
    let moved = json!({"spec": {"device": {"uuid": "GPU-other"}}});
    let refused = holds.patch(&taken.name_any(), &PatchParams::default(), &Patch::Merge(moved)).await;
    let refused = refused.expect_err("refused").to_string();
    assert!(refused.contains("spec.device never changes"), "{refused}");

    // Deleted by hand: the slot still runs there, so the hold comes back and nobody else gets the GPU.
    holds.delete(&taken.name_any(), &DeleteParams::default()).await.expect("deleted");
    let back = eventually("the hold is back", async || hold(&holds).await).await;
    assert_eq!((&back.spec.holder, back.uid() == taken.uid()), (&taken.spec.holder, false));
    ground.answers("owner", "solo").await;

    // The cluster goes: its pods, then its hold.
    ground.clusters().delete("owner", &DeleteParams::default()).await.expect("deleted");
    // A wake-up: without any cluster nobody needs the GPU, and nobody looks.
    let unsuspended = json!({"spec": {"suspend": false}});
    ground.clusters().patch("thief", &PatchParams::default(), &Patch::Merge(unsuspended)).await.expect("patched");
    let next = ground.ready("thief").await;
    let taken = hold(&holds).await.expect("a hold");
    assert_eq!(Some(taken.spec.holder.uid), thief.metadata.uid);
    assert_eq!(next.plan_version, Some(1));
    ground.remove().await;
}

#[tokio::test]
async fn a_hold_of_a_cluster_that_is_gone_is_removed_and_one_of_another_keeps_the_gpu() {
    let ground = Ground::new("t-gone").await;
    let holds: Api<GpuHold> = Api::all(ground.client.clone());
    // The hold of a cluster that is gone stays until another cluster is planned.
    let _ = holds.delete(&bluefins().hold_name(), &DeleteParams::default()).await;
    // Another operator's work, as its cluster is there: whoever wants the GPU waits.
    let mut idle = one_gpu_spec();
    idle["suspend"] = json!(true);
    let other = ground.apply("other", idle).await;
    let holder =
        HoldingCluster { uid: other.uid().expect("a UID"), namespace: ground.namespace.clone(), name: "other".into() };
    let spec = json!({"device": bluefins(), "holder": holder, "since": "2026-11-24T12:00:00Z"});
    let hold = GpuHold::new(&bluefins().hold_name(), serde_json::from_value(spec).expect("a spec"));
    holds.create(&PostParams::default(), &hold).await.expect("created");
    ground.apply("late", one_gpu_spec()).await;
    let told = ground.status("late", "DeviceTaken", |s| condition(s, "Ready").1 == "DeviceTaken").await;
    let message = condition(&told, "Ready").2;
    assert!(message.contains("`solo`") && message.contains("bluefin"), "names role and node: {message}");
    assert!(
        ground
            .deployments()
            .list(&ListParams::default().labels("cherokee.ai/cluster=late,cherokee.ai/slot"))
            .await
            .expect("a list")
            .items
            .is_empty()
    );

    ground.clusters().delete("other", &DeleteParams::default()).await.expect("deleted");
    ground.ready("late").await;
    ground.remove().await;
}
