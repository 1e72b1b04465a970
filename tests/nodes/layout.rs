//! The layout is held: roles on the very devices, and back when somebody changes them.

use crate::{
    command::{kubectl_cherokee, says_where_everybody_is},
    support::{Ground, condition, eventually, header, layer_spec, slot_of},
};
use cherokee_api::names::{self, label};
use cherokee_operator::render::Kind;
use k8s_openapi::api::{apps::v1::StatefulSet, core::v1::Secret};
use kube::{
    Api, ResourceExt,
    api::{ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams},
};
use serde_json::json;
use std::collections::BTreeMap;

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

    ground.answers("c", "conscious").await;
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

    says_where_everybody_is(&ground, &status);

    // Woken, the dream worker takes its own device; put to sleep, it leaves it.
    let said = kubectl_cherokee(&ground, &["dream", "c", "--for", "30m"]);
    assert!(said.contains("role `dream` of `c` is to be awake until "), "{said}");
    let on = eventually("the dream worker has its device", || ground.device_of(&dream)).await;
    assert_eq!(on, ("redfin".into(), "gpu-0".into()));
    let said = kubectl_cherokee(&ground, &["dream", "c", "--stop"]);
    assert!(said.contains("role `dream` of `c` is to sleep outside its windows"), "{said}");
    eventually("the dream worker's pod is gone", async || ground.pod_of(&dream).await.is_none().then_some(())).await;

    // Deleted or scaled by hand, every child is back.
    let deployments = ground.deployments().list(&ListParams::default()).await.expect("a list").items;
    assert_eq!(deployments.len(), 5, "three slots, gateway, autonomic");
    // Of Secrets the operator may not be told: it sees that its own is gone when the next child wakes it.
    let password: Api<Secret> = Api::namespaced(ground.client.clone(), &ground.namespace);
    let before = password.get("c-memory-password").await.expect("the password").metadata.uid;
    password.delete("c-memory-password", &DeleteParams::default()).await.expect("deleted");
    for kind in Kind::ALL {
        deleted_and_back(&ground, &kind.resource()).await;
    }
    let after = password.get("c-memory-password").await.expect("another password").metadata.uid;
    assert_ne!(after, before);
    let zero = json!({"spec": {"replicas": 0}});
    ground.deployments().patch(&backup, &PatchParams::default(), &Patch::Merge(zero)).await.expect("scaled");
    eventually("the backup has its replica back", async || {
        let spec = ground.deployments().get(&backup).await.ok()?.spec?;
        (spec.replicas == Some(1)).then_some(())
    })
    .await;
    eventually("every part runs anew", async || all_roll_out(&ground).await).await;
    let status = ground.ready("c").await;
    assert_eq!(slot_of(&status, "conscious"), conscious, "a slot keeps its identity");
    // With another password, and with all that it knew.
    eventually("memory answers again", async || {
        let answer = ground.ask("c", "Say hello.").await.ok()?;
        (header(&answer, "x-cherokee-memory") == "hit").then_some(())
    })
    .await;
    ground.remove().await;
}

/// Name and UID of the cluster's children of one kind.
async fn children(api: &Api<DynamicObject>) -> Option<BTreeMap<String, String>> {
    let ours = format!("{}={},{}=c", label::MANAGED_BY, names::MANAGED_BY, label::CLUSTER);
    let found = api.list(&ListParams::default().labels(&ours)).await.ok()?;
    found.items.into_iter().map(|child| Some((child.name_any(), child.metadata.uid?))).collect()
}

async fn deleted_and_back(ground: &Ground, resource: &ApiResource) {
    let api: Api<DynamicObject> = Api::namespaced_with(ground.client.clone(), &ground.namespace, resource);
    let before = children(&api).await.expect("a list");
    assert!(!before.is_empty(), "no child of kind {}", resource.kind);
    for name in before.keys() {
        api.delete(name, &DeleteParams::default()).await.expect("deleted");
    }
    eventually(&format!("every {} is back: {:?}", resource.kind, before.keys()), async || {
        let now = children(&api).await?;
        let back = before.iter().all(|(name, old)| now.get(name).is_some_and(|uid| uid != old));
        back.then_some(())
    })
    .await;
}

/// Whether Redis and all Deployments run what was written last.
async fn all_roll_out(ground: &Ground) -> Option<()> {
    let redis: Api<StatefulSet> = Api::namespaced(ground.client.clone(), &ground.namespace);
    let redis = redis.get("c-memory").await.ok()?;
    let (generation, status) = (redis.metadata.generation, redis.status?);
    let mut all = status.observed_generation == generation
        && [status.updated_replicas, status.ready_replicas] == [Some(1); 2]
        && status.current_revision == status.update_revision;
    for part in ground.deployments().list(&ListParams::default()).await.ok()? {
        let (generation, wanted, status) = (part.metadata.generation, part.spec?.replicas?, part.status?);
        let counts = [status.replicas, status.updated_replicas, status.ready_replicas];
        all &= status.observed_generation == generation && counts.iter().all(|n| n.unwrap_or(0) == wanted);
    }
    all.then_some(())
}
