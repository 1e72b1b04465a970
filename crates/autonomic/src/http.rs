//! What the daemon tells at `/readyz` and `/metrics`.

use crate::{Error, metrics::Metrics};
use cherokee_daemon::{health, listen};
use std::{fmt, future::Future, net::SocketAddr, sync::Arc};

/// Binds the address at once and returns what serves it.
pub(crate) async fn serve(listen: SocketAddr, metrics: Arc<Metrics>) -> Result<impl Future<Output = ()> + Send, Error> {
    let listener = listen::bind(listen).await.map_err(|error| Error::Listen(listen, error))?;
    tracing::info!(%listen, "listening");
    Ok(async move {
        if let Err(error) = health::serve(listener, metrics).await {
            tracing::error!(%error, "the HTTP server ended");
        }
    })
}

impl health::Health for Metrics {
    fn ready(&self) -> Result<(), &'static str> {
        if self.is_well() { Ok(()) } else { Err("the last tick failed, or none ended yet") }
    }
    fn metrics(&self) -> Result<String, fmt::Error> {
        self.page()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cherokee_daemon::health::Health;

    #[test]
    fn it_is_ready_while_the_last_tick_was_well() {
        let metrics = Metrics::new();
        assert!(metrics.ready().is_err());
        metrics.tick_done(true);
        assert!(metrics.ready().is_ok());
        metrics.tick_done(false);
        assert!(metrics.ready().is_err());
        let page = metrics.metrics().unwrap();
        assert!(page.contains("cherokee_autonomic_failed_ticks_total 1"), "{page}");
    }
}
