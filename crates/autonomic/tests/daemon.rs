//! The daemon on a real redis-server.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test ends where what it needs is not there")]

#[path = "../../memory/tests/server/support.rs"]
mod support;

use cherokee_autonomic::{Args, run};
use cherokee_memory::{Answer, Asked, Endpoint, Entry, Fingerprint, Store, Verdict, key::judge};
use cherokee_wire::{
    layout::{Layout, Memory},
    openai::{FinishReason, Usage},
};
use chrono::Utc;
use serde_json::json;
use std::{path::Path, time::Duration};
use support::{Port, Redis, eventually};
use tokio::{sync::oneshot, task::JoinHandle};

struct Daemon {
    url: String,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), cherokee_autonomic::Error>>,
    _port: Port,
}

impl Daemon {
    fn start(redis: &str, layout: &Path) -> Self {
        let port = Port::new();
        let args = Args {
            namespace: "forest".into(),
            cluster: "owl".into(),
            layout_file: layout.to_owned(),
            redis_url: Some(redis.to_owned()),
            redis_password_file: None,
            listen: ([127, 0, 0, 1], port.number()).into(),
            tick_seconds: 1,
            no_kubernetes: true,
        };
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(run(args, async move { drop(stopped.await) }));
        Self { url: format!("http://127.0.0.1:{}", port.number()), stop, task, _port: port }
    }

    async fn metric(&self, name: &str) -> Option<f64> {
        let page = reqwest::get(format!("{}/metrics", self.url)).await.ok()?.text().await.ok()?;
        page.lines().find_map(|line| line.strip_prefix(&format!("{name} "))?.parse().ok())
    }

    async fn ready(&self) -> bool {
        reqwest::get(format!("{}/readyz", self.url)).await.is_ok_and(|answer| answer.status() == 200)
    }
}

fn write_layout(folder: &Path, budget_bytes: u64) {
    let memory = Memory { budget_bytes, time_to_live_seconds: 3_600, half_life_seconds: 3_600 };
    let layout = Layout { memory: Some(memory), ..Layout::default() };
    std::fs::write(folder.join("layout.json"), serde_json::to_string(&layout).unwrap()).unwrap();
}

/// An entry whose answer has so many bytes.
fn entry(question: &str, bytes: usize) -> (Fingerprint, Entry) {
    let asked = Asked { tenant: "t", model: "owl", revision: "r", endpoint: Endpoint::Chat };
    let Verdict::Remember(key) = judge(&asked, &json!({"messages": [{"role": "user", "content": question}]})) else {
        panic!("bypassed");
    };
    let (finish_reason, usage) = (FinishReason::Stop, Usage::default());
    let answer = Answer { content: "x".repeat(bytes), finish_reason, usage, extra: serde_json::Map::new() };
    (key.fingerprint, Entry::by_day(&key, "day", None, answer, Utc::now()))
}

async fn put(store: &Store, question: &str, time_to_live: u64) -> Fingerprint {
    let (fingerprint, entry) = entry(question, 1_000);
    store.put(&fingerprint, &entry, Duration::from_secs(time_to_live), Utc::now()).await.unwrap();
    fingerprint
}

/// Puts `count` entries of about 800 bytes, or as many as Redis takes; returns how many that were.
async fn fill(store: &Store, from: usize, count: usize) -> usize {
    for number in 0..count {
        let (fingerprint, entry) = entry(&format!("question {}", from + number), 470);
        if store.put(&fingerprint, &entry, Duration::from_hours(1), Utc::now()).await.is_err() {
            return number;
        }
    }
    count
}

