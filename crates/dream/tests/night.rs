//! Whole nights: a real redis-server, a fake worker.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test ends where what it needs is not there")]

#[path = "../../memory/tests/server/support.rs"]
mod support;
mod worker;

use cherokee_dream::{Args, run};
use cherokee_memory::{
    Answer, Asked, Cut, Endpoint, Entry, Fingerprint, Key, Provenance, Store, Verdict, key::judge, night::Night,
};
use cherokee_wire::{
    layout::{Layer, Layout, Memory, Model, Role, RoleState, Slot},
    openai::{FinishReason, Usage},
};
use chrono::{TimeDelta, Utc};
use serde_json::{Value, json};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};
use support::{Redis, eventually};
use tempfile::TempDir;
use tokio::{sync::oneshot, task::JoinHandle};
use worker::Worker;

const DAY: Duration = Duration::from_hours(24);

/// A cluster `forest/owl` whose role `dream` is awake or not.
struct House {
    redis: Redis,
    store: Store,
    worker: Worker,
    folder: TempDir,
}

impl House {
    async fn new() -> Self {
        rustls::crypto::ring::default_provider().install_default().ok();
        let redis = Redis::start(&[]).await;
        let store = redis.store().await;
        let house = Self { redis, store, worker: Worker::start().await, folder: tempfile::tempdir().unwrap() };
        // An opening without an end is another night after midnight.
        house.layout(RoleState::Awake, Some((Utc::now() + DAY).to_rfc3339()));
        house
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("layout.json")
    }

    fn layout(&self, state: RoleState, until: Option<String>) {
        let role = Role {
            layer: Layer::Subconscious,
            model: "resonance".into(),
            state,
            until,
            slots: vec!["slot-1".into()],
            default_route: false,
            model_names: vec![],
            backs: vec![],
            overflow: false,
        };
        let slot = Slot {
            node: "n".into(),
            device: "GPU-1".into(),
            models: vec!["resonance".into()],
            on: true,
            superseded: false,
        };
        let layout = Layout {
            models: [("resonance".into(), Model { revision: "r1".into(), context_tokens: 512 })].into(),
            roles: [("dream".into(), role)].into(),
            slots: [("slot-1".into(), slot)].into(),
            memory: Some(Memory { budget_bytes: 1 << 30, time_to_live_seconds: 86_400, half_life_seconds: 86_400 }),
            ..Layout::default()
        };
        let fresh = self.folder.path().join("fresh");
        std::fs::write(&fresh, serde_json::to_string(&layout).unwrap()).unwrap();
        std::fs::rename(fresh, self.file()).unwrap();
    }

    fn dreamer(&self) -> Dreamer {
        self.dreamer_with(60)
    }

    fn dreamer_with(&self, item_timeout_seconds: u64) -> Dreamer {
        Dreamer::start(&self.redis.url(), &self.worker.url, &self.file(), item_timeout_seconds)
    }

    async fn remember(&self, question: &str, answer: &str) -> Fingerprint {
        self.remember_asked(question, answer, json!({"temperature": 0.5})).await
    }

    async fn remember_asked(&self, question: &str, answer: &str, sampling: Value) -> Fingerprint {
        let key = key_of(question, &sampling);
        let entry = Entry::by_day(&key, "day", None, whole(answer), Utc::now());
        self.store.put(&key.fingerprint, &entry, DAY, Utc::now()).await.unwrap();
        key.fingerprint
    }

    async fn cut(&self, question: &str) -> Fingerprint {
        let key = key(question);
        let usage = Usage { prompt_tokens: 10, completion_tokens: 8, total_tokens: 18 };
        self.store.note_cut(&Cut::new(&key, usage), Utc::now()).await.unwrap();
        key.fingerprint
    }

    async fn night(&self) -> Option<Night> {
        self.store.last_night("dream").await.unwrap()
    }

    async fn finished(&self) -> Night {
        eventually(|| async { self.night().await.is_some_and(|night| night.finished.is_some()) }).await;
        self.night().await.unwrap()
    }
}

struct Dreamer {
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), cherokee_dream::Error>>,
}

impl Dreamer {
    fn start(redis: &str, worker: &str, layout: &Path, item_timeout_seconds: u64) -> Self {
        let args = Args {
            namespace: "forest".into(),
            cluster: "owl".into(),
            layout_file: layout.to_owned(),
            slot: "slot-1".into(),
            worker_url: worker.to_owned(),
            redis_url: redis.to_owned(),
            redis_password_file: None,
            listen: ([127, 0, 0, 1], 0).into(),
            max_items: 100,
            budget_factor: 4,
            item_timeout_seconds,
        };
        let (stop, stopped) = oneshot::channel();
        Self { stop, task: tokio::spawn(run(args, async move { drop(stopped.await) })) }
    }

    async fn stop(self) {
        self.stop.send(()).unwrap();
        tokio::time::timeout(Duration::from_secs(20), self.task).await.expect("it stops at once").unwrap().unwrap();
    }

