//! Before the first byte is out, a failing worker is never seen by the client.

use crate::{
    client::{Client, DEADLINE},
    fake_worker::{Act, Worker},
    house::{Plan, eventually, hello, hello_stream},
};
use cherokee_wire::layout::RoleState;
use serde_json::json;
use std::{sync::Arc, time::Duration};

#[tokio::test]
async fn a_worker_that_cannot_be_reached_is_replaced_by_the_backup() {
    let backup = Worker::start(&[Act::Say("hi from the backup")]).await;
    let gone = Worker::nobody();
    let house = Plan::new(&[("conscious", &gone), ("backup", &backup.address)]).start().await;
    for body in [hello(), hello_stream()] {
        let answer = house.client.chat(&body).await;
        assert_eq!(answer.content(), "hi from the backup");
        assert_eq!(answer.header("x-cherokee-role"), "backup");
    }
}

#[tokio::test]
async fn a_worker_that_refuses_or_breaks_before_the_first_byte_is_replaced() {
    let acts = [Act::Status(503, None), Act::Status(429, Some(3)), Act::Status(500, None), Act::BreakOff];
    for act in acts {
        let conscious = Worker::start(std::slice::from_ref(&act)).await;
        let backup = Worker::start(&[Act::Say("hi")]).await;
        let house = Plan::new(&[("conscious", &conscious.address), ("backup", &backup.address)]).start().await;
        let answer = house.client.chat(&hello()).await;
        assert_eq!(answer.way(), ["backup", "backup", "fallback", "miss"], "{act:?}");
        assert_eq!(conscious.seen().len(), 1);
    }
}

#[tokio::test]
async fn a_stream_that_breaks_before_its_first_data_is_replaced() {
    let error = "data: {\"error\": {\"message\": \"broken\"}}\n\n";
    for act in [Act::CutAfter(": queued\n\n"), Act::EndEarly(": queued\n\n"), Act::EndEarly(error)] {
        let conscious = Worker::start(std::slice::from_ref(&act)).await;
        let backup = Worker::start(&[Act::Say("hi there")]).await;
        let house = Plan::new(&[("conscious", &conscious.address), ("backup", &backup.address)]).start().await;
        let answer = house.client.chat(&hello_stream()).await;
        assert_eq!(
            (answer.content().as_str(), answer.header("x-cherokee-reason")),
            ("hi there", "fallback"),
            "{act:?}"
        );
    }
}

#[tokio::test]
async fn a_connection_that_is_dropped_with_the_query_is_not_the_client_s_problem() {
    let backup = Worker::start(&[Act::Say("hi")]).await;
    let dropper = Worker::dropper().await;
    let house = Plan::new(&[("conscious", &dropper), ("backup", &backup.address)]).start().await;
    assert_eq!(house.client.chat(&hello()).await.header("x-cherokee-role"), "backup");
}

#[tokio::test]
async fn an_awake_dream_worker_takes_the_overflow() {
    let full = Worker::start(&[Act::Status(429, Some(3))]).await;
    let dream = Worker::start(&[Act::Say("zzz")]).await;
    let workers = [("conscious", &*full.address), ("backup", &full.address), ("dream", &dream.address)];
    let house = Plan::new(&workers)
        .change(|layout| layout.roles.get_mut("dream").unwrap().state = RoleState::Awake)
        .start()
        .await;
    assert_eq!(house.client.chat(&hello()).await.way(), ["subconscious", "dream", "overflow", "miss"]);
}

#[tokio::test]
async fn when_everybody_is_full_the_client_is_told_at_once_and_for_how_long() {
    let (first, second) =
        (Worker::start(&[Act::Status(429, Some(3))]).await, Worker::start(&[Act::Status(429, Some(5))]).await);
    let house = Plan::new(&[("conscious", &first.address), ("backup", &second.address)]).start().await;
    let answer = house.client.chat(&hello()).await;
    assert_eq!((answer.status.as_u16(), answer.code(), answer.header("retry-after")), (429, json!("queue_full"), "5"));
    assert_eq!((first.seen().len(), second.seen().len()), (1, 1));
}

#[tokio::test]
async fn a_mistake_of_the_client_is_its_own_and_no_other_worker_is_asked() {
    let conscious = Worker::start(&[Act::Status(400, None)]).await;
    let backup = Worker::start(&[Act::Say("hi")]).await;
    let house = Plan::new(&[("conscious", &conscious.address), ("backup", &backup.address)]).start().await;
    let answer = house.client.chat(&hello()).await;
    assert_eq!((answer.status.as_u16(), answer.json()["error"]["message"].as_str()), (400, Some("worker says no")));
    assert_eq!(answer.header("x-cherokee-role"), "conscious");
    assert!(backup.seen().is_empty());
}

