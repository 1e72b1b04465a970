//! How Kubernetes and people tell a daemon to stop: SIGTERM and SIGINT.

use futures::future::BoxFuture;
use tokio::signal::unix::{SignalKind, signal};

/// Ends when the first signal to stop comes.
pub(crate) type Stop = BoxFuture<'static, ()>;

/// Listens from now on, so that no signal is lost before somebody waits for it.
pub(crate) fn stop() -> std::io::Result<Stop> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(Box::pin(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    }))
}
