//! The HTTP side: which address does what, and how the process ends.

use crate::{gateway::Gateway, labels::Labels, models, query, refusal::Refusal};
use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
    serve::ListenerExt,
};
use cherokee_memory::Endpoint;
use cherokee_wire::{error::Code, unread};
use http::{HeaderValue, Method, StatusCode, Uri, Version, header};
use std::{
    future::Future,
    io,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tokio::{net::TcpListener, sync::oneshot};

/// After so many times [`Ending::pre_stop`] a gateway accepts no more, whoever comes.
const MOST_PRE_STOPS: u32 = 12;

/// How a gateway ends.
#[derive(Clone, Copy, Debug)]
pub struct Ending {
    /// Time to go on accepting after the signal, and after each query that comes then: so long, nobody is sent here any more.
    pub pre_stop: Duration,
    /// Time for running queries, from the end of the first `pre_stop` on.
    pub drain: Duration,
}

/// All addresses of a gateway.
pub fn router(gateway: Arc<Gateway>) -> Router {
    let chat = |State(gateway): State<Arc<Gateway>>, request: Request| query::answer(gateway, Endpoint::Chat, request);
    let completion =
        |State(gateway): State<Arc<Gateway>>, request: Request| query::answer(gateway, Endpoint::Completion, request);
    Router::new()
        .route(Endpoint::Chat.path(), post(chat))
        .route(Endpoint::Completion.path(), post(completion))
        .route("/v1/models", get(models::list))
        // A model's name may hold slashes.
        .route("/v1/models/{*id}", get(models::one))
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .fallback(no_such_address)
        .method_not_allowed_fallback(no_such_method)
        .layer(middleware::from_fn(unread_body))
        .layer(middleware::from_fn_with_state(Arc::clone(&gateway), farewell))
        .with_state(gateway)
}

/// Serves until `signal`, then ends as told. Returns when the last query is answered or its time is over.
pub async fn serve(
    listener: TcpListener,
    gateway: Arc<Gateway>,
    ending: Ending,
    signal: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let listener = listener.tap_io(|stream| {
        // A delta is small and must not wait for the next one.
        let _ = stream.set_nodelay(true);
    });
    let (tell, told) = oneshot::channel();
    let stopping = Arc::clone(&gateway);
    let until = async move {
        signal.await;
        tracing::info!(pre_stop_seconds = ending.pre_stop.as_secs(), "ends: not ready any more");
        stopping.ends.store(true, Ordering::Relaxed);
        let _ = tell.send(());
        noticed(&stopping, ending.pre_stop).await;
    };
    let serving = axum::serve(listener, router(gateway)).with_graceful_shutdown(until).into_future();
    let too_late = async {
        // The sender is gone without a word only when serving has failed, which ends the other branch.
        if told.await.is_err() {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(ending.pre_stop + ending.drain).await;
    };
    tokio::select! {
        served = serving => served,
        () = too_late => {
            tracing::warn!(drain_seconds = ending.drain.as_secs(), "ends with queries unanswered");
            Ok(())
        }
    }
}

/// Waits until no query has come for a whole `pre_stop`: who still sends some has not noticed the end, and would be refused.
async fn noticed(gateway: &Gateway, pre_stop: Duration) {
    for _ in 0..MOST_PRE_STOPS {
        let before = gateway.arrived.load(Ordering::Relaxed);
        tokio::time::sleep(pre_stop).await;
        if gateway.arrived.load(Ordering::Relaxed) == before {
            return;
        }
    }
}

async fn readyz(State(gateway): State<Arc<Gateway>>) -> Response {
    if gateway.is_ready() {
        return "ok\n".into_response();
    }
    let why = if gateway.ends.load(Ordering::Relaxed) { "ends\n" } else { "no layout yet\n" };
    (StatusCode::SERVICE_UNAVAILABLE, why).into_response()
}

async fn metrics(State(gateway): State<Arc<Gateway>>) -> Response {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], gateway.metrics.text()).into_response()
}

async fn no_such_address(method: Method, uri: Uri, request: Request) -> Response {
    let path = uri.path();
    let refusal = if path.starts_with("/v1/") {
        Refusal::new(
            Code::NotOffered,
            format!("{path} is not offered; there are {} and {}", Endpoint::Chat.path(), Endpoint::Completion.path()),
        )
    } else {
        Refusal::no_such(StatusCode::NOT_FOUND, format!("invalid URL ({method} {path}); the API is under /v1"))
    };
    labelled(refusal, &request)
}

async fn no_such_method(method: Method, uri: Uri, request: Request) -> Response {
    labelled(
        Refusal::no_such(StatusCode::METHOD_NOT_ALLOWED, format!("{} does not take {method}", uri.path())),
        &request,
    )
}

fn labelled(refusal: Refusal, request: &Request) -> Response {
    let labels = Labels::new(request.headers());
    let mut response = refusal.into_response();
    labels.write(response.headers_mut());
    response
}

/// Lets a client that is refused before its body was read get the answer.
async fn unread_body(request: Request, next: Next) -> Response {
    let limit = async { tokio::time::sleep(unread::TIME).await };
    unread::swallowed(request, limit, |request| next.run(request.map(Body::new))).await
}

/// Once the process is to end, asks clients to bring their next query elsewhere instead of keeping the connection.
async fn farewell(State(gateway): State<Arc<Gateway>>, request: Request, next: Next) -> Response {
    let may_close = request.version() <= Version::HTTP_11;
    let mut response = next.run(request).await;
    if may_close && gateway.ends.load(Ordering::Relaxed) {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}
