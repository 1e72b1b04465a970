//! One try of a pass: its deadline, its count, and what the resource says while tries keep failing.

use crate::{error::Error, name::Name, operator::Operator, queue::Next, reconcile, wakes::Uses};
use std::time::{Duration, Instant};
use tracing::Instrument;

/// Longest time that a pass may take: one hung connection must not keep the lock on devices for ever.
const LONGEST_PASS: Duration = Duration::from_mins(2);
/// Failed passes in a row after which the resource says so: one may be chance.
const FAILURES: u32 = 3;
/// Time in which the API server must take a status that says why it was no use before.
const STATUS_LIMIT: Duration = Duration::from_secs(10);

impl Operator {
    /// One pass over one cluster: brings the world to what it wants and says so. Returns when the next pass is due; none if
    /// only a change can make one necessary. The stores must be filled: see [`Self::listed`].
    pub async fn reconcile(&self, namespace: &str, name: &str) -> Result<Option<Next>, Error> {
        let name = &Name::new(namespace, name);
        if let Some(Err(invalid)) = self.stores.clusters.get(name).as_deref().map(|seen| &seen.read) {
            // No device concerns it until it can be read.
            self.wakes.uses(name, Uses::default());
            let told = self.unreadable(&invalid.metadata, &invalid.error).await;
            if told.is_err() {
                self.failed(name);
            }
            return told.map(|()| None);
        }
        let span = tracing::info_span!("pass", cluster = %name);
        let begun = Instant::now();
        let pass = tokio::time::timeout(LONGEST_PASS, reconcile::pass(self, name));
        let answer = pass.instrument(span).await.unwrap_or(Err(Error::Slow { limit: LONGEST_PASS }));
        match &answer {
            Ok(_) => {
                self.metrics.pass("ok", begun.elapsed());
                self.passed(name);
            }
            Err(error) => {
                self.metrics.pass("error", begun.elapsed());
                self.metrics.error(error.reason());
                let failures = self.failed(name);
                tracing::warn!(%error, failures, cluster = %name, "a pass ended early");
                if failures >= FAILURES {
                    self.tell(name, error).await;
                }
            }
        }
        answer
    }

    /// Says on the resource why its passes fail, as far as the API server lets it.
    async fn tell(&self, name: &Name, error: &Error) {
        let told = async {
            if let Some(Ok(cluster)) = self.stores.clusters.get(name).as_deref().map(|seen| &seen.read) {
                self.reporter().fail(cluster, error, self.clock.now()).await?;
            }
            Ok::<_, Error>(())
        };
        match tokio::time::timeout(STATUS_LIMIT, told).await {
            Ok(Ok(())) => {}
            Ok(Err(second)) => tracing::debug!(error = %second, "the status was not stored"),
            Err(_) => tracing::debug!("the status was not stored in time"),
        }
    }
}
