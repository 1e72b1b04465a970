//! Addresses, headers, the door, places and limits.

use crate::{
    client::{Client, DEADLINE},
    fake_worker::{Act, Worker},
    house::{BODY_LIMIT, House, Plan, eventually, hello, hello_stream},
};
use cherokee_gateway::auth::{Door, Keys};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::watch,
};

/// A client that announces a body of so many bytes and sends none of it; returned when the gateway waits for them.
async fn dribbler(house: &House, bytes: usize) -> TcpStream {
    let mut line = TcpStream::connect(house.address).await.unwrap();
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\ncontent-length: {bytes}\r\nexpect: 100-continue\r\n\r\n"
    );
    line.write_all(head.as_bytes()).await.unwrap();
    let mut told = [0; 12];
    tokio::time::timeout(DEADLINE, line.read_exact(&mut told)).await.expect("it is told to go on").unwrap();
    assert_eq!(&told, b"HTTP/1.1 100");
    line
}

#[tokio::test]
async fn a_query_reaches_the_conscious_worker_with_only_its_model_rewritten() {
    let worker = Worker::start(&[Act::Say("hi there")]).await;
    let house = Plan::new(&[("conscious", &worker.address)]).start().await;
    let client = Client::new(house.address).with("x-request-id", "q-1").with("authorization", "Bearer sk-client");
    let mut body = hello();
    body["top_k"] = json!(7);
    let answer = client.chat(&body).await;
    assert_eq!((answer.status, answer.content().as_str()), (StatusCode::OK, "hi there"));
    assert_eq!(answer.way(), ["conscious", "conscious", "default-route", "miss"]);
    assert_eq!((answer.header("x-cherokee-device"), answer.header("x-request-id")), ("GPU-conscious", "q-1"));
    let seen = &worker.seen()[0];
    body["model"] = json!("resonance");
    assert_eq!((seen.path.as_str(), &seen.body), ("/v1/chat/completions", &body));
    assert_eq!(seen.headers["x-cherokee-priority"], "interactive");
    assert_eq!(seen.headers["x-request-id"], "q-1");
    assert!(!seen.headers.contains_key("authorization"), "a client's key is nobody else's business");
}

#[tokio::test]
async fn a_completion_goes_the_same_way() {
    let worker = Worker::start(&[Act::Say("once upon")]).await;
    let house = Plan::new(&[("backup", &worker.address)]).start().await;
    let answer = house.client.post("/v1/completions", &json!({"model": "backup", "prompt": "tell"})).await;
    assert_eq!(answer.content(), "once upon");
    assert_eq!(answer.way(), ["backup", "backup", "model-name", "miss"]);
    assert!(!answer.header("x-request-id").is_empty());
    assert_eq!(worker.seen()[0].path, "/v1/completions");
}

#[tokio::test]
async fn models_are_listed_once_each_and_found_by_name() {
    let house = Plan::new(&[])
        .change(|layout| layout.roles.get_mut("backup").unwrap().model_names = vec!["org/spare".into()])
        .start()
        .await;
    let list = house.client.get("/v1/models").await.json();
    let names: Vec<_> = list["data"].as_array().unwrap().iter().map(|card| card["id"].as_str().unwrap()).collect();
    assert_eq!(
        (list["object"].as_str(), names),
        (Some("list"), vec!["backup", "conscious", "dream", "org/spare", "resonance"])
    );
    let card = house.client.get("/v1/models/org/spare").await.json();
    assert_eq!(
        (&card["id"], &card["object"], &card["owned_by"]),
        (&json!("org/spare"), &json!("model"), &json!("cherokee"))
    );
    let missing = house.client.get("/v1/models/gpt-4o").await;
    assert_eq!((missing.status.as_u16(), missing.code()), (404, json!("model_not_found")));
}

#[tokio::test]
async fn addresses_that_do_not_exist_are_refused_in_the_api_s_form() {
    let house = Plan::new(&[]).start().await;
    let responses = house.client.post("/v1/responses", &hello()).await;
    assert_eq!((responses.status.as_u16(), responses.code()), (501, json!("not_offered")));
    let other = house.client.get("/chat").await;
    assert_eq!((other.status.as_u16(), other.code()), (404, Value::Null));
    let method = house.client.get("/v1/chat/completions").await;
    assert_eq!((method.status.as_u16(), method.code()), (405, Value::Null));
    assert!(!method.header("x-request-id").is_empty());
}

#[tokio::test]
async fn an_unknown_model_is_refused_with_the_known_names() {
    let house = Plan::new(&[]).start().await;
    let mut body = hello();
    body["model"] = json!("gpt-4o");
    let answer = house.client.chat(&body).await;
    assert_eq!((answer.status.as_u16(), answer.code()), (404, json!("model_not_found")));
    assert_eq!(
        answer.json()["error"]["message"],
        "no role answers for model `gpt-4o`; known names: backup, conscious, dream, resonance"
    );
}

#[tokio::test]
async fn a_body_that_is_too_large_or_no_json_is_refused() {
    let house = Plan::new(&[]).start().await;
    let large = house.client.chat(&json!({"messages": "x".repeat(BODY_LIMIT)})).await;
    assert_eq!((large.status.as_u16(), large.code()), (413, json!("request_too_large")));
    let broken = house.client.begin(Method::POST, "/v1/chat/completions", "{".into()).await;
    assert_eq!(broken.status().as_u16(), 400);
    let wrong = house.client.chat(&json!({"model": 3})).await;
    assert_eq!((wrong.status.as_u16(), &wrong.json()["error"]["param"]), (400, &json!("model")));
}

