//! The store on a real redis-server.

use crate::support::{Redis, eventually};
use cherokee_memory::{
    Answer, Asked, Cut, Endpoint, Entry, Error, Fingerprint, Heat, Key, Options, Provenance, Put, Removal, Room, Store,
    Verdict, cut, heat::DEFAULT_HALF_LIFE, key::judge,
};
use cherokee_wire::openai::{FinishReason, Usage};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use std::time::{Duration, Instant};

const WEEK: Duration = Duration::from_hours(7 * 24);
/// Removes an entry however hot it is.
const ANYHOW: Removal = Removal::Evicted(Heat(1e9));

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_000_000, 0).unwrap()
}

fn key(question: &str) -> Key {
    let asked = Asked { tenant: "acme", model: "owl", revision: "r1", endpoint: Endpoint::Chat };
    match judge(&asked, &json!({"messages": [{"role": "user", "content": question}], "max_tokens": 8})) {
        Verdict::Remember(key) => *key,
        Verdict::Bypass(reason) => panic!("{reason}"),
    }
}

fn answer(text: &str) -> Answer {
    let usage = Usage { prompt_tokens: 3, completion_tokens: 4, total_tokens: 7 };
    Answer { content: text.to_owned(), finish_reason: FinishReason::Stop, usage, extra: serde_json::Map::new() }
}

fn entry(question: &str, text: &str) -> (Fingerprint, Entry) {
    let key = key(question);
    (key.fingerprint, Entry::by_day(&key, "day", Some("GPU-1"), answer(text), now()))
}

fn dreamt(entry: &Entry, text: &str, parent: u32) -> Entry {
    let provenance = Provenance::Dream { night: "n".to_owned(), kind: "reanswer".to_owned(), parent };
    Entry { version: parent + 1, provenance, answer: answer(text), ..entry.clone() }
}

async fn remember(store: &Store, question: &str, at: DateTime<Utc>) -> Fingerprint {
    let (fingerprint, entry) = entry(question, "an answer");
    assert_eq!(store.put(&fingerprint, &entry, WEEK, at).await.unwrap(), Put::Stored);
    fingerprint
}

/// The version before the present one, which no program reads yet.
async fn old(redis: &Redis, fingerprint: &Fingerprint) -> Option<Entry> {
    let client = redis::Client::open(redis.url()).unwrap();
    let mut line = client.get_multiplexed_async_connection().await.unwrap();
    let get = redis::Cmd::hget(format!("cherokee:{{forest/owl}}:old:{fingerprint}"), "body");
    let body: Option<String> = get.query_async(&mut line).await.unwrap();
    body.as_deref().and_then(Entry::decode)
}

async fn order(store: &Store) -> Vec<Fingerprint> {
    store.hottest(0, 100).await.unwrap().iter().map(|ranked| ranked.fingerprint).collect()
}

#[tokio::test]
async fn what_is_stored_is_recalled_as_it_was_and_counted() {
    let redis = Redis::start(&[]).await;
    let store = redis.store().await;
    let (fingerprint, entry) = entry("who?", "an owl");
    assert_eq!(store.recall(&fingerprint, now()).await.unwrap(), None);
    assert_eq!(store.put(&fingerprint, &entry, WEEK, now()).await.unwrap(), Put::Stored);
    assert_eq!(store.recall(&fingerprint, now()).await.unwrap(), Some(entry.clone()));
    assert_eq!(entry.provenance_word(), "day/1");
    let stats = store.stats().await.unwrap();
    assert_eq!((stats.entries, stats.hits, stats.misses, stats.puts), (1, 1, 1, 1));
    assert!(stats.bytes > entry.encode().unwrap().len() as u64);
    assert!(store.remove(&fingerprint, ANYHOW).await.unwrap());
    assert!(!store.remove(&fingerprint, ANYHOW).await.unwrap());
    assert_eq!(store.stats().await.unwrap().bytes, 0);
}

