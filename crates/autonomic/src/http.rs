//! `/healthz`, `/readyz` and `/metrics`.

use crate::{Error, metrics::Metrics};
use axum::{
    Router,
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::get,
};
use std::{future::Future, net::SocketAddr, sync::Arc};

/// Content type that Prometheus asks for.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Binds the address at once and returns what serves it.
pub(crate) async fn serve(listen: SocketAddr, metrics: Arc<Metrics>) -> Result<impl Future<Output = ()> + Send, Error> {
    let listener = tokio::net::TcpListener::bind(listen).await.map_err(|error| Error::Listen(listen, error))?;
    tracing::info!(%listen, "listening");
    Ok(async move {
        if let Err(error) = axum::serve(listener, router(metrics)).await {
            tracing::error!(%error, "the HTTP server ended");
        }
    })
}

fn router(metrics: Arc<Metrics>) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(page))
        .with_state(metrics)
}

async fn ready(State(metrics): State<Arc<Metrics>>) -> Response {
    if metrics.is_well() {
        "ok".into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "the last tick failed, or none ended yet").into_response()
    }
}

async fn page(State(metrics): State<Arc<Metrics>>) -> Response {
    ([(CONTENT_TYPE, OPEN_METRICS)], metrics.page()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::{body::Body, http::Request};
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    async fn get(metrics: &Arc<Metrics>, path: &str) -> (StatusCode, String) {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let answer = router(metrics.clone()).oneshot(request).await.unwrap();
        let status = answer.status();
        (status, String::from_utf8(answer.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap())
    }

    #[tokio::test]
    async fn it_is_ready_while_the_last_tick_was_well() {
        let metrics = Arc::new(Metrics::new());
        assert_eq!(get(&metrics, "/healthz").await.0, StatusCode::OK);
        assert_eq!(get(&metrics, "/readyz").await.0, StatusCode::SERVICE_UNAVAILABLE);
        metrics.tick_done(true);
        assert_eq!(get(&metrics, "/readyz").await.0, StatusCode::OK);
        metrics.tick_done(false);
        assert_eq!(get(&metrics, "/readyz").await.0, StatusCode::SERVICE_UNAVAILABLE);
        let (_, page) = get(&metrics, "/metrics").await;
        assert!(page.contains("cherokee_autonomic_failed_ticks_total 1"), "{page}");
    }
}
