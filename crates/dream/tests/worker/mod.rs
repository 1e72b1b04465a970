//! A fake worker: answers `dreamt: <question>`, except for a few questions that say what to do.

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::post,
};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};
use tokio::sync::watch;

/// One query as it came.
#[derive(Clone)]
pub(crate) struct Query {
    pub(crate) question: String,
    pub(crate) model: String,
    pub(crate) max_tokens: u64,
    pub(crate) priority: String,
}

pub(crate) struct Worker {
    pub(crate) url: String,
    shared: Arc<Shared>,
}

struct Shared {
    asked: Mutex<Vec<Query>>,
    answered: Mutex<Vec<String>>,
    waiting: Mutex<usize>,
    allowed: watch::Sender<usize>,
}

impl Worker {
    pub(crate) async fn start() -> Self {
        let shared = Arc::new(Shared {
            asked: Mutex::default(),
            answered: Mutex::default(),
            waiting: Mutex::default(),
            allowed: watch::channel(usize::MAX).0,
        });
        let routes = Router::new().route("/v1/chat/completions", post(chat)).with_state(shared.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(axum::serve(listener, routes).into_future());
        Self { url, shared }
    }

    pub(crate) fn asked(&self) -> Vec<Query> {
        self.shared.asked.lock().unwrap().clone()
    }

    /// Answers this many queries in all; the others wait.
    pub(crate) fn answer_only(&self, count: usize) {
        self.shared.allowed.send_replace(count);
    }

    /// Queries that wait for an answer now.
    pub(crate) fn waiting(&self) -> usize {
        *self.shared.waiting.lock().unwrap()
    }

    pub(crate) fn answered_more_than_once(&self) -> Vec<String> {
        let mut count = BTreeMap::new();
        for question in self.shared.answered.lock().unwrap().iter() {
            *count.entry(question.clone()).or_insert(0) += 1;
        }
        count.into_iter().filter(|(_, times)| *times > 1).map(|(question, _)| question).collect()
    }
}

/// Counts one as waiting for as long as it lives: a cancelled query is dropped.
struct Waiting<'a>(&'a Mutex<usize>);

impl<'a> Waiting<'a> {
    fn new(count: &'a Mutex<usize>) -> Self {
        *count.lock().unwrap() += 1;
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        *self.0.lock().unwrap() -= 1;
    }
}

async fn chat(State(shared): State<Arc<Shared>>, headers: HeaderMap, Json(body): Json<Value>) -> Response {
    let question = body["messages"][0]["content"].as_str().unwrap().to_owned();
    let before = {
        let mut asked = shared.asked.lock().unwrap();
        let before = asked.iter().filter(|query| query.question == question).count();
        asked.push(Query {
            question: question.clone(),
            model: body["model"].as_str().unwrap().to_owned(),
            max_tokens: body["max_tokens"].as_u64().unwrap(),
            priority: headers
                .get("x-cherokee-priority")
                .map(|value| value.to_str().unwrap().to_owned())
                .unwrap_or_default(),
        });
        before
    };
    let mut allowed = shared.allowed.subscribe();
    {
        let _waiting = Waiting::new(&shared.waiting);
        allowed.wait_for(|allowed| shared.answered.lock().unwrap().len() < *allowed).await.unwrap();
    }
    let (text, reason) = match question.as_str() {
        "busy once" if before == 0 => return (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "0")]).into_response(),
        "refuse" => return StatusCode::BAD_REQUEST.into_response(),
        "fail" => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        "too long?" => ("and so on and so on".to_owned(), "length"),
        "empty?" => (" ".to_owned(), "stop"),
        question => (format!("dreamt: {question}"), "stop"),
    };
    shared.answered.lock().unwrap().push(question);
    let message = json!({"role": "assistant", "content": text});
    Json(json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "resonance",
        "choices": [{"index": 0, "message": message, "logprobs": null, "finish_reason": reason}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 20, "total_tokens": 30},
    }))
    .into_response()
}