#[tokio::test]
async fn a_newer_version_is_never_replaced_by_an_older_one() {
    let redis = Redis::start(&[]).await;
    let store = redis.store().await;
    let (fingerprint, first) = entry("who?", "an owl");
    let second = dreamt(&first, "a great horned owl", 1);
    assert_eq!(store.put(&fingerprint, &second, WEEK, now()).await.unwrap(), Put::Kept(0), "nothing there to replace");
    store.put(&fingerprint, &first, WEEK, now()).await.unwrap();
    let alone = store.stats().await.unwrap().bytes;
    assert_eq!(store.put(&fingerprint, &second, WEEK, now()).await.unwrap(), Put::Stored);
    assert_eq!(store.put(&fingerprint, &first, WEEK, now()).await.unwrap(), Put::Kept(2));
    assert_eq!(store.put(&fingerprint, &dreamt(&first, "x", 1), WEEK, now()).await.unwrap(), Put::Kept(2));
    assert_eq!(store.get(&fingerprint).await.unwrap(), Some(second.clone()));
    assert_eq!(old(&redis, &fingerprint).await, Some(first));
    assert_eq!(second.provenance_word(), "dream/2");
    assert!(store.stats().await.unwrap().bytes > alone, "the old version takes bytes too");
    store.put(&fingerprint, &dreamt(&second, "y", 2), WEEK, now()).await.unwrap();
    assert_eq!(old(&redis, &fingerprint).await, Some(second));
    store.remove(&fingerprint, ANYHOW).await.unwrap();
    assert_eq!(store.stats().await.unwrap().bytes, 0);
    assert_eq!(old(&redis, &fingerprint).await, None);
}

#[tokio::test]
async fn an_entry_of_a_later_format_is_a_miss_and_stays() {
    let redis = Redis::start(&[]).await;
    let store = redis.store().await;
    let (fingerprint, mut entry) = entry("who?", "an owl");
    entry.schema += 1;
    entry.version = 7;
    store.put(&fingerprint, &entry, WEEK, now()).await.unwrap();
    assert_eq!(store.recall(&fingerprint, now()).await.unwrap(), None);
    assert_eq!(store.stats().await.unwrap().misses, 1);
    entry.version = 1;
    assert_eq!(store.put(&fingerprint, &entry, WEEK, now()).await.unwrap(), Put::Kept(7));
}

#[tokio::test]
async fn redis_and_rust_agree_on_heat() {
    let redis = Redis::start(&[]).await;
    let store = redis.store().await;
    let fingerprint = remember(&store, "who?", now()).await;
    let mut heat = Heat::first(now(), DEFAULT_HALF_LIFE);
    for minutes in [1, 500, 9_000, 2, 0] {
        let then = now() + TimeDelta::minutes(minutes);
        store.recall(&fingerprint, then).await.unwrap();
        heat = heat.used(then, DEFAULT_HALF_LIFE);
    }
    let there = store.hottest(0, 1).await.unwrap()[0].heat;
    assert!((there.0 - heat.0).abs() < 1e-9, "{there:?} {heat:?}");

    let (later, half) = (now() + TimeDelta::days(8), Duration::from_hours(1));
    store.set_half_life(half, later).await.unwrap();
    store.set_half_life(half, later).await.unwrap();
    let there = store.hottest(0, 1).await.unwrap()[0].heat;
    let (moved, before) = (there.temperature_at(later, half), heat.temperature_at(later, DEFAULT_HALF_LIFE));
    assert!((moved - before).abs() < 1e-6, "{moved} {before}");
}

#[tokio::test]
async fn what_is_used_is_hotter_than_what_is_not() {
    let redis = Redis::start(&[]).await;
    let store = redis.store().await;
    let (a, b, c) =
        (remember(&store, "a", now()).await, remember(&store, "b", now()).await, remember(&store, "c", now()).await);
    store.recall(&b, now()).await.unwrap();
    store.recall(&b, now()).await.unwrap();
    store.recall(&c, now()).await.unwrap();
    assert_eq!(order(&store).await, [b, c, a]);
    let coldest: Vec<_> = store.coldest(2).await.unwrap().iter().map(|ranked| ranked.fingerprint).collect();
    assert_eq!(coldest, [a, c]);
    assert_eq!(store.hottest(1, 1).await.unwrap()[0].fingerprint, c);
    assert_eq!(store.hottest(0, 0).await.unwrap(), []);
}

#[tokio::test]
async fn an_entry_that_got_hotter_meanwhile_is_not_evicted() {
    let redis = Redis::start(&[]).await;
    let store = redis.store().await;
    let fingerprint = remember(&store, "a", now()).await;
    let seen = store.coldest(1).await.unwrap()[0].heat;
    store.recall(&fingerprint, now()).await.unwrap();
    assert!(!store.remove(&fingerprint, Removal::Evicted(seen)).await.unwrap());
    let seen = store.coldest(1).await.unwrap()[0].heat;
    assert!(store.remove(&fingerprint, Removal::Evicted(seen)).await.unwrap());
    assert_eq!(store.stats().await.unwrap().evicted, 1);
}