    /// As the kernel would: without a last word.
    async fn kill(self) {
        self.task.abort();
        assert!(self.task.await.is_err());
    }
}

fn key(question: &str) -> Key {
    key_of(question, &json!({"temperature": 0.5}))
}

fn key_of(question: &str, sampling: &Value) -> Key {
    let asked = Asked { tenant: "acme", model: "resonance", revision: "r1", endpoint: Endpoint::Chat };
    let mut body = json!({"messages": [{"role": "user", "content": question}], "max_tokens": 8});
    body.as_object_mut().unwrap().extend(sampling.as_object().unwrap().clone());
    match judge(&asked, &body) {
        Verdict::Remember(key) => *key,
        Verdict::Bypass(reason) => panic!("{reason}"),
    }
}

fn whole(text: &str) -> Answer {
    let usage = Usage { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 };
    Answer { content: text.to_owned(), finish_reason: FinishReason::Stop, usage, extra: serde_json::Map::new() }
}

#[tokio::test]
async fn a_query_cut_by_day_is_answered_in_full_at_night_and_remembered_from_then_on() {
    let house = House::new().await;
    let cut = house.cut("tell me all").await;
    let dreamer = house.dreamer();
    let night = house.finished().await;
    assert_eq!((night.planned, night.done, night.improved), (1, 1, 1));

    let entry = house.store.recall(&cut, Utc::now()).await.unwrap().unwrap();
    assert_eq!(entry.answer.content, "dreamt: tell me all");
    assert_eq!(entry.provenance, Provenance::Dream { night: night.id, kind: "complete".into(), parent: 0 });
    assert_eq!(
        (entry.provenance_word().as_str(), entry.role.as_str(), entry.device.as_deref()),
        ("dream/1", "dream", Some("GPU-1"))
    );
    assert_eq!(house.store.cuts().await.unwrap(), []);
    let asked = house.worker.asked();
    assert_eq!(
        (asked[0].max_tokens, asked[0].model.as_str(), asked[0].priority.as_str()),
        (32, "resonance", "background")
    );
    dreamer.stop().await;
}

#[tokio::test]
async fn hot_entries_are_answered_again_and_replaced_only_by_another_whole_answer() {
    let house = House::new().await;
    let better = house.remember("what is new?", "nothing").await;
    let same = house.remember("what stays?", "dreamt: what stays?").await;
    let long = house.remember("too long?", "short").await;
    let empty = house.remember("empty?", "full").await;
    let dreamer = house.dreamer();
    let night = house.finished().await;
    assert_eq!((night.done, night.improved), (4, 1));
    let skipped: Vec<_> = night.skipped.iter().map(|(reason, count)| (reason.as_str(), *count)).collect();
    assert_eq!(skipped, [("empty", 1), ("same", 1), ("still-cut", 1)]);
    let entry = house.store.get(&better).await.unwrap().unwrap();
    assert_eq!((entry.version, entry.answer.content.as_str()), (2, "dreamt: what is new?"));
    for kept in [same, long, empty] {
        assert_eq!(house.store.get(&kept).await.unwrap().unwrap().version, 1);
    }
    dreamer.stop().await;
}

#[tokio::test]
async fn what_can_only_be_answered_the_same_is_not_asked_again() {
    let house = House::new().await;
    house.remember_asked("greedy", "day", json!({"temperature": 0})).await;
    house.remember_asked("seeded", "day", json!({"temperature": 0.5, "seed": -7})).await;
    house.remember_asked("by chance", "day", json!({})).await;
    let dreamer = house.dreamer();
    let night = house.finished().await;
    let skipped: Vec<_> = night.skipped.iter().map(|(reason, count)| (reason.as_str(), *count)).collect();
    assert_eq!((night.improved, skipped), (1, vec![("same", 2)]));
    let asked: Vec<_> = house.worker.asked().into_iter().map(|query| query.question).collect();
    assert_eq!(asked, ["by chance"]);
    dreamer.stop().await;
}

#[tokio::test]
async fn a_killed_night_goes_on_where_it_was_without_asking_anything_twice() {
    let house = House::new().await;
    for number in 0..6 {
        house.remember(&format!("question {number}"), "day").await;
    }
    house.worker.answer_only(3);
    // Short, because the claim of the dead one lasts a little longer than that.
    let first = house.dreamer_with(3);
    eventually(|| async { house.night().await.is_some_and(|night| night.done == 3) }).await;
    let interrupted = house.night().await.unwrap();
    first.kill().await;
    eventually(|| async { house.worker.waiting() == 0 }).await;
    house.worker.answer_only(usize::MAX);
    let second = house.dreamer();
    let night = house.finished().await;
    assert_eq!((night.planned, night.done, night.improved), (6, 6, 6));
    assert_eq!(house.worker.answered_more_than_once(), Vec::<String>::new());
    assert_eq!(night.id, interrupted.id, "the same night");
    second.stop().await;
}

