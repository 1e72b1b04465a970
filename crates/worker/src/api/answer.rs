//! The two endpoints that answer: admit, wait for the first event, then send one body or a stream.

use super::{
    frame::{Endpoint, Frame},
    refusal::Refusal,
    request::{self, Delivery},
};
use crate::{
    app::App,
    clock::unix_now,
    metrics::{Meter, Outcome},
};
use axum::{
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    http::{HeaderMap, HeaderValue, header::CONTENT_TYPE},
    response::{
        IntoResponse, Response, Sse,
        sse::{self, KeepAlive},
    },
};
use cherokee_engine::{Class, DeviceKind, Engine, Event, Query, Refused, Ticket};
use cherokee_wire::{
    error::{Code, ErrorBody},
    headers,
};
use futures::{Stream, stream};
use serde::de::DeserializeOwned;
use std::{collections::VecDeque, convert::Infallible};
use tokio::task::{self, JoinError};
use tokio_util::task::task_tracker::TaskTrackerToken;

type Body = Result<Bytes, BytesRejection>;

/// `POST /v1/chat/completions`.
pub(super) async fn chat(State(app): State<App>, headers: HeaderMap, body: Body) -> Response {
    let read = |class: Class, default: &str| request::chat(parse(body)?, class, default);
    answer(&app, &headers, Endpoint::Chat, read).await
}

/// `POST /v1/completions`.
pub(super) async fn complete(State(app): State<App>, headers: HeaderMap, body: Body) -> Response {
    let read = |class: Class, default: &str| request::complete(&parse(body)?, class, default);
    answer(&app, &headers, Endpoint::Completion, read).await
}

async fn answer(
    app: &App,
    headers: &HeaderMap,
    endpoint: Endpoint,
    read: impl FnOnce(Class, &str) -> Result<(Query, Delivery), Refusal>,
) -> Response {
    let outcome = async {
        let (answer, delivery) = begin(app, headers, endpoint, read).await?;
        if delivery.stream { answer.streamed().await } else { answer.whole().await }
    };
    let mut response = outcome.await.unwrap_or_else(IntoResponse::into_response);
    if let Some(id) = headers.get(headers::REQUEST_ID) {
        response.headers_mut().insert(headers::REQUEST_ID, id.clone());
    }
    if let Some(device) = app.engine().and_then(|engine| device(engine).parse().ok()) {
        response.headers_mut().insert(headers::DEVICE, device);
    }
    response
}

/// Checks the request and hands it to the engine.
async fn begin(
    app: &App,
    headers: &HeaderMap,
    endpoint: Endpoint,
    read: impl FnOnce(Class, &str) -> Result<(Query, Delivery), Refusal>,
) -> Result<(Answer, Delivery), Refusal> {
    let refuse = |refusal: Refusal| {
        app.metrics().refused(refusal.outcome());
        refusal
    };
    let (engine, admitted) = app.admit().map_err(|closed| refuse(closed.into()))?;
    let default = engine.report().models.first().map_or("", |model| model.name.as_str());
    let (query, delivery) = request::class(headers.get(headers::PRIORITY).map(HeaderValue::as_bytes))
        .and_then(|class| read(class, default))
        .map_err(refuse)?;
    let model = query.model.clone();
    let asked = app.clone();
    // A prompt takes a while to become tokens, and others wait for this thread.
    let submit = move || asked.engine().map_or(Err(Refused::Ended), |engine| engine.submit(query));
    let submitted = task::spawn_blocking(submit).await;
    let unread = |fault: JoinError| Refusal::new(Code::Internal, format!("the prompt was not read: {fault}"), None);
    let ticket = submitted.map_err(|fault| refuse(unread(fault)))?.map_err(|refused| refuse(refused.into()))?;
    let prefix = match endpoint {
        Endpoint::Chat => "chatcmpl",
        Endpoint::Completion => "cmpl",
    };
    let frame = Frame {
        endpoint,
        id: format!("{prefix}-{}", uuid::Uuid::new_v4().simple()),
        created: unix_now(),
        model: model.clone(),
        usage: delivery.usage,
        begun: false,
    };
    let request = headers.get(headers::REQUEST_ID).and_then(|id| id.to_str().ok()).unwrap_or(&frame.id).to_owned();
    let meter = Meter::new(app.metrics().clone(), model, request, ticket.prompt_tokens);
    Ok((Answer { frame, ticket, meter, _admitted: admitted }, delivery))
}