#[tokio::test]
async fn an_evicted_query_that_comes_again_has_its_heat_back() {
    let redis = Redis::start(&[]).await;
    let store = redis.store().await;
    let a = remember(&store, "a", now()).await;
    let b = remember(&store, "b", now()).await;
    let seen = store.coldest(2).await.unwrap().into_iter().find(|ranked| ranked.fingerprint == a).unwrap().heat;
    assert!(store.remove(&a, Removal::Evicted(seen)).await.unwrap());
    remember(&store, "a", now()).await;
    assert_eq!(order(&store).await, [a, b]);
}

#[tokio::test]
async fn no_more_ghosts_than_entries_outlast_a_trim() {
    let redis = Redis::start(&[]).await;
    let store = redis.store().await;
    for number in 0..5 {
        remember(&store, &format!("question {number}"), now()).await;
    }
    for ranked in store.coldest(3).await.unwrap() {
        assert!(store.remove(&ranked.fingerprint, Removal::Evicted(ranked.heat)).await.unwrap());
    }
    assert_eq!(store.trim_ghosts().await.unwrap(), 1, "three ghosts, two entries");
    assert_eq!(store.trim_ghosts().await.unwrap(), 0);
}

#[tokio::test]
async fn a_limit_counts_only_where_redis_refuses_what_is_beyond_it() {
    for (policy, limit) in [("noeviction", 64 << 20), ("allkeys-lru", 0)] {
        let redis = Redis::start(&["--maxmemory", "64mb", "--maxmemory-policy", policy]).await;
        let Room { used, limit: told } = redis.store().await.room().await.unwrap();
        assert_eq!(told, limit, "{policy}");
        assert!(used > 0);
    }
}

#[tokio::test]
async fn expired_entries_are_missed_listed_and_cleaned_up() {
    let redis = Redis::start(&[]).await;
    let store = redis.store().await;
    let (a, short) = entry("a", "x");
    store.put(&a, &short, Duration::from_secs(1), now()).await.unwrap();
    let b = remember(&store, "b", now()).await;
    let later = now() + TimeDelta::seconds(1);
    assert_eq!(store.expired(10, now()).await.unwrap(), []);
    assert_eq!(store.expired(10, later).await.unwrap(), [a]);
    eventually(|| async { store.get(&a).await.unwrap().is_none() }).await;
    assert!(store.remove(&a, Removal::Expired).await.unwrap());
    assert!(!store.remove(&b, Removal::Expired).await.unwrap(), "it still lives");
    let stats = store.stats().await.unwrap();
    assert_eq!((stats.entries, stats.expired), (1, 1));
}

#[tokio::test]
async fn cut_queries_are_listed_hottest_first_until_a_dream_answers_them() {
    let redis = Redis::start(&[]).await;
    let store = redis.store().await;
    let usage = Usage { prompt_tokens: 3, completion_tokens: 8, total_tokens: 11 };
    let (a, b) = (Cut::new(&key("a"), usage), Cut::new(&key("b"), usage));
    for cut in [&a, &b, &b] {
        store.note_cut(cut, now()).await.unwrap();
    }
    assert_eq!(store.cuts().await.unwrap(), [b.clone(), a.clone()]);
    let (fingerprint, by_day) = entry("b", "x");
    assert_eq!(store.put(&fingerprint, &dreamt(&by_day, "all of it", 0), WEEK, now()).await.unwrap(), Put::Stored);
    assert_eq!(store.cuts().await.unwrap(), std::slice::from_ref(&a));
    let heat = store.hottest(0, 1).await.unwrap()[0].heat;
    assert!((heat.temperature_at(now(), DEFAULT_HALF_LIFE) - 2.0).abs() < 1e-6, "as hot as it was asked for");
    store.drop_cut(&a.fingerprint).await.unwrap();
    assert_eq!(store.cuts().await.unwrap(), []);
}

#[tokio::test]
async fn the_list_of_cut_queries_is_bounded() {
    let redis = Redis::start(&[]).await;
    let store = redis.store().await;
    let hot = Cut::new(&key("hot"), Usage::default());
    store.note_cut(&hot, now()).await.unwrap();
    store.note_cut(&hot, now()).await.unwrap();
    for number in 0..cut::MAX_CUTS {
        store.note_cut(&Cut::new(&key(&format!("{number}")), Usage::default()), now()).await.unwrap();
    }
    let cuts = store.cuts().await.unwrap();
    assert_eq!((cuts.len(), &cuts[0]), (cut::MAX_CUTS, &hot));
    let large = Cut::new(&key(&"x".repeat(cut::MAX_CUT_BYTES)), Usage::default());
    store.note_cut(&large, now()).await.unwrap();
    assert_eq!(store.cut(&large.fingerprint).await.unwrap(), None);
}

