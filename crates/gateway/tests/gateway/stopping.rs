//! The end of a gateway: seen by the balancer first, then by nobody.

use crate::{
    client::{Client, DEADLINE},
    fake_worker::{Act, Worker},
    house::{Plan, eventually, hello, hello_stream},
};
use std::time::{Duration, Instant};

#[tokio::test]
async fn between_signal_and_end_it_is_not_ready_but_answers_and_asks_to_go_elsewhere() {
    let worker = Worker::start(&[Act::Say("hi")]).await;
    let mut plan = Plan::new(&[("conscious", &worker.address)]);
    plan.ending.pre_stop = DEADLINE;
    let mut house = plan.start().await;
    assert_eq!(house.client.chat(&hello()).await.header("connection"), "");
    house.stop.take().unwrap().send(()).unwrap();
    let ready = async || house.client.get("/readyz").await.status.as_u16() == 200;
    tokio::time::timeout(DEADLINE, async { while ready().await {} }).await.expect("not ready any more");
    let answer = house.client.chat(&hello()).await;
    assert_eq!((answer.status.as_u16(), answer.header("connection")), (200, "close"));
    assert_eq!(Client::http2(house.address).chat(&hello()).await.header("connection"), "");
}

#[tokio::test]
async fn while_queries_come_it_goes_on_accepting() {
    let worker = Worker::start(&[Act::Say("hi")]).await;
    let mut plan = Plan::new(&[("conscious", &worker.address)]);
    plan.ending.pre_stop = Duration::from_secs(3);
    let mut house = plan.start().await;
    house.stop.take().unwrap().send(()).unwrap();
    let begun = Instant::now();
    // Each over a connection of its own, as from a balancer that has not noticed.
    while begun.elapsed() < Duration::from_secs(7) {
        assert_eq!(Client::new(house.address).chat(&hello()).await.status.as_u16(), 200);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    tokio::time::timeout(DEADLINE, house.serving).await.expect("it ends when nobody comes").unwrap();
}

#[tokio::test]
async fn a_running_stream_ends_whole_before_the_process_does() {
    let worker = Worker::start(&[Act::Wait("to the very end")]).await;
    let mut house = Plan::new(&[("conscious", &worker.address)]).start().await;
    let query = tokio::spawn({
        let client = Client::new(house.address);
        async move { client.chat(&hello_stream()).await }
    });
    eventually("the query is at the worker", || worker.seen().len() == 1).await;
    house.stop.take().unwrap().send(()).unwrap();
    let refused = async || tokio::net::TcpStream::connect(house.address).await.is_err();
    tokio::time::timeout(DEADLINE, async { while !refused().await {} }).await.expect("new connections are refused");
    assert!(!house.serving.is_finished());
    worker.open();
    let answer = query.await.unwrap();
    assert_eq!((answer.content().as_str(), answer.events().last().unwrap().as_str()), ("to the very end", "[DONE]"));
    tokio::time::timeout(DEADLINE, house.serving).await.expect("it ends when nothing runs").unwrap();
}

#[tokio::test]
async fn a_query_that_never_ends_does_not_keep_the_process() {
    let worker = Worker::start(&[Act::Wait("never")]).await;
    let mut plan = Plan::new(&[("conscious", &worker.address)]);
    plan.ending.drain = Duration::from_millis(100);
    let mut house = plan.start().await;
    let client = Client::new(house.address);
    let query = tokio::spawn(async move { client.chat(&hello()).await });
    eventually("the query is at the worker", || worker.seen().len() == 1).await;
    house.stop.take().unwrap().send(()).unwrap();
    tokio::time::timeout(DEADLINE, house.serving).await.expect("it ends in time").unwrap();
    query.abort();
}
