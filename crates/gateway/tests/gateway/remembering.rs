//! Memory: asked before any worker, told only whole answers, and never in the way.

use crate::{
    client::Client,
    fake_worker::{Act, Worker},
    house::{House, Plan, eventually, hello, hello_stream},
};
use cherokee_gateway::auth::{Door, Keys};
use cherokee_memory::Provenance;
use cherokee_wire::layout::{Model, RoleState};
use http::StatusCode;
use serde_json::json;
use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tokio::sync::watch;

const TEXT: &str = "twelve clans meet at the council house";

async fn house(act: Act) -> (House, Worker) {
    let worker = Worker::start(&[act]).await;
    let house = Plan::new(&[("conscious", &worker.address)]).start().await;
    (house, worker)
}

async fn stored(house: &House, result: &str) {
    let line = format!("cherokee_gateway_stored_total{{result=\"{result}\"}} 1");
    let waiting = async { while !house.metrics().await.contains(&line) {} };
    tokio::time::timeout(crate::client::DEADLINE, waiting).await.unwrap_or_else(|_| panic!("nothing was {result}"));
}

/// One answer is remembered, and then everybody sleeps.
async fn learnt_and_asleep(house: &House) {
    house.client.chat(&hello()).await;
    stored(house, "stored").await;
    let mut layout = crate::house::layer_layout();
    layout.roles.values_mut().for_each(|role| role.state = RoleState::Asleep);
    house.layout.send_replace(Some(Arc::new(layout)));
}

#[tokio::test]
async fn the_second_time_memory_answers_whole_or_streamed_whatever_the_first_was() {
    for first in [hello(), hello_stream()] {
        let (house, worker) = house(Act::Say(TEXT)).await;
        let miss = house.client.chat(&first).await;
        assert_eq!((miss.content().as_str(), miss.header("x-cherokee-memory")), (TEXT, "miss"));
        stored(&house, "stored").await;
        for again in [hello(), hello_stream()] {
            let hit = house.client.chat(&again).await;
            assert_eq!(hit.way(), ["memory", "conscious", "remembered", "hit"]);
            assert_eq!((hit.header("x-cherokee-provenance"), hit.header("x-cherokee-device")), ("day/1", "cpu"));
            assert_eq!(hit.content(), TEXT);
        }
        let whole = house.client.chat(&hello()).await.json();
        assert_eq!(whole["usage"]["total_tokens"], 11);
        assert_ne!(whole["id"], "worker-1");
        assert_eq!(worker.seen().len(), 1);
    }
}

#[tokio::test]
async fn an_entry_knows_where_it_came_from() {
    let (house, _worker) = house(Act::Say(TEXT)).await;
    house.client.chat(&hello()).await;
    stored(&house, "stored").await;
    let (entry, time_to_live) = house.memory.entries.lock().unwrap().values().next().unwrap().clone();
    assert_eq!((entry.provenance, entry.version, entry.device.as_deref()), (Provenance::Day, 1, Some("GPU-conscious")));
    assert_eq!(
        [&*entry.tenant, &entry.model, &entry.revision, &entry.role],
        ["default", "resonance", "r1", "conscious"]
    );
    assert_eq!(time_to_live, Duration::from_hours(1));
}

#[tokio::test]
async fn the_device_that_a_worker_tells_wins_over_the_planned_one() {
    for body in [hello(), hello_stream()] {
        let (house, _worker) = house(Act::SayOn("GPU-real", TEXT)).await;
        assert_eq!(house.client.chat(&body).await.header("x-cherokee-device"), "GPU-real");
        stored(&house, "stored").await;
        let (entry, _) = house.memory.entries.lock().unwrap().values().next().unwrap().clone();
        assert_eq!(entry.device.as_deref(), Some("GPU-real"));
    }
}

