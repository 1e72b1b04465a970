//! One try at one worker: pooled connections, no limit on a stream but between its bytes, and a clear word for each failure.

use crate::{
    collect::DONE,
    sse::{Event, Splitter},
};
use bytes::Bytes;
use cherokee_wire::headers;
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use std::time::Duration;
use tokio::time::timeout;

/// Largest whole answer that is taken from a worker.
const MAX_ANSWER_BYTES: usize = 64 << 20;
/// Time for a connection to be made: workers are near.
const CONNECT: Duration = Duration::from_secs(1);
/// Idle connections are closed after this, before a worker closes them in the middle of a query.
const POOL_IDLE: Duration = Duration::from_secs(30);
/// A peer that vanished is noticed after idle time plus three probes.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// Client of all workers.
#[derive(Clone, Debug)]
pub struct Upstream {
    client: Client<HttpConnector, Full<Bytes>>,
    limits: Limits,
}

/// How long a worker may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Until a whole answer, or the first event of a stream.
    pub answer: Duration,
    /// Between two bytes of a stream.
    pub idle: Duration,
}

/// One query for one worker.
#[derive(Clone, Debug)]
pub struct Call<'a> {
    /// `host:port` of the worker.
    pub address: &'a str,
    /// Path of the endpoint.
    pub path: &'a str,
    /// Body, as the worker is to read it.
    pub body: Bytes,
    /// See [`headers::REQUEST_ID`].
    pub request_id: &'a str,
}

/// What a worker said.
#[derive(Debug)]
pub enum Reply {
    /// A whole body, success or the client's own mistake.
    Whole(Whole),
    /// A stream that has begun.
    Stream(Opened),
}

impl Reply {
    /// Device that answers, if the worker tells.
    pub fn device(&self) -> Option<&str> {
        match self {
            Self::Whole(whole) => device(&whole.headers),
            Self::Stream(opened) => opened.device.as_deref(),
        }
    }
}

/// A whole answer.
#[derive(Debug)]
pub struct Whole {
    /// Its status.
    pub status: StatusCode,
    /// Its headers, of which few go on.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

/// A stream whose first data is there.
#[derive(Debug)]
pub struct Opened {
    /// Device that answers, if the worker tells.
    pub device: Option<String>,
    /// The first events.
    pub first: Vec<Event>,
    /// What follows.
    pub rest: Tail,
}

/// Why a try failed. Nothing of it has reached the client.
#[derive(Debug)]
pub enum Failure {
    /// The worker's queue is full (429); seconds it asks to wait.
    Full(Option<u64>),
    /// It cannot be reached, or takes nothing now (503).
    Away(String),
    /// It took the query and then failed.
    Lost(String),
    /// It gave no answer in time.
    Slow,
}

impl Failure {
    /// Word for metrics.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Full(_) => "full",
            Self::Away(_) => "away",
            Self::Lost(_) => "lost",
            Self::Slow => "slow",
        }
    }
}

impl Upstream {
    /// A client without connections.
    pub fn new(limits: Limits) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT));
        connector.set_nodelay(true);
        connector.set_keepalive(Some(KEEP_ALIVE));
        connector.set_keepalive_interval(Some(KEEP_ALIVE));
        connector.set_keepalive_retries(Some(3));
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(POOL_IDLE)
            .pool_timer(TokioTimer::new())
            .build(connector);
        Self { client, limits }
    }

    /// Asks one worker once. A stream is returned when its first data is there.
    pub async fn ask(&self, call: &Call<'_>) -> Result<Reply, Failure> {
        timeout(self.limits.answer, self.ask_without_limit(call)).await.unwrap_or(Err(Failure::Slow))
    }

    async fn ask_without_limit(&self, call: &Call<'_>) -> Result<Reply, Failure> {
        let request = Request::post(format!("http://{}{}", call.address, call.path))
            .header(header::CONTENT_TYPE, "application/json")
            .header(headers::PRIORITY, headers::INTERACTIVE)
            .header(headers::REQUEST_ID, call.request_id)
            .body(Full::new(call.body.clone()))
            .map_err(|error| Failure::Away(format!("address {}: {error}", call.address)))?;
        let response = self.client.request(request).await.map_err(|error| {
            let text = with_causes(&error);
            if error.is_connect() { Failure::Away(text) } else { Failure::Lost(text) }
        })?;
        let (head, body) = response.into_parts();
        let is_stream = head
            .headers
            .get(header::CONTENT_TYPE)
            .is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
        match head.status {
            StatusCode::TOO_MANY_REQUESTS => Err(Failure::Full(seconds(&head.headers))),
            StatusCode::SERVICE_UNAVAILABLE => Err(Failure::Away("it answers 503".to_owned())),
            status if status.is_server_error() => Err(Failure::Lost(format!("it answers {status}"))),
            status if status.is_success() && is_stream => {
                self.open(device(&head.headers).map(str::to_owned), body).await.map(Reply::Stream)
            }
            status => {
                let body = Limited::new(body, MAX_ANSWER_BYTES).collect().await;
                let body = body.map_err(|error| Failure::Lost(with_causes(&*error)))?.to_bytes();
                Ok(Reply::Whole(Whole { status, headers: head.headers, body }))
            }
        }
    }

    async fn open(&self, device: Option<String>, body: Incoming) -> Result<Opened, Failure> {
        let mut rest = Tail { body, splitter: Splitter::default(), idle: self.limits.idle };
        let mut first = Vec::new();
        loop {
            // Until the first data, only the limit of the whole answer counts: the query may wait in the worker's queue.
            let events = rest.next_events().await.map_err(Failure::Lost)?;
            first.extend(events.ok_or_else(|| Failure::Lost("the stream ended before it began".to_owned()))?);
            if let Some(data) = first.iter().find_map(|event| event.data.as_deref()) {
                let is_error = data != DONE
                    && serde_json::from_str(data).is_ok_and(|json: serde_json::Value| json.get("error").is_some());
                return if is_error {
                    Err(Failure::Lost("the stream begins with an error".to_owned()))
                } else {
                    Ok(Opened { device, first, rest })
                };
            }
        }
    }
}

/// What is still to come of a stream. Dropping it tells the worker to stop.
#[derive(Debug)]
pub struct Tail {
    body: Incoming,
    splitter: Splitter,
    idle: Duration,
}

impl Tail {
    /// The next whole events; none at the end. An error says why the stream is cut.
    pub async fn next(&mut self) -> Result<Option<Vec<Event>>, String> {
        let idle = self.idle;
        let late = || Err(format!("no byte for {} s", idle.as_secs()));
        timeout(idle, self.next_events()).await.unwrap_or_else(|_| late())
    }

    /// Reads what is left after the last event, for a moment, so that the connection serves the next query.
    pub async fn finish(mut self) {
        let rest = async { while self.body.frame().await.is_some_and(|frame| frame.is_ok()) {} };
        let _ = timeout(CONNECT, rest).await;
    }

    async fn next_events(&mut self) -> Result<Option<Vec<Event>>, String> {
        loop {
            match self.body.frame().await {
                None => return Ok(None),
                Some(Err(error)) => return Err(with_causes(&error)),
                Some(Ok(frame)) => {
                    let Some(bytes) = frame.data_ref() else { continue };
                    return self.splitter.push(bytes).map(Some).map_err(|_| "an event is too large".to_owned());
                }
            }
        }
    }
}

/// The device that a worker tells.
fn device(head: &HeaderMap) -> Option<&str> {
    head.get(headers::DEVICE)?.to_str().ok()
}

/// Seconds of `Retry-After`, if it is a number.
fn seconds(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()
}

/// An error with its causes, for the log.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
