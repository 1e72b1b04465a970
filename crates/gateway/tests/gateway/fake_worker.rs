//! A worker that does what it is told: answers, refuses, waits, breaks off.

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    response::Response,
};
use bytes::Bytes;
use futures::{StreamExt, stream};
use http::{HeaderMap, StatusCode, header};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use std::{
    io,
    sync::{Arc, Mutex},
};
use tokio::{
    net::{TcpListener, TcpSocket},
    sync::watch,
};

/// What a worker does with a query. Its last act is repeated.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// Answers with this text, as the query asks: whole or as a stream of one delta a word.
    Say(&'static str),
    /// The same, cut by the limit of tokens.
    Limit(&'static str),
    /// As `Say`, and tells this device.
    SayOn(&'static str, &'static str),
    /// Answers with this status, with seconds for `Retry-After`.
    Status(u16, Option<u64>),
    /// Begins a body and breaks the connection.
    BreakOff,
    /// Streams this event and ends the body properly, without `[DONE]`.
    EndEarly(&'static str),
    /// Streams this event and breaks the connection in the middle of the next.
    CutAfter(&'static str),
    /// Streams this event and then nothing more.
    HangAfter(&'static str),
    /// Streams exactly these bytes, in parts of this many.
    Raw(&'static str, usize),
    /// Waits for [`Worker::open`], then says this.
    Wait(&'static str),
}

/// A query as a worker saw it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

#[derive(Clone)]
pub(crate) struct Worker {
    pub(crate) address: String,
    acts: Arc<Mutex<Vec<Act>>>,
    seen: Arc<Mutex<Vec<Seen>>>,
    gate: watch::Sender<bool>,
    /// Queries that are being answered.
    pub(crate) running: watch::Sender<usize>,
}

impl Worker {
    pub(crate) async fn start(acts: &[Act]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let worker = Self {
            address: listener.local_addr().unwrap().to_string(),
            acts: Arc::new(Mutex::new(acts.iter().rev().cloned().collect())),
            seen: Arc::default(),
            gate: watch::channel(false).0,
            running: watch::channel(0).0,
        };
        let router = Router::new().fallback(answer).with_state(worker.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        worker
    }

    /// An address where nobody listens.
    pub(crate) fn nobody() -> String {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
        // Kept: else another test's worker might be given that port.
        Box::leak(Box::new(socket)).local_addr().unwrap().to_string()
    }

    /// An address where every connection is closed as soon as a query came.
    pub(crate) async fn dropper() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let mut some = [0; 64];
                stream.readable().await.unwrap();
                let _ = stream.try_read(&mut some);
            }
        });
        address
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// Lets those go on that wait.
    pub(crate) fn open(&self) {
        self.gate.send_replace(true);
    }
}

/// Counts a query as running until it is dropped.
struct Running(watch::Sender<usize>);

impl Running {
    fn new(count: &watch::Sender<usize>) -> Self {
        count.send_modify(|count| *count += 1);
        Self(count.clone())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

async fn answer(State(worker): State<Worker>, request: Request) -> Response {
    let running = Running::new(&worker.running);
    let (head, body) = request.into_parts();
    let body: Value = serde_json::from_slice(&body.collect().await.unwrap().to_bytes()).unwrap();
    let path = head.uri.path().to_owned();
    worker.seen.lock().unwrap().push(Seen { path: path.clone(), headers: head.headers, body: body.clone() });
    let act = {
        let mut acts = worker.acts.lock().unwrap();
        if acts.len() > 1 { acts.pop().unwrap() } else { acts[0].clone() }
    };
    let chat = path.ends_with("chat/completions");
    let streams = body["stream"] == true;
    let usage = streams.then(|| body["stream_options"]["include_usage"] == true);
    let say = |text, finish| {
        if streams { speech(text, finish, chat, usage == Some(true)) } else { whole(text, finish, chat) }
    };
    match act {
        Act::Say(text) => say(text, "stop"),
        Act::SayOn(device, text) => {
            let mut response = say(text, "stop");
            response.headers_mut().insert("x-cherokee-device", device.parse().unwrap());
            response
        }
        Act::Limit(text) => say(text, "length"),
        Act::Wait(text) => {
            worker.gate.subscribe().wait_for(|open| *open).await.unwrap();
            say(text, "stop")
        }
        Act::Status(status, seconds) => {
            let mut response = Response::new(Body::from(json!({"error": {"message": "worker says no"}}).to_string()));
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            response.headers_mut().extend(seconds.map(|seconds| (header::RETRY_AFTER, seconds.into())));
            response
        }
        Act::BreakOff => {
            parts(vec![Ok("{\"id\":".into()), Err(io::Error::other("broken"))], "application/json", running)
        }
        Act::EndEarly(event) => parts(vec![Ok(event.into())], EVENTS, running),
        Act::CutAfter(event) => {
            let parts_of =
                vec![Ok(event.into()), Ok("data: {\"choices\": [{\"ind".into()), Err(io::Error::other("broken"))];
            parts(parts_of, EVENTS, running)
        }
        Act::HangAfter(event) => {
            let body = stream::iter([Ok::<Bytes, io::Error>(event.into())]).chain(stream::pending()).map(move |part| {
                let _ = &running;
                part
            });
            typed(Body::from_stream(body), EVENTS)
        }
        Act::Raw(text, size) => {
            parts(text.as_bytes().chunks(size).map(|part| Ok(part.into())).collect(), EVENTS, running)
        }
    }
}

const EVENTS: &str = "text/event-stream";

fn typed(body: Body, kind: &'static str) -> Response {
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, kind.parse().unwrap());
    response
}

fn parts(parts: Vec<io::Result<Bytes>>, kind: &'static str, running: Running) -> Response {
    // A pause between parts, so that each is sent by itself.
    let body = stream::iter(parts).then(move |part| {
        let _ = &running;
        async move {
            tokio::task::yield_now().await;
            part
        }
    });
    typed(Body::from_stream(body), kind)
}

const USAGE: [(&str, u32); 3] = [("prompt_tokens", 7), ("completion_tokens", 4), ("total_tokens", 11)];

fn usage() -> Value {
    USAGE
        .into_iter()
        .map(|(name, count)| (name.to_owned(), Value::from(count)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

fn whole(text: &str, finish: &str, chat: bool) -> Response {
    let mut choice = json!({"index": 0, "logprobs": null, "finish_reason": finish});
    if chat {
        choice["message"] = json!({"role": "assistant", "content": text});
    } else {
        choice["text"] = json!(text);
    }
    let object = if chat { "chat.completion" } else { "text_completion" };
    let body =
        json!({"id": "worker-1", "object": object, "created": 1, "model": "m", "choices": [choice], "usage": usage()});
    typed(Body::from(body.to_string()), "application/json")
}

fn speech(text: &'static str, finish: &str, chat: bool, with_usage: bool) -> Response {
    let mut events = String::from(": queued\n\n");
    let mut send = |choices: Value, usage: Value| {
        let mut chunk = json!({"id": "worker-1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": choices});
        if with_usage {
            chunk["usage"] = usage;
        }
        events.push_str(&format!("data: {chunk}\n\n"));
    };
    if chat {
        send(json!([{"index": 0, "delta": {"role": "assistant"}, "finish_reason": null}]), Value::Null);
    }
    for word in text.split_inclusive(' ') {
        let choice =
            if chat { json!({"index": 0, "delta": {"content": word}}) } else { json!({"index": 0, "text": word}) };
        send(json!([choice]), Value::Null);
    }
    let last = if chat {
        json!({"index": 0, "delta": {}, "finish_reason": finish})
    } else {
        json!({"index": 0, "text": "", "finish_reason": finish})
    };
    send(json!([last]), Value::Null);
    if with_usage {
        send(json!([]), usage());
    }
    events.push_str("data: [DONE]\n\n");
    typed(Body::from(events), EVENTS)
}
