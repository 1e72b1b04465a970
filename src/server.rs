//! What the operator tells at `/readyz` and `/metrics`.

use crate::{error::Error, metrics::Metrics};
use cherokee_daemon::{health, listen};
use std::{fmt, net::SocketAddr, sync::Arc};
use tokio::sync::watch;

/// Serves until the future that it returns is dropped. Ready: watching, or a standby replica.
pub(crate) async fn serve(
    address: SocketAddr,
    metrics: Arc<Metrics>,
    ready: watch::Receiver<bool>,
) -> Result<(), Error> {
    let failed = |source| Error::Listen { address, source };
    let listener = listen::bind(address).await.map_err(failed)?;
    health::serve(listener, Arc::new(Health { metrics, ready })).await.map_err(failed)
}

struct Health {
    metrics: Arc<Metrics>,
    ready: watch::Receiver<bool>,
}

impl health::Health for Health {
    fn ready(&self) -> Result<(), &'static str> {
        if *self.ready.borrow() { Ok(()) } else { Err("not watching yet") }
    }
    fn metrics(&self) -> Result<String, fmt::Error> {
        self.metrics.text()
    }
}
