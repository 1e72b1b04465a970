//! Carries a worker's stream to the client, event by event, and collects the answer on its way.
//!
//! Only whole events go on. A stream that breaks ends in one error event, the worker's own or ours, without `[DONE]`.

use crate::{
    admission::Place,
    collect::{Collector, DONE, Outcome},
    endpoints::Flight,
    labels::Labels,
    metrics::Metrics,
    replay,
    sse::Event,
    upstream::{Opened, Tail},
};
use axum::body::Body;
use bytes::Bytes;
use cherokee_wire::error::{Code, ErrorBody};
use futures::stream;
use http::{HeaderValue, Response, header};
use serde_json::Value;
use std::{collections::VecDeque, convert::Infallible, sync::Arc, time::Instant};

/// What is done with the answer when its stream is over.
pub type WhenOver = Box<dyn FnOnce(Outcome) + Send>;

/// A stream on its way to the client.
pub struct Relay {
    rest: Option<Tail>,
    out: VecDeque<Bytes>,
    collector: Option<Collector>,
    /// The usage is there for memory only: the client did not ask for it.
    hides_usage: bool,
    when_over: Option<WhenOver>,
    is_over: bool,
    books: Books,
}

/// What is held and counted until the last byte of an answer is out, or the client is gone.
pub struct Books {
    /// Where the end is counted.
    pub metrics: Arc<Metrics>,
    /// Who answers.
    pub labels: Labels,
    /// When the query came.
    pub start: Instant,
    /// The query's place in this gateway.
    pub place: Place,
    /// The query at its worker.
    pub flight: Flight,
    /// How it ended.
    pub ended: &'static str,
}

impl Drop for Books {
    fn drop(&mut self) {
        self.metrics.stream_ended(self.ended);
        self.metrics.end(&self.labels, self.start.elapsed());
    }
}

impl Books {
    /// Books of a stream of which nothing is known yet: if it is dropped so, the client went away.
    pub fn open(metrics: Arc<Metrics>, labels: Labels, start: Instant, place: Place, flight: Flight) -> Self {
        Self { metrics, labels, start, place, flight, ended: "abandoned" }
    }
}

impl Relay {
    /// The client's response to an opened stream.
    pub fn respond(
        opened: Opened,
        collector: Collector,
        hides_usage: bool,
        when_over: WhenOver,
        books: Books,
    ) -> Response<Body> {
        let Opened { device: _, first, rest } = opened;
        let mut relay = Self {
            rest: Some(rest),
            out: VecDeque::new(),
            collector: Some(collector),
            hides_usage,
            when_over: Some(when_over),
            is_over: false,
            books,
        };
        relay.take(first);
        let body = Body::from_stream(stream::unfold(relay, async |mut relay| {
            let bytes = relay.next().await?;
            Some((Ok::<_, Infallible>(bytes), relay))
        }));
        let mut response = Response::new(body);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        response
    }

    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(bytes) = self.out.pop_front() {
                return Some(bytes);
            }
            if self.is_over {
                return None;
            }
            let Some(rest) = &mut self.rest else { return None };
            match rest.next().await {
                Ok(Some(events)) => self.take(events),
                Ok(None) => self.cut("the worker ended the stream early"),
                Err(cause) => self.cut(&cause),
            }
        }
    }

    fn take(&mut self, events: Vec<Event>) {
        let mut how = "whole";
        for event in events {
            // What a worker says after the end is not for anybody.
            if self.is_over {
                break;
            }
            let Some(data) = &event.data else {
                self.out.push_back(event.raw);
                continue;
            };
            let json: Option<Value> = if data.trim() == DONE { None } else { serde_json::from_str(data).ok() };
            if let Some(collector) = &mut self.collector {
                collector.take(data, json.as_ref());
                self.is_over = collector.done();
            }
            if json.as_ref().and_then(|json| json.get("error")).is_some_and(|error| !error.is_null()) {
                self.note_cut("the worker failed in the middle of its answer");
                self.is_over = true;
                how = "cut";
            }
            match json {
                Some(json) if self.hides_usage && json.get("usage").is_some() => self.out.extend(without_usage(json)),
                _ => self.out.push_back(event.raw),
            }
        }
        if self.is_over {
            self.over(how);
            if let Some(rest) = self.rest.take() {
                tokio::spawn(rest.finish());
            }
        }
    }

    fn note_cut(&self, cause: &str) {
        let Labels { request_id, role, .. } = &self.books.labels;
        tracing::warn!(request_id, role, cause, "stream cut");
    }

    fn cut(&mut self, cause: &str) {
        self.note_cut(cause);
        let body = ErrorBody::new(
            Code::StreamCut,
            "the worker failed in the middle of its answer; send the query again",
            None,
        );
        self.out.push_back(replay::event(&serde_json::json!(body).to_string()).into());
        self.is_over = true;
        self.over("cut");
    }

    fn over(&mut self, how: &'static str) {
        self.books.ended = how;
        if let (Some(collector), Some(when_over)) = (self.collector.take(), self.when_over.take()) {
            when_over(collector.outcome());
        }
    }
}

/// The event without its usage; none when it carries nothing else.
fn without_usage(mut json: Value) -> Option<Bytes> {
    let fields = json.as_object_mut()?;
    let usage = fields.remove("usage");
    let is_usage_chunk = usage.is_some_and(|usage| !usage.is_null())
        && fields.get("choices").is_some_and(|list| list == &serde_json::json!([]));
    (!is_usage_chunk).then(|| replay::event(&json.to_string()).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_usage_that_nobody_asked_for_is_taken_out() {
        let hidden = |json: Value| without_usage(json).map(|bytes| String::from_utf8(bytes.to_vec()).unwrap());
        assert_eq!(hidden(json!({"choices": [], "usage": {"total_tokens": 3}})), None);
        assert_eq!(hidden(json!({"choices": [1], "usage": null})).unwrap(), "data: {\"choices\":[1]}\n\n");
        assert_eq!(
            hidden(json!({"choices": [1], "usage": {"total_tokens": 3}})).unwrap(),
            "data: {\"choices\":[1]}\n\n"
        );
        assert!(hidden(json!({"error": {"message": "x"}})).is_some());
    }
}