#[tokio::test]
async fn a_query_is_held_while_the_only_worker_is_replaced() {
    let house = Plan::new(&[]).start().await;
    let query = tokio::spawn({
        let client = Client::new(house.address);
        async move { client.chat(&hello()).await }
    });
    let figures = async || house.metrics().await.contains("cherokee_gateway_in_flight 1");
    tokio::time::timeout(DEADLINE, async { while !figures().await {} }).await.expect("the query waits");
    let worker = Worker::start(&[Act::Status(503, None), Act::Say("back again")]).await;
    house.set_workers(&[("conscious", &worker.address)]);
    assert_eq!(query.await.unwrap().content(), "back again");
}

#[tokio::test]
async fn a_query_is_not_held_for_ever() {
    let gone = Worker::nobody();
    let mut plan = Plan::new(&[("conscious", &gone)]);
    plan.hold = Duration::from_millis(200);
    let house = plan.start().await;
    let answer = house.client.chat(&hello()).await;
    assert_eq!((answer.status.as_u16(), answer.code(), answer.header("retry-after")), (503, json!("no_worker"), "2"));
}

#[tokio::test]
async fn a_query_that_breaks_every_worker_is_given_up_after_three() {
    let worker = Worker::start(&[Act::BreakOff]).await;
    let house = Plan::new(&[("conscious", &worker.address)]).start().await;
    let answer = house.client.chat(&hello()).await;
    assert_eq!((answer.status.as_u16(), answer.code()), (503, json!("no_worker")));
    assert_eq!(worker.seen().len(), 3);
}

#[tokio::test]
async fn when_everybody_sleeps_the_client_is_told_until_when() {
    let worker = Worker::start(&[Act::Say("hi")]).await;
    let until = (chrono::Utc::now() + chrono::Duration::minutes(10)).to_rfc3339();
    let plan = Plan::new(&[("conscious", &worker.address)]).change(|layout| {
        for role in layout.roles.values_mut() {
            (role.state, role.until) = (RoleState::Asleep, Some(until.clone()));
        }
    });
    let house = plan.start().await;
    let answer = house.client.chat(&hello()).await;
    assert_eq!((answer.status.as_u16(), answer.code()), (503, json!("asleep")));
    // The header stays within what clients sleep through on their own; the message has the full time.
    assert_eq!((answer.header("retry-after"), answer.header("x-should-retry")), ("60", "false"));
    let message = answer.json()["error"]["message"].as_str().unwrap().to_owned();
    let seconds = message.split_whitespace().find_map(|word| word.parse::<u64>().ok());
    assert!(seconds.is_some_and(|seconds| (570..=600).contains(&seconds)), "{message}");
    assert!(worker.seen().is_empty());
}

#[tokio::test]
async fn a_draining_role_gets_nothing_new_as_soon_as_the_layout_says_so() {
    let conscious = Worker::start(&[Act::Say("day")]).await;
    let backup = Worker::start(&[Act::Say("spare")]).await;
    let house = Plan::new(&[("conscious", &conscious.address), ("backup", &backup.address)]).start().await;
    let no_store = Client::new(house.address).with("cache-control", "no-store");
    assert_eq!(no_store.chat(&hello()).await.content(), "day");
    let mut layout = crate::house::layer_layout();
    layout.roles.get_mut("conscious").unwrap().state = RoleState::Draining;
    house.layout.send_replace(Some(Arc::new(layout)));
    assert_eq!(no_store.chat(&hello()).await.content(), "spare");
}

#[tokio::test]
async fn two_workers_of_a_slot_share_its_queries() {
    let (first, second) = (Worker::start(&[Act::Wait("a")]).await, Worker::start(&[Act::Wait("a")]).await);
    let house = Plan::new(&[("conscious", &first.address), ("conscious", &second.address)]).start().await;
    let queries: Vec<_> = (0..4)
        .map(|_| {
            let client = Client::new(house.address).with("cache-control", "no-store");
            tokio::spawn(async move { client.chat(&hello()).await })
        })
        .collect();
    eventually("all queries are at workers", || first.seen().len() + second.seen().len() == 4).await;
    assert_eq!((first.seen().len(), second.seen().len()), (2, 2));
    first.open();
    second.open();
    for query in queries {
        assert_eq!(query.await.unwrap().content(), "a");
    }
}