#[tokio::test]
async fn with_keys_only_their_holders_are_answered() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("traders"), "sk-one").unwrap();
    let worker = Worker::start(&[Act::Say("hi")]).await;
    let mut plan = Plan::new(&[("conscious", &worker.address)]);
    plan.door = Door::Keys(watch::channel(Arc::new(Keys::read(folder.path()).unwrap())).1);
    let house = plan.start().await;
    for answer in [house.client.chat(&hello()).await, house.client.get("/v1/models").await] {
        assert_eq!((answer.status.as_u16(), answer.code()), (401, json!("invalid_api_key")));
    }
    let client = Client::new(house.address).with("authorization", "Bearer sk-one");
    assert_eq!(client.chat(&hello()).await.status, StatusCode::OK);
    assert_eq!(client.get("/v1/models").await.status, StatusCode::OK);
    assert_eq!(house.client.get("/healthz").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_full_gateway_refuses_at_once_until_a_place_is_free() {
    let worker = Worker::start(&[Act::Wait("hi")]).await;
    let mut plan = Plan::new(&[("conscious", &worker.address)]);
    plan.places = 1;
    let house = plan.start().await;
    let first = tokio::spawn({
        let client = Client::new(house.address);
        async move { client.chat(&hello_stream()).await }
    });
    eventually("the first query is at the worker", || worker.seen().len() == 1).await;
    let second = house.client.chat(&hello()).await;
    assert_eq!((second.status.as_u16(), second.code(), second.header("retry-after")), (429, json!("queue_full"), "1"));
    worker.open();
    assert_eq!(first.await.unwrap().content(), "hi");
    assert_eq!(house.client.chat(&hello()).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_client_that_dribbles_its_body_holds_no_place() {
    let worker = Worker::start(&[Act::Say("hi")]).await;
    let mut plan = Plan::new(&[("conscious", &worker.address)]);
    plan.places = 1;
    let house = plan.start().await;
    let _slow = dribbler(&house, 100).await;
    assert_eq!(house.client.chat(&hello()).await.status, StatusCode::OK);
}

#[tokio::test]
async fn bodies_beyond_what_a_gateway_holds_are_refused_until_there_is_room() {
    let worker = Worker::start(&[Act::Say("hi")]).await;
    let mut plan = Plan::new(&[("conscious", &worker.address)]);
    plan.bodies_bytes = BODY_LIMIT;
    let house = plan.start().await;
    let slow = dribbler(&house, BODY_LIMIT).await;
    let refused = house.client.chat(&hello()).await;
    assert_eq!(
        (refused.status.as_u16(), refused.code(), refused.header("retry-after")),
        (429, json!("queue_full"), "1")
    );
    drop(slow);
    let again = async { while house.client.chat(&hello()).await.status != StatusCode::OK {} };
    tokio::time::timeout(DEADLINE, again).await.expect("there is room again");
}

#[tokio::test]
async fn it_is_ready_when_it_has_a_layout() {
    let mut plan = Plan::new(&[]);
    let layout = plan.layout.take();
    plan.hold = std::time::Duration::ZERO;
    let house = plan.start().await;
    assert_eq!(house.client.get("/readyz").await.status.as_u16(), 503);
    assert_eq!(house.client.get("/healthz").await.status.as_u16(), 200);
    let early = house.client.chat(&hello()).await;
    assert_eq!((early.status.as_u16(), early.code()), (503, json!("loading")));
    house.layout.send_replace(layout.map(Arc::new));
    assert_eq!(house.client.get("/readyz").await.status.as_u16(), 200);
}

#[tokio::test]
async fn http_2_is_spoken_too() {
    let worker = Worker::start(&[Act::Say("hi there")]).await;
    let house = Plan::new(&[("conscious", &worker.address)]).start().await;
    let client = Client::http2(house.address);
    assert_eq!(client.chat(&hello()).await.content(), "hi there");
    assert_eq!(client.chat(&hello_stream()).await.content(), "hi there");
}

#[tokio::test]
async fn what_happened_is_counted() {
    let worker = Worker::start(&[Act::Say("hi")]).await;
    let house = Plan::new(&[("backup", &worker.address)]).start().await;
    house.client.chat(&hello()).await;
    eventually("the answer is stored", || house.memory.len() == 1).await;
    house.client.chat(&hello()).await;
    house.client.chat(&json!({"model": "nobody", "messages": []})).await;
    let figures = house.metrics().await;
    for line in [
        r#"cherokee_gateway_queries_total{layer="backup",role="backup",reason="fallback"} 1"#,
        r#"cherokee_gateway_queries_total{layer="memory",role="backup",reason="remembered"} 1"#,
        r#"cherokee_gateway_fallbacks_total{layer="backup",role="backup",reason="fallback"} 1"#,
        r#"cherokee_gateway_memory_total{result="hit"} 1"#,
        r#"cherokee_gateway_memory_total{result="miss"} 1"#,
        r#"cherokee_gateway_stored_total{result="stored"} 1"#,
        r#"cherokee_gateway_refusals_total{code="model_not_found"} 1"#,
        r#"cherokee_gateway_query_seconds_count{layer="memory"} 1"#,
        "cherokee_gateway_in_flight 0",
    ] {
        assert!(figures.contains(line), "{line} is not in\n{figures}");
    }
}