#[tokio::test]
async fn two_runners_share_a_night_and_do_nothing_twice() {
    let house = House::new().await;
    for number in 0..20 {
        house.remember(&format!("question {number}"), "day").await;
    }
    let (one, two) = (house.dreamer(), house.dreamer());
    let night = house.finished().await;
    assert_eq!((night.planned, night.done, night.improved), (20, 20, 20));
    assert_eq!(house.worker.asked().len(), 20);
    one.stop().await;
    two.stop().await;
}

#[tokio::test]
async fn when_the_window_closes_the_item_in_work_is_given_back_at_once() {
    let house = House::new().await;
    house.remember("question", "day").await;
    house.worker.answer_only(0);
    let later = |minutes| Some((Utc::now() + TimeDelta::minutes(minutes)).to_rfc3339());
    house.layout(RoleState::Awake, later(60));
    let dreamer = house.dreamer();
    eventually(|| async { house.worker.waiting() == 1 }).await;
    house.layout(RoleState::Draining, None);
    eventually(|| async { house.worker.waiting() == 0 }).await;
    let interrupted = house.night().await.unwrap();
    assert_eq!(interrupted.done, 0);

    house.worker.answer_only(usize::MAX);
    house.layout(RoleState::Awake, later(120));
    let night = house.finished().await;
    assert_eq!((night.improved, night.id), (1, interrupted.id));
    dreamer.stop().await;
}

#[tokio::test]
async fn a_window_ends_by_the_clock_even_if_the_layout_is_late() {
    let house = House::new().await;
    house.remember("question", "day").await;
    house.worker.answer_only(0);
    house.layout(RoleState::Awake, Some((Utc::now() + TimeDelta::seconds(25)).to_rfc3339()));
    let dreamer = house.dreamer();
    eventually(|| async { house.worker.asked().len() == 1 }).await;
    eventually(|| async { house.worker.waiting() == 0 }).await;
    assert_eq!(house.night().await.unwrap().done, 0);
    dreamer.stop().await;
}

#[tokio::test]
async fn told_to_stop_it_gives_the_item_back_so_that_the_next_one_takes_it_without_waiting() {
    let house = House::new().await;
    house.remember("question", "day").await;
    house.worker.answer_only(0);
    let first = house.dreamer();
    eventually(|| async { house.worker.waiting() == 1 }).await;
    first.stop().await;
    eventually(|| async { house.worker.waiting() == 0 }).await;
    house.worker.answer_only(usize::MAX);
    let second = house.dreamer();
    assert_eq!(house.finished().await.improved, 1);
    second.stop().await;
}

#[tokio::test]
async fn a_busy_worker_is_asked_again_and_one_that_refuses_or_keeps_failing_is_not() {
    let house = House::new().await;
    house.remember("busy once", "day").await;
    house.remember("refuse", "day").await;
    house.remember("fail", "day").await;
    let dreamer = house.dreamer();
    let night = house.finished().await;
    let skipped: Vec<_> = night.skipped.iter().map(|(reason, count)| (reason.as_str(), *count)).collect();
    assert_eq!((night.improved, skipped), (1, vec![("failed", 1), ("refused", 1)]));
    dreamer.stop().await;
}

#[tokio::test]
async fn a_night_that_is_done_idles_until_the_next_opening() {
    let house = House::new().await;
    let until = |minutes| Some((Utc::now() + TimeDelta::minutes(minutes)).to_rfc3339());
    house.layout(RoleState::Awake, until(30));
    house.cut("first").await;
    let dreamer = house.dreamer();
    let first = house.finished().await;
    house.cut("second").await;
    house.layout(RoleState::Asleep, None);
    house.layout(RoleState::Awake, until(90));
    eventually(|| async { house.night().await.is_some_and(|night| night.id != first.id && night.finished.is_some()) })
        .await;
    assert_eq!(house.night().await.unwrap().planned, 1, "what the first night made is not made again");
    assert_eq!(house.store.cuts().await.unwrap(), []);
    dreamer.stop().await;
}

#[tokio::test]
async fn a_redis_that_restarts_in_the_night_only_interrupts_it() {
    let house = House::new().await;
    house.cut("before").await;
    let dreamer = house.dreamer();
    house.finished().await;
    let House { redis, store, worker, folder } = house;
    let port = redis.kill();
    eventually(|| async { store.stats().await.is_err() }).await;
    let redis = Redis::start_at(port, &[]).await;
    eventually(|| async { store.stats().await.is_ok() }).await;
    let house = House { redis, store, worker, folder };
    let after = house.cut("after").await;
    // The empty Redis knows no night: a new one may have begun before the query was noted.
    house.layout(RoleState::Awake, Some((Utc::now() + TimeDelta::hours(1)).to_rfc3339()));
    eventually(|| async { house.store.get(&after).await.is_ok_and(|entry| entry.is_some()) }).await;
    dreamer.stop().await;
}
