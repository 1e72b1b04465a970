//! `/healthz`, `/readyz` and `/metrics`.

use crate::{Error, metrics::Metrics};
use axum::{Router, extract::State, http::header::CONTENT_TYPE, response::IntoResponse, routing::get};
use std::{future::Future, net::SocketAddr, sync::Arc};

/// Content type that Prometheus asks for.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Binds the address at once and returns what serves it.
pub(crate) async fn serve(listen: SocketAddr, metrics: Arc<Metrics>) -> Result<impl Future<Output = ()> + Send, Error> {
    let listener = tokio::net::TcpListener::bind(listen).await.map_err(|error| Error::Listen(listen, error))?;
    tracing::info!(%listen, "listening");
    // Always ready: an unready container would take the worker beside it out of service, whom a lack of memory does
    // not hinder.
    let routes = Router::new()
        .route("/healthz", get(|| async { "ok" }))
        .route("/readyz", get(|| async { "ok" }))
        .route("/metrics", get(page))
        .with_state(metrics);
    Ok(async move {
        if let Err(error) = axum::serve(listener, routes).await {
            tracing::error!(%error, "the HTTP server ended");
        }
    })
}

async fn page(State(metrics): State<Arc<Metrics>>) -> impl IntoResponse {
    ([(CONTENT_TYPE, OPEN_METRICS)], metrics.page())
}