#[tokio::test]
async fn it_evicts_the_coldest_until_the_budget_holds_and_cleans_up_what_expired() {
    tls();
    let (redis, folder) = (Redis::start(&[]).await, tempfile::tempdir().unwrap());
    let store = redis.store().await;
    let mut all = Vec::new();
    for number in 0..40 {
        all.push(put(&store, &format!("question {number}"), 3_600).await);
    }
    for hot in &all[..10] {
        store.recall(hot, Utc::now()).await.unwrap();
    }
    let gone = put(&store, "short-lived", 1).await;
    eventually(|| async { store.get(&gone).await.unwrap().is_none() }).await;
    let each = store.coldest(1).await.unwrap()[0].bytes;
    write_layout(folder.path(), each * 12);

    let daemon = Daemon::start(&redis.url(), &folder.path().join("layout.json"));
    eventually(|| async { store.stats().await.unwrap().entries == 12 }).await;
    let kept: Vec<_> = store.hottest(0, 99).await.unwrap().iter().map(|ranked| ranked.fingerprint).collect();
    assert!(all[..10].iter().all(|hot| kept.contains(hot)), "the hot ones stay");
    let stats = store.stats().await.unwrap();
    assert_eq!((stats.expired, stats.evicted), (1, 28));
    assert!(stats.bytes <= each * 12);
    eventually(|| async { daemon.metric("cherokee_autonomic_memory_entries").await == Some(12.0) }).await;
    eventually(|| daemon.ready()).await;
    assert!(daemon.metric("cherokee_autonomic_memory_hit_ratio").await.unwrap() > 0.99);
    assert!(daemon.metric("cherokee_autonomic_memory_hottest_temperature").await.unwrap() > 1.5);

    daemon.stop.send(()).unwrap();
    daemon.task.await.unwrap().unwrap();
}

#[tokio::test]
async fn beyond_the_budget_it_makes_room_before_redis_refuses() {
    const BUDGET: u64 = 8 << 20;
    const LIMIT: u64 = BUDGET / 4 * 5;
    tls();
    let redis = Redis::start(&["--maxmemory", &LIMIT.to_string()]).await;
    let folder = tempfile::tempdir().unwrap();
    let store = redis.store().await;
    write_layout(folder.path(), BUDGET);
    let daemon = Daemon::start(&redis.url(), &folder.path().join("layout.json"));
    for round in 0..26 {
        assert_eq!(fill(&store, round * 300, 300).await, 300, "round {round}");
        eventually(|| async {
            let (stats, room) = (store.stats().await.unwrap(), store.room().await.unwrap());
            stats.bytes <= BUDGET && room.used <= LIMIT / 10 * 9
        })
        .await;
    }
    assert!(store.stats().await.unwrap().evicted > 0);
    eventually(|| daemon.ready()).await;
}

#[tokio::test]
async fn a_redis_that_is_full_long_before_the_budget_takes_entries_again() {
    tls();
    let (redis, folder) = (Redis::start(&["--maxmemory", "4mb"]).await, tempfile::tempdir().unwrap());
    let store = redis.store().await;
    assert!(fill(&store, 0, 10_000).await < 10_000, "it is full");
    write_layout(folder.path(), 1 << 30);
    let daemon = Daemon::start(&redis.url(), &folder.path().join("layout.json"));
    // Ready only after a whole tick, and that sets a half-life, which a full Redis refuses.
    eventually(|| daemon.ready()).await;
    assert_eq!(fill(&store, 10_000, 50).await, 50);
}

#[tokio::test]
async fn it_is_not_ready_while_redis_is_away_and_goes_on_when_it_is_back() {
    tls();
    let (redis, folder) = (Redis::start(&[]).await, tempfile::tempdir().unwrap());
    write_layout(folder.path(), 1);
    let daemon = Daemon::start(&redis.url(), &folder.path().join("layout.json"));
    eventually(|| daemon.ready()).await;
    let port = redis.kill();
    eventually(|| async { !daemon.ready().await }).await;
    let redis = Redis::start_at(port, &[]).await;
    let store = redis.store().await;
    put(&store, "a", 3_600).await;
    eventually(|| async { store.stats().await.unwrap().entries == 0 }).await;
    eventually(|| daemon.ready()).await;
}

#[tokio::test]
async fn a_broken_layout_stops_nothing() {
    tls();
    let (redis, folder) = (Redis::start(&[]).await, tempfile::tempdir().unwrap());
    let file = folder.path().join("layout.json");
    std::fs::write(&file, "{").unwrap();
    let daemon = Daemon::start(&redis.url(), &file);
    eventually(|| async { daemon.metric("cherokee_autonomic_failed_ticks_total").await > Some(0.0) }).await;
    write_layout(folder.path(), 1_000_000);
    eventually(|| daemon.ready()).await;
}

/// Reqwest wants a TLS provider even for plain HTTP.
fn tls() {
    rustls::crypto::ring::default_provider().install_default().ok();
}
