//! A window in real time: the dream worker serves from its start and its GPU is free after its end.

use crate::support::{Ground, condition, eventually, layer_spec, slot_of};
use cherokee_api::{
    CherokeeClusterStatus,
    status::{
        RoleState::{self, Asleep, Awake},
        SlotState,
    },
};
use chrono::{TimeDelta, Timelike, Utc};
use serde_json::json;

fn dream(status: &CherokeeClusterStatus) -> Option<RoleState> {
    status.roles.iter().find(|role| role.name == "dream").map(|role| role.state)
}

#[tokio::test]
async fn a_dream_worker_is_ready_in_its_window_and_its_gpu_is_free_after() {
    let ground = Ground::new("t-window").await;
    // Windows begin at whole minutes: one that is half a minute away or more leaves time to be seen asleep.
    let start = Utc::now() + TimeDelta::seconds(90);
    let start = start.with_second(0).and_then(|start| start.with_nanosecond(0)).expect("a whole minute");
    let mut spec = layer_spec();
    spec["roles"][1] = json!({"name": "dream", "layer": "Subconscious", "model": "smollm2", "activation": "Scheduled",
        "windows": [{"schedule": format!("{} {} * * *", start.minute(), start.hour()), "duration": "1h"}],
        "placement": {"nodeName": "redfin", "device": {"index": 0}}});
    ground.apply("c", spec.clone()).await;
    let status = ground.status("c", "dream sleeps before its window", |s| dream(s) == Some(Asleep)).await;
    assert!(Utc::now() < start, "the window began before it was seen asleep");
    let slot = slot_of(&status, "dream");
    let serves = |s: &CherokeeClusterStatus| {
        let awake = dream(s) == Some(Awake);
        assert!(!awake || Utc::now() >= start, "awake before its window: {s:?}");
        awake && s.slots.iter().any(|one| one.name == slot && one.state == SlotState::Serving)
    };
    ground.status("c", "dream is awake and its slot serves", serves).await;
    let on = eventually("the dream worker holds its device", || ground.device_of(&slot)).await;
    assert_eq!(on, ("redfin".into(), "gpu-0".into()));
    // Seen to serve, however long that took: its end is moved to the next whole minute.
    spec["roles"][1]["windows"][0]["duration"] = json!(format!("{}m", (Utc::now() - start).num_minutes() + 1));
    ground.apply("c", spec).await;
    ground.status("c", "dream sleeps again", |s| dream(s) == Some(Asleep)).await;
    eventually("its pod is gone", async || ground.pod_of(&slot).await.is_none().then_some(())).await;
    eventually("its claim is gone, the GPU is free", async || {
        let claims = ground.claims().list(&kube::api::ListParams::default()).await.ok()?;
        claims.iter().all(|c| !c.metadata.name.as_deref().unwrap_or_default().starts_with(&slot)).then_some(())
    })
    .await;
    let status = ground.ready("c").await;
    assert_eq!(condition(&status, "Ready").0, "True", "a sleeping role never counts against Ready");
    ground.remove().await;
}
