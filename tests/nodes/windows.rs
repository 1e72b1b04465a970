//! A window in real time: the dream worker is there at its start and its GPU is free after its end.

use crate::support::{Ground, condition, eventually, layer_spec, slot_of};
use cherokee_api::status::RoleState::{Asleep, Awake};
use chrono::{TimeDelta, Timelike, Utc};
use serde_json::json;

#[tokio::test]
async fn a_dream_worker_is_ready_in_its_window_and_its_gpu_is_free_after() {
    let ground = Ground::new("t-window").await;
    // Windows begin at whole minutes: the second next one leaves time to start, two minutes are enough to see it serve.
    let start = Utc::now() + TimeDelta::minutes(2);
    let mut spec = layer_spec();
    spec["roles"][1] = json!({"name": "dream", "layer": "Subconscious", "model": "smollm2", "activation": "Scheduled",
        "windows": [{"schedule": format!("{} {} * * *", start.minute(), start.hour()), "duration": "2m"}],
        "placement": {"nodeName": "redfin", "device": {"index": 0}}});
    ground.apply("c", spec).await;
    let status = ground.ready("c").await;
    let dream = slot_of(&status, "dream");
    let role = |s: &cherokee_api::CherokeeClusterStatus| s.roles.iter().find(|r| r.name == "dream").map(|r| r.state);
    let state = |wanted| move |s: &cherokee_api::CherokeeClusterStatus| role(s) == Some(wanted);
    let status = ground.status("c", "dream is awake and its worker ready", |s| {
        state(Awake)(s) && condition(s, "WorkersReady").0 == "True"
    });
    status.await;
    let on = eventually("the dream worker holds its device", || ground.device_of(&dream)).await;
    assert_eq!(on, ("redfin".into(), "gpu-0".into()));
    ground.status("c", "dream sleeps again", state(Asleep)).await;
    eventually("its pod is gone", async || ground.pod_of(&dream).await.is_none().then_some(())).await;
    eventually("its claim is gone, the GPU is free", async || {
        let claims = ground.claims().list(&kube::api::ListParams::default()).await.ok()?;
        claims.iter().all(|c| !c.metadata.name.as_deref().unwrap_or_default().starts_with(&dream)).then_some(())
    })
    .await;
    let status = ground.ready("c").await;
    assert_eq!(condition(&status, "Ready").0, "True", "a sleeping role never counts against Ready");
    ground.remove().await;
}
