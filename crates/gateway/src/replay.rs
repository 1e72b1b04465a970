//! Answers from memory: the same entry as a whole body or as a stream.

use crate::{ask::Ask, collect::DONE};
use axum::body::Body;
use bytes::Bytes;
use cherokee_memory::{Endpoint, Entry};
use chrono::{DateTime, Utc};
use http::{HeaderValue, Response, header};
use serde_json::{Map, Value, json};
use uuid::Uuid;

/// Bytes of text in one delta of a replayed stream, roughly.
const PIECE_BYTES: usize = 32;

/// The entry as an answer to `ask`, with an id and a time of its own.
pub fn replay(entry: &Entry, ask: &Ask, now: DateTime<Utc>) -> Response<Body> {
    let head = Head::new(entry, now);
    let (kind, body) = if ask.stream {
        ("text/event-stream", stream(&head, entry, ask.wants_usage))
    } else {
        ("application/json", whole(&head, entry).to_string())
    };
    let mut response = Response::new(Body::from(Bytes::from(body)));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// What all parts of one answer share.
struct Head<'a> {
    endpoint: Endpoint,
    id: String,
    created: i64,
    model: &'a str,
}

impl<'a> Head<'a> {
    fn new(entry: &'a Entry, now: DateTime<Utc>) -> Self {
        let prefix = match entry.endpoint {
            Endpoint::Chat => "chatcmpl",
            Endpoint::Completion => "cmpl",
        };
        let id = format!("{prefix}-{}", Uuid::new_v4().simple());
        Self { endpoint: entry.endpoint, id, created: now.timestamp(), model: &entry.model }
    }

    fn object(&self, choices: Value, streamed: bool) -> Map<String, Value> {
        let object = match (self.endpoint, streamed) {
            (Endpoint::Chat, true) => "chat.completion.chunk",
            (Endpoint::Chat, false) => "chat.completion",
            (Endpoint::Completion, _) => "text_completion",
        };
        let mut fields = Map::new();
        fields.insert("id".to_owned(), json!(self.id));
        fields.insert("object".to_owned(), json!(object));
        fields.insert("created".to_owned(), json!(self.created));
        fields.insert("model".to_owned(), json!(self.model));
        fields.insert("choices".to_owned(), choices);
        fields
    }
}

fn whole(head: &Head<'_>, entry: &Entry) -> Value {
    let answer = &entry.answer;
    let mut choice = match head.endpoint {
        Endpoint::Completion => json!({"text": answer.content}),
        Endpoint::Chat => {
            let mut message = answer.extra.clone();
            message.insert("role".to_owned(), json!("assistant"));
            message.insert("content".to_owned(), json!(answer.content));
            json!({"message": message})
        }
    };
    finish(&mut choice, json!(answer.finish_reason));
    let mut body = head.object(json!([choice]), false);
    body.insert("usage".to_owned(), json!(answer.usage));
    Value::Object(body)
}

fn stream(head: &Head<'_>, entry: &Entry, wants_usage: bool) -> String {
    let answer = &entry.answer;
    let mut choices = Vec::new();
    match head.endpoint {
        Endpoint::Chat => {
            let mut delta = |name: &str, value: Value| choices.push(json!({"delta": {name: value}}));
            delta("role", json!("assistant"));
            answer.extra.iter().for_each(|(name, value)| delta(name, value.clone()));
            pieces(&answer.content).for_each(|piece| delta("content", json!(piece)));
            choices.push(json!({"delta": {}}));
        }
        Endpoint::Completion => {
            pieces(&answer.content).for_each(|piece| choices.push(json!({"text": piece})));
            choices.push(json!({"text": ""}));
        }
    }
    let last = choices.len() - 1;
    let mut out = String::new();
    let mut send = |choices: Value, usage: Value| {
        let mut chunk = head.object(choices, true);
        if wants_usage {
            chunk.insert("usage".to_owned(), usage);
        }
        out.push_str(&event(&Value::Object(chunk).to_string()));
    };
    for (at, mut choice) in choices.into_iter().enumerate() {
        finish(&mut choice, if at == last { json!(answer.finish_reason) } else { Value::Null });
        send(json!([choice]), Value::Null);
    }
    if wants_usage {
        send(json!([]), json!(answer.usage));
    }
    out + &event(DONE)
}

fn finish(choice: &mut Value, reason: Value) {
    choice["index"] = json!(0);
    choice["logprobs"] = Value::Null;
    choice["finish_reason"] = reason;
}

/// One event with this data.
pub fn event(data: &str) -> String {
    format!("data: {data}\n\n")
}

/// The text in pieces that end between characters.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let end = (PIECE_BYTES.min(rest.len())..=rest.len()).find(|&at| rest.is_char_boundary(at))?;
        let (piece, more) = rest.split_at(end);
        rest = more;
        (!piece.is_empty()).then_some(piece)
    })
}

#[cfg(test)]
#[path = "replay_tests.rs"]
mod tests;