#[tokio::test]
async fn clusters_do_not_see_each_other() {
    let redis = Redis::start(&[]).await;
    let store = redis.store().await;
    let fingerprint = remember(&store, "a", now()).await;
    let other = Store::new(&Options::new(&redis.url(), None, "forest", "elk").unwrap()).unwrap();
    eventually(|| async { other.stats().await.is_ok() }).await;
    assert_eq!(other.recall(&fingerprint, now()).await.unwrap(), None);
    assert_eq!(other.stats().await.unwrap().entries, 0);
}

#[tokio::test]
async fn the_password_is_needed_and_never_shown() {
    let redis = Redis::start(&["--requirepass", "tell-nobody"]).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, "tell-nobody\n").unwrap();
    let options = Options::with_password_file(&redis.url(), Some(&file), "forest", "owl").unwrap();
    let store = Store::new(&options).unwrap();
    eventually(|| async { store.stats().await.is_ok() }).await;
    assert!(!format!("{options:?} {store:?}").contains("tell-nobody"));
    let stranger = redis_store_without_password(&redis);
    let refused = stranger.stats().await.unwrap_err();
    assert!(!refused.to_string().contains("tell-nobody"), "{refused}");
    assert!(matches!(Options::new("http//:tell-nobody", None, "a", "b"), Err(Error::Address)));
}

fn redis_store_without_password(redis: &Redis) -> Store {
    Store::new(&redis.options()).unwrap()
}

#[tokio::test]
async fn a_redis_that_is_away_is_asked_five_times_and_then_rested_from() {
    let redis = Redis::start(&[]).await;
    let store = redis.store().await;
    let fingerprint = remember(&store, "a", now()).await;
    let port = redis.kill();
    for _ in 0..5 {
        assert!(store.recall(&fingerprint, now()).await.is_err());
    }
    let start = Instant::now();
    let mut resting = 0;
    for _ in 0..1_000 {
        resting += u32::from(matches!(store.recall(&fingerprint, now()).await, Err(Error::Resting(_))));
    }
    assert!(resting >= 990, "{resting} of 1000 were refused at once, {:?}", start.elapsed());
    let _redis = Redis::start_at(port, &[]).await;
    eventually(|| async { store.recall(&fingerprint, now()).await.is_ok() }).await;
}

#[tokio::test]
async fn a_redis_that_comes_late_is_found_without_a_query() {
    let first = Redis::start(&[]).await;
    let options = first.options();
    let port = first.kill();
    let _store = Store::new(&options).unwrap();
    let redis = Redis::start_at(port, &[]).await;
    let client = redis::Client::open(redis.url()).unwrap();
    let mut line = client.get_multiplexed_async_connection().await.unwrap();
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        let clients: String = redis::cmd("CLIENT").arg("LIST").query_async(&mut line).await.unwrap();
        if clients.lines().count() > 1 {
            break;
        }
        assert!(Instant::now() < deadline, "the store asked nothing of the Redis that is there now: {clients}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_redis_that_says_nothing_costs_a_look_up_no_more_than_its_second() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://{}", silent.local_addr().unwrap());
    let store = Store::new(&Options::new(&url, None, "forest", "owl").unwrap()).unwrap();
    let key = key("a");
    let asked = tokio::time::timeout(Duration::from_mins(1), store.recall(&key.fingerprint, now()));
    assert!(asked.await.expect("it does not wait for ever").is_err());
}

#[tokio::test]
async fn a_full_redis_refuses_entries_and_still_remembers() {
    let redis = Redis::start(&["--maxmemory-policy", "noeviction"]).await;
    let store = redis.store().await;
    let (kept, present) = entry("a", "x");
    store.put(&kept, &present, WEEK, now()).await.unwrap();
    let client = redis::Client::open(redis.url()).unwrap();
    let mut line = client.get_multiplexed_async_connection().await.unwrap();
    redis::cmd("CONFIG").arg("SET").arg("maxmemory").arg(1).exec_async(&mut line).await.unwrap();
    let (other, absent) = entry("b", "y");
    for _ in 0..9 {
        let answer = store.put(&other, &absent, WEEK, now()).await;
        assert!(matches!(answer, Err(Error::Redis(_))), "{answer:?}");
    }
    assert_eq!(store.recall(&kept, now()).await.unwrap(), Some(present));
}

#[tokio::test]
async fn too_large_an_entry_is_not_stored() {
    let redis = Redis::start(&[]).await;
    let store = redis.store().await;
    let (fingerprint, entry) = entry("a", &"x".repeat(1 << 20));
    assert!(matches!(store.put(&fingerprint, &entry, WEEK, now()).await.unwrap(), Put::TooLarge(_)));
}
