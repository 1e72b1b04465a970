//! What a dream container tells at `/readyz` and `/metrics`.

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
    /// Always ready: an unready container would take the worker beside it out of service, which a lack of memory does
    /// not hinder.
    fn ready(&self) -> Result<(), &'static str> {
        Ok(())
    }
    fn metrics(&self) -> Result<String, fmt::Error> {
        self.page()
    }
}
