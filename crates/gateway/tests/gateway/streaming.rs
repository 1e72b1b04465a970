//! Streams: passed on as they are, and honest when they break.

use crate::{
    client::Client,
    fake_worker::{Act, Worker},
    house::{House, Plan, eventually, hello_stream},
};
use http::Method;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use std::time::Duration;

const FIRST: &str =
    "data: {\"choices\": [{\"index\": 0, \"delta\": {\"role\": \"assistant\", \"content\": \"half an \"}}]}\n\n";

async fn house(act: Act) -> (House, Worker) {
    let hangs = matches!(act, Act::HangAfter(_));
    let worker = Worker::start(&[act]).await;
    let mut plan = Plan::new(&[("conscious", &worker.address)]);
    if hangs {
        plan.idle = Duration::from_millis(200);
    }
    (plan.start().await, worker)
}

#[tokio::test]
async fn a_stream_that_breaks_ends_in_an_error_event_and_without_done() {
    for act in [Act::CutAfter(FIRST), Act::EndEarly(FIRST), Act::HangAfter(FIRST)] {
        let (house, _worker) = house(act.clone()).await;
        let answer = house.client.chat(&hello_stream()).await;
        let events = answer.events();
        assert_eq!(events.len(), 2, "{act:?}: {events:?}");
        let error: Value = serde_json::from_str(&events[1]).unwrap();
        assert_eq!(error["error"]["code"], "stream_cut");
        assert!(!answer.text.contains("[DONE]") && answer.text.ends_with("\n\n"));
        assert!(house.metrics().await.contains(r#"cherokee_gateway_streams_total{result="cut"} 1"#));
    }
}

#[tokio::test]
async fn a_worker_s_own_error_in_mid_stream_is_the_only_one_and_the_end() {
    const TEXT: &str = "data: {\"choices\": [{\"index\": 0, \"delta\": {\"content\": \"half\"}}]}\n\n\
                        data: {\"error\": {\"message\": \"worker says no\", \"code\": \"stream_cut\"}}\n\n";
    for act in [Act::EndEarly(TEXT), Act::CutAfter(TEXT), Act::HangAfter(TEXT), Act::Raw(TEXT, 7)] {
        let (house, _worker) = house(act.clone()).await;
        let answer = house.client.chat(&hello_stream()).await;
        let events = answer.events();
        assert_eq!(events.len(), 2, "{act:?}: {events:?}");
        let error: Value = serde_json::from_str(&events[1]).unwrap();
        assert_eq!(error["error"]["message"], "worker says no");
        assert!(house.metrics().await.contains(r#"cherokee_gateway_streams_total{result="cut"} 1"#), "{act:?}");
        assert_eq!(house.memory.len(), 0);
    }
}

#[tokio::test]
async fn a_stream_that_nobody_remembers_passes_byte_for_byte() {
    const TEXT: &str = ": queued\r\n\r\ndata: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"ᎣᏏᏲ\",\"x\":1}}],\"usage\":null}\r\n\r\nid: 3\n\ndata: [DONE]\n\n";
    for size in [1, 2, 7, 1000] {
        let (house, worker) = house(Act::Raw(TEXT, size)).await;
        let client = Client::new(house.address).with("cache-control", "private, no-store");
        let answer = client.chat(&hello_stream()).await;
        assert_eq!(answer.text, TEXT, "in parts of {size}");
        assert_eq!(answer.header("x-cherokee-memory"), "bypass");
        assert_eq!(worker.seen()[0].body.get("stream_options"), None);
    }
}

#[tokio::test]
async fn a_client_that_goes_away_stops_the_worker() {
    let worker = Worker::start(&[Act::HangAfter(FIRST)]).await;
    let house = Plan::new(&[("conscious", &worker.address)]).start().await;
    let mut response = house.client.begin(Method::POST, "/v1/chat/completions", hello_stream().to_string()).await;
    let first = response.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(first, FIRST);
    assert_eq!(*worker.running.borrow(), 1);
    drop(response);
    eventually("the worker's query ends", || *worker.running.borrow() == 0).await;
    let figures = house.metrics().await;
    assert!(figures.contains(r#"cherokee_gateway_streams_total{result="abandoned"} 1"#), "{figures}");
}

#[tokio::test]
async fn a_client_that_goes_away_before_the_answer_stops_the_worker() {
    let worker = Worker::start(&[Act::Wait("never")]).await;
    let house = Plan::new(&[("conscious", &worker.address)]).start().await;
    let query = tokio::spawn({
        let client = Client::new(house.address);
        async move { client.chat(&crate::house::hello()).await }
    });
    eventually("the query is at the worker", || *worker.running.borrow() == 1).await;
    query.abort();
    eventually("the worker's query ends", || *worker.running.borrow() == 0).await;
}

#[tokio::test]
async fn usage_is_streamed_to_those_who_ask_and_to_nobody_else() {
    let (house, worker) = house(Act::Say("one two three")).await;
    let plain = house.client.chat(&hello_stream()).await;
    assert!(!plain.text.contains("usage"), "{}", plain.text);
    assert_eq!(plain.content(), "one two three");
    assert_eq!(plain.events().last().unwrap(), "[DONE]");
    assert_eq!(worker.seen()[0].body["stream_options"], json!({"include_usage": true}), "memory wants to know");
    let mut body = hello_stream();
    body["stream_options"] = json!({"include_usage": true});
    body["seed"] = json!(1);
    let asked = house.client.chat(&body).await;
    let events = asked.events();
    let usage: Value = serde_json::from_str(&events[events.len() - 2]).unwrap();
    assert_eq!((&usage["choices"], &usage["usage"]["total_tokens"]), (&json!([]), &json!(11)));
}
