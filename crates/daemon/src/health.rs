//! The HTTP server of a program that serves nothing else: `/healthz`, `/readyz` and `/metrics`.

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::get,
};
use std::{fmt, io, sync::Arc};
use tokio::net::TcpListener;

/// Content type that Prometheus asks for.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What a program tells about itself.
pub trait Health: Send + Sync + 'static {
    /// Whether it does its work; else why not, as the body of the 503 of `/readyz`.
    fn ready(&self) -> Result<(), &'static str>;
    /// The page of `/metrics`, as OpenMetrics text; an error answers 500.
    fn metrics(&self) -> Result<String, fmt::Error>;
}

/// Serves until the future is dropped, or the server fails.
pub async fn serve<H: Health>(listener: TcpListener, health: Arc<H>) -> io::Result<()> {
    axum::serve(listener, router(health)).await
}

fn router<H: Health>(health: Arc<H>) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok" }))
        .route("/readyz", get(ready::<H>))
        .route("/metrics", get(metrics::<H>))
        .with_state(health)
}

async fn ready<H: Health>(State(health): State<Arc<H>>) -> Response {
    match health.ready() {
        Ok(()) => "ok".into_response(),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, why).into_response(),
    }
}

async fn metrics<H: Health>(State(health): State<Arc<H>>) -> Response {
    match health.metrics() {
        Ok(page) => ([(CONTENT_TYPE, OPEN_METRICS)], page).into_response(),
        Err(fmt::Error) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::{body::Body, http::Request};
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    struct Told(Result<(), &'static str>, Result<String, fmt::Error>);

    impl Health for Told {
        fn ready(&self) -> Result<(), &'static str> {
            self.0
        }
        fn metrics(&self) -> Result<String, fmt::Error> {
            self.1.clone()
        }
    }

    async fn answer(told: Told, path: &str) -> (u16, Option<String>, String) {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let answer = router(Arc::new(told)).oneshot(request).await.unwrap();
        let status = answer.status().as_u16();
        let kind = answer.headers().get(CONTENT_TYPE).map(|kind| kind.to_str().unwrap().to_owned());
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (status, kind, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn a_program_that_is_not_ready_is_alive_and_says_why() {
        let told = || Told(Err("no tick ended yet"), Ok(String::new()));
        assert_eq!(answer(told(), "/healthz").await.0, 200);
        let (status, _, body) = answer(told(), "/readyz").await;
        assert_eq!((status, body.as_str()), (503, "no tick ended yet"));
        assert_eq!(answer(Told(Ok(()), Ok(String::new())), "/readyz").await.0, 200);
    }

    #[tokio::test]
    async fn metrics_are_open_metrics_and_a_page_that_fails_is_a_500() {
        let (status, kind, page) = answer(Told(Ok(()), Ok("a_total 1\n".into())), "/metrics").await;
        assert_eq!((status, kind.as_deref(), page.as_str()), (200, Some(OPEN_METRICS), "a_total 1\n"));
        assert_eq!(answer(Told(Ok(()), Err(fmt::Error)), "/metrics").await.0, 500);
    }
}
