//! One try of a pass: its deadline, its count, and what the resource says while tries keep failing.

use crate::{
    error::{Doing, Error},
    operator::Operator,
    reconcile,
};
use cherokee_api::CherokeeCluster;
use kube::{Api, core::DeserializeGuard};
use std::time::{Duration, Instant};
use tracing::Instrument;

/// Longest time that a pass may take: one hung connection must not keep the lock on devices for ever.
const LONGEST_PASS: Duration = Duration::from_mins(2);
/// Failed passes in a row after which the resource says so: one may be chance.
const FAILURES: u32 = 3;
/// Time in which the API server must take a status that says why it was no use before.
const STATUS_LIMIT: Duration = Duration::from_secs(10);

impl Operator {
    /// One pass over one cluster: brings the world to what it wants and says so. Returns after how long, at the latest,
    /// the next pass is due.
    pub async fn reconcile(&self, namespace: &str, name: &str) -> Result<Duration, Error> {
        let span = tracing::info_span!("pass", cluster = %format_args!("{namespace}/{name}"));
        let begun = Instant::now();
        let pass = tokio::time::timeout(LONGEST_PASS, reconcile::pass(self, namespace, name));
        let answer = pass.instrument(span).await.unwrap_or(Err(Error::Slow { limit: LONGEST_PASS }));
        match &answer {
            Ok(_) => {
                self.metrics.pass("ok", begun.elapsed());
                self.passed(namespace, name);
            }
            Err(error) => {
                self.metrics.pass("error", begun.elapsed());
                self.metrics.error(error.reason());
                let failures = self.failed(namespace, name);
                tracing::warn!(%error, failures, namespace, name, "a pass ended early");
                if failures >= FAILURES {
                    self.tell(namespace, name, error).await;
                }
            }
        }
        answer
    }

    /// Says on the resource why its passes fail, as far as the API server lets it.
    async fn tell(&self, namespace: &str, name: &str, error: &Error) {
        let told = async {
            let api: Api<DeserializeGuard<CherokeeCluster>> = Api::namespaced(self.client.clone(), namespace);
            let found = api.get_opt(name).await.doing(format!("read CherokeeCluster `{name}`"))?;
            if let Some(cluster) = found.and_then(|guard| guard.0.ok()) {
                self.reporter().fail(&cluster, error, self.clock.now()).await?;
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