#[tokio::test]
async fn a_worker_that_still_has_the_model_of_before_answers_and_is_not_remembered() {
    let (house, worker) = house(Act::Say(TEXT)).await;
    let mut layout = crate::house::layer_layout();
    layout.slots.values_mut().for_each(|slot| slot.superseded = true);
    house.layout.send_replace(Some(Arc::new(layout)));
    for _ in 0..2 {
        assert_eq!(house.client.chat(&hello()).await.content(), TEXT);
    }
    // Now its turn has come, and the first answer of the new model is the first that memory hears of.
    house.layout.send_replace(Some(Arc::new(crate::house::layer_layout())));
    house.client.chat(&hello()).await;
    stored(&house, "stored").await;
    assert_eq!(worker.seen().len(), 3);
}

#[tokio::test]
async fn a_cut_stream_is_never_stored() {
    let event = "data: {\"choices\": [{\"index\": 0, \"delta\": {\"content\": \"x\"}, \"finish_reason\": \"stop\"}], \"usage\": {\"prompt_tokens\":1,\"completion_tokens\":1,\"total_tokens\":2}}\n\n";
    for act in [Act::CutAfter(event), Act::EndEarly(event)] {
        let (house, _worker) = house(act).await;
        house.client.chat(&hello_stream()).await;
        stored(&house, "unfit").await;
        assert_eq!(house.memory.len(), 0);
    }
}

#[tokio::test]
async fn an_answer_cut_by_its_limit_is_noted_for_the_night_and_not_stored() {
    for body in [hello(), hello_stream()] {
        let (house, _worker) = house(Act::Limit("as far as it")).await;
        assert_eq!(house.client.chat(&body).await.content(), "as far as it");
        stored(&house, "limited").await;
        assert_eq!((house.memory.len(), house.memory.cuts.lock().unwrap().len()), (0, 1));
        assert_eq!(house.memory.cuts.lock().unwrap()[0].usage.total_tokens, 11);
    }
}

#[tokio::test]
async fn no_store_is_neither_looked_up_nor_stored() {
    let (house, worker) = house(Act::Say(TEXT)).await;
    let client = Client::new(house.address).with("cache-control", "no-store");
    for _ in 0..2 {
        assert_eq!(client.chat(&hello()).await.header("x-cherokee-memory"), "bypass");
    }
    assert_eq!((worker.seen().len(), *house.memory.asked.lock().unwrap(), house.memory.len()), (2, 0, 0));
}

#[tokio::test]
async fn tools_and_a_disabled_memory_bypass_it() {
    let (house, _worker) = house(Act::Say(TEXT)).await;
    let mut tools = hello();
    tools["tools"] = json!([{"type": "function", "function": {"name": "f"}}]);
    assert_eq!(house.client.chat(&tools).await.header("x-cherokee-memory"), "bypass");
    let mut layout = crate::house::layer_layout();
    layout.memory = None;
    house.layout.send_replace(Some(Arc::new(layout)));
    assert_eq!(house.client.chat(&hello()).await.header("x-cherokee-memory"), "bypass");
    assert_eq!(*house.memory.asked.lock().unwrap(), 0);
}

#[tokio::test]
async fn a_memory_that_is_down_is_said_and_harms_no_query() {
    let (house, _worker) = house(Act::Say(TEXT)).await;
    house.memory.down.store(true, Ordering::Relaxed);
    for body in [hello(), hello_stream()] {
        let answer = house.client.chat(&body).await;
        assert_eq!((answer.status, answer.content().as_str()), (StatusCode::OK, TEXT));
        assert_eq!(answer.header("x-cherokee-memory"), "down");
        assert!(!answer.text.contains("\"usage\":null"));
    }
    house.memory.down.store(false, Ordering::Relaxed);
    assert_eq!(house.client.chat(&hello()).await.header("x-cherokee-memory"), "miss");
}

#[tokio::test]
async fn a_look_up_that_is_late_goes_on_beside_the_worker_and_wins_if_it_is_first() {
    let worker = Worker::start(&[Act::Say(TEXT), Act::Wait("too late")]).await;
    let house = Plan::new(&[("conscious", &worker.address)]).start().await;
    house.client.chat(&hello()).await;
    stored(&house, "stored").await;
    house.memory.held.store(true, Ordering::Relaxed);
    let (question, release) = (hello(), async {
        eventually("the worker is asked as well", || worker.seen().len() == 2).await;
        house.memory.held.store(false, Ordering::Relaxed);
    });
    let (answer, ()) = tokio::join!(house.client.chat(&question), release);
    assert_eq!(answer.way(), ["memory", "conscious", "remembered", "hit"]);
    assert_eq!(answer.content(), TEXT);
}

