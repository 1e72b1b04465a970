//! What clients get.

use crate::worker::{Events, MODEL, Worker, text};
use serde_json::{Value, json};

fn ask(question: &str) -> Value {
    json!({"model": MODEL, "temperature": 0, "max_tokens": 60, "messages": [{"role": "user", "content": question}]})
}

fn with(mut body: Value, more: &Value) -> Value {
    for (key, value) in more.as_object().expect("an object") {
        body[key] = value.clone();
    }
    body
}

fn content(answer: &Value) -> String {
    text(&answer["choices"][0]["message"]["content"])
}

// One worker for all of these: loading takes longer than answering.
#[tokio::test]
async fn openai_clients_get_what_they_expect() {
    let worker = Worker::serving(&[], &[]);
    whole_answers(&worker).await;
    streams(&worker).await;
    legacy(&worker).await;
    models(&worker).await;
    errors(&worker).await;
    itself(&worker).await;
}

async fn whole_answers(worker: &Worker) {
    let question = ask("Say hello.");
    let answer = worker.chat(&question).await;
    assert!(content(&answer).contains("Hello"), "{answer}");
    assert_eq!((&answer["object"], &answer["model"]), (&json!("chat.completion"), &json!(MODEL)));
    assert_eq!(answer["choices"][0]["finish_reason"], "stop");
    let usage = |field: &str| answer["usage"][field].as_u64().expect("a number");
    assert_eq!(usage("total_tokens"), usage("prompt_tokens") + usage("completion_tokens"));

    for stop in [json!("Hello"), json!(["nothing", "Hello"])] {
        let cut = worker.chat(&with(question.clone(), &json!({"stop": stop}))).await;
        assert!(!content(&cut).contains("Hello") && cut["choices"][0]["finish_reason"] == "stop", "{cut}");
    }
    let short = worker.chat(&with(question.clone(), &json!({"max_tokens": 9, "max_completion_tokens": 2}))).await;
    assert_eq!(
        (&short["usage"]["completion_tokens"], &short["choices"][0]["finish_reason"]),
        (&json!(2), &json!("length"))
    );

    let drawn = |seed: u64| {
        let body =
            with(ask("Write a poem."), &json!({"temperature": 1.0, "top_p": 0.9, "seed": seed, "max_tokens": 16}));
        async move { content(&worker.chat(&body).await) }
    };
    assert_eq!(drawn(5).await, drawn(5).await);
    assert_ne!(drawn(5).await, drawn(6).await);

    // The newer role, content in parts, fields that nobody knows.
    let parts = json!([{"role": "developer", "content": "You are friendly."}, {"role": "user", "content":
        [{"type": "text", "text": "Say hello."}]}]);
    let answer = worker.chat(&with(question, &json!({"messages": parts, "metadata": {"a": "b"}, "user": "u"}))).await;
    assert!(!content(&answer).is_empty(), "{answer}");
}

async fn streams(worker: &Worker) {
    let question = ask("Say hello.");
    let whole = content(&worker.chat(&question).await);
    for include_usage in [false, true] {
        let options = json!({"stream": true, "stream_options": {"include_usage": include_usage}});
        let events = Events::new(worker.post("/v1/chat/completions", &with(question.clone(), &options)).await);
        let mut data = events.rest().await;
        assert_eq!(data.pop().as_deref(), Some("[DONE]"));
        let chunks: Vec<Value> = data.iter().map(|data| serde_json::from_str(data).expect("JSON")).collect();
        for chunk in &chunks {
            assert_eq!((&chunk["id"], &chunk["created"]), (&chunks[0]["id"], &chunks[0]["created"]));
            assert_eq!(chunk["object"], "chat.completion.chunk");
        }
        let choices: Vec<&Value> = chunks.iter().filter_map(|chunk| chunk["choices"].get(0)).collect();
        assert_eq!(choices[0]["delta"]["role"], "assistant");
        let streamed: String = choices.iter().filter_map(|choice| choice["delta"]["content"].as_str()).collect();
        assert_eq!(streamed, whole);
        let (last, before) = choices.split_last().expect("choices");
        assert_eq!((&last["finish_reason"], &last["delta"]), (&json!("stop"), &json!({})));
        assert!(before.len() > 3 && before.iter().all(|choice| choice["finish_reason"].is_null()), "{before:?}");
        let usage: Vec<Option<&Value>> = chunks.iter().map(|chunk| chunk.get("usage")).collect();
        if include_usage {
            assert!(usage.last().expect("chunks").expect("a field")["total_tokens"].as_u64() > Some(20));
            assert_eq!(chunks.last().expect("chunks")["choices"], json!([]));
        } else {
            assert!(usage.iter().all(Option::is_none));
        }
    }
}

