//! The endpoints.

mod answer;
mod frame;
mod refusal;
mod request;
mod state;

use crate::app::App;
use axum::{
    Router,
    body::Body,
    extract::{DefaultBodyLimit, Request},
    middleware::{self, Next},
    response::Response,
    routing::{get, post},
};
use cherokee_wire::unread;

/// Largest body of a request, in bytes.
const BODY_LIMIT: usize = 4 << 20;

/// All endpoints over `app`.
pub fn router(app: App) -> Router {
    Router::new()
        .route("/v1/chat/completions", post(answer::chat))
        .route("/v1/completions", post(answer::complete))
        .route("/v1/models", get(state::models))
        .route("/v1/models/{id}", get(state::model))
        .route("/healthz", get(state::health))
        .route("/readyz", get(state::ready))
        .route("/metrics", get(state::metrics))
        .route("/status", get(state::status))
        .route("/download", get(state::download))
        .fallback(state::not_offered)
        .method_not_allowed_fallback(state::not_offered)
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(middleware::from_fn(unread_body))
        .with_state(app)
}

/// Lets a client that is refused before its body was read get the answer.
async fn unread_body(request: Request, next: Next) -> Response {
    let limit = async { tokio::time::sleep(unread::TIME).await };
    unread::swallowed(request, limit, |request| next.run(request.map(Body::new))).await
}
