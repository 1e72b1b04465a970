//! A client as plain as possible.

use bytes::Bytes;
use cherokee_gateway::sse::Splitter;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::{Response, body::Incoming};
use hyper_util::{client::legacy::Client as Pool, rt::TokioExecutor};
use serde_json::Value;
use std::{net::SocketAddr, time::Duration};

/// Time after which a test has failed.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Layer, role, reason and memory, as the headers say.
    pub(crate) fn way(&self) -> [&str; 4] {
        ["x-cherokee-layer", "x-cherokee-role", "x-cherokee-reason", "x-cherokee-memory"].map(|name| self.header(name))
    }

    /// The error's code.
    pub(crate) fn code(&self) -> Value {
        let error = &self.json()["error"];
        assert!(error["message"].is_string() && error["type"].is_string(), "{}", self.text);
        error["code"].clone()
    }

    /// Data of the stream's events.
    pub(crate) fn events(&self) -> Vec<String> {
        assert_eq!(self.header("content-type"), "text/event-stream");
        Splitter::default().push(self.text.as_bytes()).unwrap().into_iter().filter_map(|event| event.data).collect()
    }

    /// Text of the answer, whole or streamed.
    pub(crate) fn content(&self) -> String {
        if self.header("content-type") != "text/event-stream" {
            let choice = &self.json()["choices"][0];
            return choice["message"]["content"].as_str().or(choice["text"].as_str()).unwrap().to_owned();
        }
        let piece = |data: String| {
            let choice = &serde_json::from_str::<Value>(&data).ok()?["choices"][0];
            choice["delta"]["content"].as_str().or(choice["text"].as_str()).map(str::to_owned)
        };
        self.events().into_iter().filter_map(piece).collect()
    }
}

pub(crate) struct Client {
    pool: Pool<hyper_util::client::legacy::connect::HttpConnector, Full<Bytes>>,
    pub(crate) address: SocketAddr,
    pub(crate) headers: Vec<(&'static str, String)>,
}

impl Client {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { pool: Pool::builder(TokioExecutor::new()).build_http(), address, headers: Vec::new() }
    }

    pub(crate) fn http2(address: SocketAddr) -> Self {
        Self { pool: Pool::builder(TokioExecutor::new()).http2_only(true).build_http(), ..Self::new(address) }
    }

    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    /// The head of an answer; its body follows.
    pub(crate) async fn begin(&self, method: Method, path: &str, body: String) -> Response<Incoming> {
        let mut request = Request::builder().method(method).uri(format!("http://{}{path}", self.address));
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        let request = request.body(Full::new(body.into())).unwrap();
        tokio::time::timeout(DEADLINE, self.pool.request(request)).await.expect("an answer in time").unwrap()
    }

    async fn whole(&self, method: Method, path: &str, body: String) -> Answer {
        let (head, body) = self.begin(method, path, body).await.into_parts();
        let body = tokio::time::timeout(DEADLINE, body.collect()).await.expect("a whole body in time").unwrap();
        Answer {
            status: head.status,
            headers: head.headers,
            text: String::from_utf8(body.to_bytes().to_vec()).unwrap(),
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.whole(Method::GET, path, String::new()).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.whole(Method::POST, path, body.to_string()).await
    }

    pub(crate) async fn chat(&self, body: &Value) -> Answer {
        self.post("/v1/chat/completions", body).await
    }
}