#[tokio::test]
async fn a_worker_that_is_faster_than_a_late_look_up_answers_and_is_remembered() {
    for body in [hello(), hello_stream()] {
        let (house, _worker) = house(Act::Say(TEXT)).await;
        house.memory.held.store(true, Ordering::Relaxed);
        let answer = house.client.chat(&body).await;
        assert_eq!((answer.content().as_str(), answer.header("x-cherokee-memory")), (TEXT, "late"));
        assert!(!answer.text.contains("\"usage\":null"));
        house.memory.held.store(false, Ordering::Relaxed);
        stored(&house, "stored").await;
        assert_eq!(house.client.chat(&hello()).await.header("x-cherokee-memory"), "hit");
    }
}

#[tokio::test]
async fn a_late_look_up_answers_even_when_everybody_sleeps() {
    let (house, _worker) = house(Act::Say(TEXT)).await;
    learnt_and_asleep(&house).await;
    house.memory.held.store(true, Ordering::Relaxed);
    let (question, release) = (hello(), async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        house.memory.held.store(false, Ordering::Relaxed);
    });
    let (answer, ()) = tokio::join!(house.client.chat(&question), release);
    assert_eq!(answer.way(), ["memory", "conscious", "remembered", "hit"]);
}

#[tokio::test]
async fn no_tenant_sees_the_entries_of_another() {
    let folder = tempfile::tempdir().unwrap();
    for tenant in ["traders", "council"] {
        std::fs::write(folder.path().join(tenant), format!("sk-{tenant}")).unwrap();
    }
    let worker = Worker::start(&[Act::Say(TEXT)]).await;
    let mut plan = Plan::new(&[("conscious", &worker.address)]);
    plan.door = Door::Keys(watch::channel(Arc::new(Keys::read(folder.path()).unwrap())).1);
    let house = plan.start().await;
    let client = |tenant| Client::new(house.address).with("authorization", &format!("Bearer sk-{tenant}"));
    for (tenant, memory, entries) in
        [("traders", "miss", 1), ("council", "miss", 2), ("traders", "hit", 2), ("council", "hit", 2)]
    {
        assert_eq!(client(tenant).chat(&hello()).await.header("x-cherokee-memory"), memory, "{tenant}");
        eventually("what was answered is stored", || house.memory.len() == entries).await;
    }
}

#[tokio::test]
async fn what_is_remembered_is_answered_even_when_everybody_sleeps() {
    let (house, _worker) = house(Act::Say(TEXT)).await;
    learnt_and_asleep(&house).await;
    assert_eq!(house.client.chat(&hello()).await.way(), ["memory", "conscious", "remembered", "hit"]);
}

#[tokio::test]
async fn a_backup_with_another_model_does_not_speak_in_the_name_of_the_first() {
    let (conscious, backup) = (Worker::start(&[Act::Say("large")]).await, Worker::start(&[Act::Say("small")]).await);
    let house = Plan::new(&[("backup", &backup.address)])
        .change(|layout| {
            layout.roles.get_mut("backup").unwrap().model = "tiny".into();
            layout.models.insert("tiny".into(), Model { revision: "r9".into(), context_tokens: 512 });
        })
        .start()
        .await;
    assert_eq!(house.client.chat(&hello()).await.content(), "small");
    stored(&house, "stored").await;
    house.set_workers(&[("conscious", &conscious.address), ("backup", &backup.address)]);
    let answer = house.client.chat(&hello()).await;
    assert_eq!((answer.content().as_str(), answer.header("x-cherokee-memory")), ("large", "miss"));
    let mut body = hello();
    body["model"] = json!("tiny");
    let answer = house.client.chat(&body).await;
    assert_eq!((answer.content().as_str(), answer.header("x-cherokee-memory")), ("small", "hit"));
}