/// An accepted query on its way to the client. Dropping it cancels the query.
struct Answer {
    frame: Frame,
    ticket: Ticket,
    meter: Meter,
    /// Keeps a drain waiting.
    _admitted: TaskTrackerToken,
}

impl Answer {
    /// The next thing that happens; the end of the engine is a failure.
    async fn next(&mut self) -> Event {
        let event = self.ticket.events.recv().await;
        let event = event.unwrap_or_else(|| Event::Failed("the engine has ended".into()));
        self.meter.first();
        match &event {
            Event::Text(_) => {}
            Event::Done { usage, .. } => {
                self.meter.completion_tokens = usage.completion_tokens;
                self.meter.outcome = Outcome::Answered;
            }
            Event::Failed(_) => self.meter.outcome = Outcome::Failed,
        }
        event
    }

    async fn whole(mut self) -> Result<Response, Refusal> {
        let mut text = String::new();
        loop {
            match self.next().await {
                Event::Text(new) => text.push_str(&new),
                Event::Done { finish, usage } => {
                    let body = self.frame.whole(text, finish, usage);
                    return Ok(([(CONTENT_TYPE, "application/json")], body).into_response());
                }
                Event::Failed(fault) => return Err(Refusal::new(Code::Internal, fault, None)),
            }
        }
    }

    /// A stream. Its status is only sent once the engine has something to say, so that until then the query can still
    /// fail properly, and be asked of another.
    async fn streamed(mut self) -> Result<Response, Refusal> {
        match self.next().await {
            Event::Failed(fault) => Err(Refusal::new(Code::Internal, fault, None)),
            first => Ok(Sse::new(self.events(first)).keep_alive(KeepAlive::default()).into_response()),
        }
    }

    fn events(self, first: Event) -> impl Stream<Item = Result<sse::Event, Infallible>> {
        let ready = VecDeque::new();
        stream::unfold((self, Some(first), ready, false), |(mut answer, first, mut ready, mut ended)| async move {
            if ready.is_empty() && !ended {
                let event = match first {
                    Some(first) => first,
                    None => answer.next().await,
                };
                ended = !matches!(event, Event::Text(_));
                ready.extend(answer.chunks(event));
            }
            let chunk = ready.pop_front()?;
            Some((Ok(sse::Event::default().data(chunk)), (answer, None, ready, ended)))
        })
    }

    /// The data of one event. A failure is an error, and no `[DONE]` follows.
    fn chunks(&mut self, event: Event) -> Vec<String> {
        match event {
            Event::Text(text) => vec![self.frame.text(text)],
            Event::Done { finish, usage } => {
                let mut chunks = self.frame.end(finish, usage);
                chunks.push("[DONE]".into());
                chunks
            }
            Event::Failed(fault) => {
                let body = ErrorBody::new(Code::StreamCut, fault, None);
                serde_json::to_string(&body).into_iter().collect()
            }
        }
    }
}

fn parse<T: DeserializeOwned>(body: Body) -> Result<T, Refusal> {
    serde_json::from_slice(&body?)
        .map_err(|fault| Refusal::new(Code::InvalidRequest, format!("the body is not a request: {fault}"), None))
}

/// The device as a header says it: its UUID, or `cpu`.
fn device(engine: &Engine) -> &str {
    let info = &engine.report().device;
    match info.kind {
        DeviceKind::Cpu => "cpu",
        DeviceKind::Cuda | DeviceKind::Simulated => info.uuid.as_deref().unwrap_or("unknown"),
    }
}
