//! The layout is held: roles on the very devices, and back when somebody changes them.

use crate::support::{Ground, condition, deployment_names, eventually, header, layer_spec, slot_of};
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::json;

#[tokio::test]
async fn three_roles_sit_on_their_devices_and_come_back_when_changed() {
    let ground = Ground::new("t-layout").await;
    ground.apply("c", layer_spec()).await;
    let status = ground.ready("c").await;
    assert_eq!(condition(&status, "Available").0, "True");
    assert_eq!(condition(&status, "Simulated").0, "True", "simulated GPUs must say so");
    let (conscious, dream, backup) =
        (slot_of(&status, "conscious"), slot_of(&status, "dream"), slot_of(&status, "backup"));

    let on = eventually("conscious has its device", || ground.device_of(&conscious)).await;
    assert_eq!(on, ("bluefin".into(), "gpu-0".into()));
    let on = eventually("backup has its device", || ground.device_of(&backup)).await;
    assert_eq!(on, ("redfin".into(), "gpu-1".into()));
    assert!(ground.pod_of(&dream).await.is_none(), "a dream worker that nobody woke has no pod");

    // A question whose answer ends by itself before its limit, and the same again from memory.
    let first = ground.ask("c", "Say hello.").await.expect("an answer");
    assert_eq!((first.status().as_u16(), header(&first, "x-cherokee-layer").as_str()), (200, "conscious"));
    assert_eq!(header(&first, "x-cherokee-device"), "GPU-bluefin-0");
    let first: serde_json::Value = first.json().await.expect("JSON");
    let again = eventually("the second answer comes from memory", async || {
        let answer = ground.ask("c", "Say hello.").await.ok()?;
        (header(&answer, "x-cherokee-memory") == "hit").then_some(answer)
    })
    .await;
    let again: serde_json::Value = again.json().await.expect("JSON");
    let content = "/choices/0/message/content";
    assert_eq!(first.pointer(content), again.pointer(content), "memory repeats the worker's answer");

    // Woken by annotation, the dream worker takes its own device; put to sleep, it leaves it.
    let (from, until) = (chrono::Utc::now(), chrono::Utc::now() + chrono::TimeDelta::minutes(30));
    let wake = |value| json!({"metadata": {"annotations": {"wake.cherokee.ai/dream": value}}});
    let interval = format!("{}/{}", from.format("%FT%TZ"), until.format("%FT%TZ"));
    ground
        .clusters()
        .patch("c", &PatchParams::default(), &Patch::Merge(wake(Some(interval))))
        .await
        .expect("annotated");
    let on = eventually("the dream worker has its device", || ground.device_of(&dream)).await;
    assert_eq!(on, ("redfin".into(), "gpu-0".into()));
    ground
        .clusters()
        .patch("c", &PatchParams::default(), &Patch::Merge(wake(None::<String>)))
        .await
        .expect("annotation removed");
    eventually("the dream worker's pod is gone", async || ground.pod_of(&dream).await.is_none().then_some(())).await;

    // Deleted or scaled by hand, every child is back.
    let all = deployment_names(&ground, "c").await;
    assert_eq!(all.len(), 5, "three slots, gateway, autonomic: {all:?}");
    for name in &all {
        ground.deployments().delete(name, &DeleteParams::default()).await.expect("deleted");
    }
    eventually("all Deployments are back", async || (deployment_names(&ground, "c").await == all).then_some(())).await;
    let zero = json!({"spec": {"replicas": 0}});
    ground.deployments().patch(&backup, &PatchParams::default(), &Patch::Merge(zero)).await.expect("scaled");
    eventually("the backup has its replica back", async || {
        let spec = ground.deployments().get(&backup).await.ok()?.spec?;
        (spec.replicas == Some(1)).then_some(())
    })
    .await;
    let status = ground.ready("c").await;
    assert_eq!(slot_of(&status, "conscious"), conscious, "a slot keeps its identity");
    ground.remove().await;
}
