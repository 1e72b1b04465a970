//! Work that computes for long runs beside the async threads, so that one cluster's plan delays nobody's requests.

/// Runs `work` on tokio's pool of blocking threads. A panic in it goes on in the caller.
pub(crate) async fn compute<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        // Cancelled: the runtime is shutting down, and nobody waits for this.
        Err(_) => std::future::pending().await,
    }
}