async fn legacy(worker: &Worker) {
    let body = json!({"model": MODEL, "prompt": "1, 2, 3, 4,", "temperature": 0, "max_tokens": 6});
    let answer: Value = worker.post("/v1/completions", &body).await.json().await.expect("JSON");
    assert_eq!(answer["object"], "text_completion");
    let whole = text(&answer["choices"][0]["text"]);
    assert!(whole.contains('5'), "{answer}");
    let options = json!({"stream": true, "stream_options": {"include_usage": true}});
    let mut data = Events::new(worker.post("/v1/completions", &with(body, &options)).await).rest().await;
    assert_eq!(data.pop().as_deref(), Some("[DONE]"));
    let chunks: Vec<Value> = data.iter().map(|data| serde_json::from_str(data).expect("JSON")).collect();
    let streamed: String = chunks.iter().filter_map(|chunk| chunk["choices"][0]["text"].as_str()).collect();
    assert_eq!(streamed, whole);
    assert_eq!(chunks.last().expect("chunks")["usage"]["completion_tokens"], 6);
}

async fn models(worker: &Worker) {
    let list: Value = worker.get("/v1/models").await.json().await.expect("JSON");
    assert_eq!((&list["object"], &list["data"][0]["id"]), (&json!("list"), &json!(MODEL)));
    let card: Value = worker.get(&format!("/v1/models/{MODEL}")).await.json().await.expect("JSON");
    assert_eq!((&card["object"], &card["owned_by"]), (&json!("model"), &json!("cherokee")));
    assert_eq!(worker.get("/v1/models/other").await.status(), 404);
}

async fn errors(worker: &Worker) {
    let long = "word ".repeat(600);
    for (status, code, param, body) in [
        (404, "model_not_found", json!("model"), with(ask("Hi"), &json!({"model": "other"}))),
        (400, "invalid_request", json!("n"), with(ask("Hi"), &json!({"n": 2}))),
        (400, "context_length_exceeded", json!("messages"), ask(&long)),
        (400, "invalid_request", Value::Null, json!({"model": MODEL})),
    ] {
        let response = worker.post("/v1/chat/completions", &body).await;
        assert_eq!(response.status(), status);
        let error = response.json::<Value>().await.expect("JSON")["error"].clone();
        assert_eq!((&error["code"], &error["param"]), (&json!(code), &param), "{error}");
        assert!(error["message"].is_string() && error["type"] == "invalid_request_error", "{error}");
    }
    assert_eq!(worker.post("/v1/responses", &json!({})).await.status(), 501);
    let large = ask(&"x".repeat(5 << 20));
    let refused = worker.post("/v1/chat/completions", &large).await;
    assert_eq!(refused.status(), 413);
    assert!(!refused.headers().contains_key("connection"), "all of it was read: {refused:?}");
}

async fn itself(worker: &Worker) {
    assert_eq!(worker.get("/healthz").await.status(), 200);
    assert_eq!(worker.get("/readyz").await.status(), 200);
    let metrics = worker.get("/metrics").await.text().await.expect("text");
    for line in
        ["vllm:num_requests_running 0", "vllm:num_requests_waiting 0", "outcome=\"Answered\"", "outcome=\"Invalid\""]
    {
        assert!(metrics.contains(line), "{line} is missing in\n{metrics}");
    }
    let status: Value = worker.get("/status").await.json().await.expect("JSON");
    assert_eq!((&status["models"], &status["device"]["kind"]), (&json!([MODEL]), &json!("cpu")));
    let memory = |field: &str| status["memory"][field].as_u64().expect("a number");
    assert_eq!(memory("totalMib"), memory("weightsMib") + memory("kvCacheMib") + memory("reserveMib"));
    assert!(memory("observedMib") > 0 && memory("observedMib") <= memory("totalMib"), "{status}");
}
