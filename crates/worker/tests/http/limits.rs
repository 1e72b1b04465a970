//! Admission and priorities.

use crate::worker::{Events, MODEL, Worker};
use serde_json::{Value, json};

fn long_story() -> Value {
    json!({"model": MODEL, "stream": true, "temperature": 0, "stop": [],
        "messages": [{"role": "user", "content": "Count from 1 to 1000, one number a line."}]})
}

#[tokio::test]
async fn a_full_queue_answers_429_at_once_and_a_client_that_leaves_makes_room() {
    let worker = Worker::serving(&["--max-sequences", "1", "--max-waiting", "1"], &[]);
    let mut first = Events::new(worker.post("/v1/chat/completions", &long_story()).await);
    first.next().await.expect("it runs");
    // The second waits for the only place, so its answer does not begin.
    let body = long_story();
    let second = worker.post("/v1/chat/completions", &body);
    tokio::pin!(second);
    let waits = worker.status_becomes(|status| status["running"] == 1 && status["waiting"] == 1);
    tokio::select! {
        _ = &mut second => panic!("there is no place for the second"),
        () = waits => {}
    }
    let third = worker.post("/v1/chat/completions", &long_story()).await;
    assert_eq!(third.status(), 429);
    assert_eq!(third.headers()["retry-after"], "1");
    let error = third.json::<Value>().await.expect("JSON")["error"].clone();
    assert_eq!((&error["code"], &error["type"]), (&json!("queue_full"), &json!("rate_limit_error")));

    drop(first);
    let mut second = Events::new(second.await);
    second.next().await.expect("it runs now");
    drop(second);
    worker.status_becomes(|status| status["running"] == 0 && status["waiting"] == 0).await;
}
