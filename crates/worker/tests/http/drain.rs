//! The end of a worker.

use crate::worker::{Events, MODEL, Worker};
use serde_json::{Value, json};

#[tokio::test]
async fn sigterm_refuses_what_is_new_and_cuts_no_answer() {
    let mut worker = Worker::serving(&["--drain-seconds", "600"], &[]);
    let body = json!({"model": MODEL, "stream": true, "temperature": 0, "max_tokens": 200,
        "messages": [{"role": "user", "content": "Count from 1 to 1000, one number a line."}]});
    let mut running = Events::new(worker.post("/v1/chat/completions", &body).await);
    running.next().await.expect("it runs");
    worker.terminate();
    worker.logged("draining");

    let refused = worker.post("/v1/chat/completions", &body).await;
    assert_eq!(refused.status(), 503);
    assert_eq!(refused.headers()["retry-after"], "0");
    assert_eq!(refused.json::<Value>().await.expect("JSON")["error"]["code"], "draining");
    assert_eq!(worker.get("/readyz").await.status(), 503);
    assert_eq!(worker.get("/healthz").await.status(), 200);

    let rest = running.rest().await;
    assert_eq!(rest.last().map(String::as_str), Some("[DONE]"));
    assert!(rest.iter().any(|data| data.contains("\"finish_reason\":\"")), "the answer was cut");
    assert_eq!(worker.ended().code(), Some(0));
}

#[tokio::test]
async fn what_does_not_end_in_its_time_is_cut() {
    let mut worker = Worker::serving(&["--drain-seconds", "0"], &[]);
    let body = json!({"model": MODEL, "stream": true, "temperature": 0,
        "messages": [{"role": "user", "content": "Count from 1 to 1000, one number a line."}]});
    let mut running = Events::new(worker.post("/v1/chat/completions", &body).await);
    running.next().await.expect("it runs");
    worker.terminate();
    assert_eq!(worker.ended().code(), Some(0));
}
