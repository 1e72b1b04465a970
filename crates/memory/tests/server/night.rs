//! Nights on a real redis-server: every item once, whoever dies.

use crate::support::Redis;
use cherokee_memory::{
    Fingerprint, Store,
    night::{Claim, Item, Kind, Night, Outcome, Skip},
};
use chrono::{DateTime, TimeDelta, Utc};
use std::time::Duration;

const HOLD: Duration = Duration::from_mins(1);
const GPU: Duration = Duration::from_millis(250);

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_000_000, 0).unwrap()
}

fn item(number: u8) -> Item {
    let fingerprint: Fingerprint = format!("{number:064x}").parse().unwrap();
    Item { kind: Kind::Reanswer, fingerprint }
}

fn header(until: Option<&str>) -> Night {
    Night { role: "dream".to_owned(), model: "owl".to_owned(), until: until.map(str::to_owned), ..Night::default() }
}

async fn open(store: &Store, items: u8) -> Night {
    let plan: Vec<Item> = (0..items).map(item).collect();
    store.open_night(None, &header(None), &plan, now()).await.unwrap().unwrap()
}

#[tokio::test]
async fn items_come_in_their_order_each_once_and_the_record_counts_them() {
    let redis = Redis::start(&[]).await;
    let store = redis.store().await;
    let night = open(&store, 3).await;
    assert_eq!((night.id.as_str(), night.planned, night.finished), ("2026-11-18-dream-1", 3, None));
    for (number, outcome) in
        [(0, Outcome::Improved), (1, Outcome::Skipped(Skip::Same)), (2, Outcome::Skipped(Skip::StillCut))]
    {
        assert_eq!(store.claim(&night.id, "a", HOLD, now()).await.unwrap(), Claim::Item(item(number)));
        assert!(store.finish(&night.id, item(number), outcome, GPU, now()).await.unwrap());
        assert!(!store.finish(&night.id, item(number), outcome, Duration::ZERO, now()).await.unwrap(), "only once");
    }
    assert_eq!(store.claim(&night.id, "a", HOLD, now()).await.unwrap(), Claim::Done);
    let night = store.last_night("dream").await.unwrap().unwrap();
    assert_eq!((night.done, night.improved, night.gpu_millis), (3, 1, 750));
    assert_eq!(night.skipped.into_iter().collect::<Vec<_>>(), [("same".to_owned(), 1), ("still-cut".to_owned(), 1)]);
    assert_eq!(night.finished, Some(now().timestamp()));
}

#[tokio::test]
async fn two_runners_never_hold_the_same_item() {
    let redis = Redis::start(&[]).await;
    let store = redis.store().await;
    let night = open(&store, 2).await;
    assert_eq!(store.claim(&night.id, "a", HOLD, now()).await.unwrap(), Claim::Item(item(0)));
    assert_eq!(store.claim(&night.id, "b", HOLD, now()).await.unwrap(), Claim::Item(item(1)));
    assert_eq!(store.claim(&night.id, "c", HOLD, now()).await.unwrap(), Claim::Wait(now().timestamp() + 60));
}

#[tokio::test]
async fn the_item_of_a_dead_runner_returns_to_its_place_when_its_claim_expires() {
    let redis = Redis::start(&[]).await;
    let store = redis.store().await;
    let night = open(&store, 3).await;
    store.claim(&night.id, "dead", HOLD, now()).await.unwrap();
    assert_eq!(store.claim(&night.id, "b", HOLD * 9, now()).await.unwrap(), Claim::Item(item(1)));
    let later = now() + TimeDelta::seconds(60);
    assert_eq!(store.claim(&night.id, "b", HOLD, later).await.unwrap(), Claim::Item(item(0)));
}

#[tokio::test]
async fn an_item_given_back_is_next_and_only_its_holder_gives_it_back() {
    let redis = Redis::start(&[]).await;
    let store = redis.store().await;
    let night = open(&store, 2).await;
    store.claim(&night.id, "a", HOLD, now()).await.unwrap();
    assert_eq!(store.release(&night.id, "b", item(0), false).await.unwrap(), 0);
    assert_eq!(store.claim(&night.id, "b", HOLD, now()).await.unwrap(), Claim::Item(item(1)));
    assert_eq!(store.release(&night.id, "a", item(0), true).await.unwrap(), 1);
    assert_eq!(store.claim(&night.id, "b", HOLD, now()).await.unwrap(), Claim::Item(item(0)));
    assert_eq!(store.release(&night.id, "b", item(0), true).await.unwrap(), 2);
}

#[tokio::test]
async fn of_two_runners_that_open_a_night_one_does_and_both_get_it() {
    let redis = Redis::start(&[]).await;
    let store = redis.store().await;
    let first = open(&store, 1).await;
    let second = store.open_night(None, &header(None), &[item(7), item(8)], now()).await.unwrap().unwrap();
    assert_eq!((&first.id, second.planned), (&second.id, 1));
    let next =
        store.open_night(Some(&first.id), &header(Some("2026-11-19T06:00:00Z")), &[], now()).await.unwrap().unwrap();
    assert_eq!(
        (next.id.as_str(), next.finished),
        ("2026-11-18-dream-2", Some(now().timestamp())),
        "nothing to do is done"
    );
    store.move_night_end(&next.id, None).await.unwrap();
    assert_eq!(store.night(&next.id).await.unwrap().unwrap().until, None);
}

#[test]
fn items_are_written_and_read_alike() {
    let item = Item { kind: Kind::Complete, ..item(9) };
    assert_eq!(item.to_string().parse(), Ok(item));
    assert!("sleep:00".parse::<Item>().is_err());
}
