//! A model changes while people ask: its running slots are changed one after another, and no query fails.

use crate::{
    faults::Asking,
    support::{Ground, condition, layer_spec, slot_of},
};
use cherokee_api::{CherokeeClusterStatus, names::condition};
use serde_json::json;
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_model_reaches_one_slot_after_another_and_no_query_fails() {
    let ground = Arc::new(Ground::new("t-rollout").await);
    let mut spec = layer_spec();
    ground.apply("c", spec.clone()).await;
    let status = ground.ready("c").await;
    let (conscious, backup) = (slot_of(&status, "conscious"), slot_of(&status, "backup"));
    let asking = Arc::new(Asking::default());
    let seen = tokio::spawn({
        let (ground, asking, gateway) = (ground.clone(), asking.clone(), ground.gateway("c").await);
        async move { asking.run(&ground, &gateway).await }
    });
    asking.once_more("before the change").await;

    // The same file by its full path: for the operator another model, for this test the same answers.
    spec["models"][0]["path"] = json!("models/SmolLM2-135M-Instruct.Q4_1.gguf");
    ground.apply("c", spec).await;
    let between = AtomicBool::new(false);
    let both_new = |s: &CherokeeClusterStatus| {
        assert_eq!(condition(s, condition::AVAILABLE).0, "True", "somebody answers throughout: {s:?}");
        let old = [slot_of(s, "conscious") == conscious, slot_of(s, "backup") == backup];
        let ready = condition(s, condition::READY).0 == "True";
        assert!(!(ready && old.contains(&true)), "Ready before all is changed: {s:?}");
        assert_ne!(old, [false, true], "the backup is changed first: {s:?}");
        between.fetch_or(old == [true, false], Ordering::SeqCst);
        ready
    };
    ground.status("c", "both slots are new, and Ready", both_new).await;
    assert!(between.load(Ordering::SeqCst), "the two were changed at once");

    asking.once_more("after the change").await;
    asking.stop.store(true, Ordering::SeqCst);
    let seen = seen.await.expect("the loop ended");
    let failed: BTreeMap<_, _> = seen.iter().filter(|(outcome, _)| !outcome.starts_with("200")).collect();
    assert!(failed.is_empty(), "queries failed: {failed:?}, all: {seen:?}");
    ground.remove().await;
}
