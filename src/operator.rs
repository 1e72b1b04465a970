//! What all passes share: the way to the API server, the clock, the lock on devices, and when each cluster is due.

use crate::{
    args::Settings,
    clock::Clock,
    error::{Doing, Error},
    lease::Leadership,
    metrics::Metrics,
    reconcile,
    report::Reporter,
};
use cherokee_api::CherokeeCluster;
use chrono::{DateTime, Utc};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{
    Api, Client,
    core::DeserializeGuard,
    runtime::events::{Recorder, Reporter as Sender},
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tracing::Instrument;

/// Longest time between two tries of a pass that fails.
const LONGEST_BACKOFF: Duration = Duration::from_mins(1);
/// Longest time that a pass may take: one hung connection must not keep the lock on devices for ever.
const LONGEST_PASS: Duration = Duration::from_mins(2);
/// Failed passes in a row after which the resource says so: one may be chance.
const FAILURES: u32 = 3;
/// Time in which the API server must take a status that says why it was no use before.
const STATUS_LIMIT: Duration = Duration::from_secs(10);
/// Time before the second try.
const FIRST_BACKOFF: Duration = Duration::from_millis(500);

/// Namespace and name.
type Key = (String, String);

/// One operator. Client and clock are given, so that a test can run passes by hand.
pub struct Operator {
    pub(crate) client: Client,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) settings: Settings,
    pub(crate) leadership: Leadership,
    pub(crate) metrics: Arc<Metrics>,
    /// Held by a pass that takes a device, from reading who holds it until that is written.
    pub(crate) taking: tokio::sync::Mutex<()>,
    recorder: Recorder,
    due: Mutex<BTreeMap<Key, DateTime<Utc>>>,
    failures: Mutex<BTreeMap<Key, u32>>,
}

impl Operator {
    /// An operator that leads without a Lease; see [`Operator::led_by`].
    pub fn new(client: Client, clock: Arc<dyn Clock>, settings: Settings) -> Self {
        let sender =
            Sender { controller: cherokee_api::names::FIELD_MANAGER.into(), instance: Some(settings.identity.clone()) };
        Self {
            recorder: Recorder::new(client.clone(), sender),
            client,
            clock,
            settings,
            leadership: Leadership::always(),
            metrics: Arc::default(),
            taking: tokio::sync::Mutex::default(),
            due: Mutex::default(),
            failures: Mutex::default(),
        }
    }

    /// Writes only while `leadership` says so.
    #[must_use]
    pub fn led_by(self, leadership: Leadership) -> Self {
        Self { leadership, ..self }
    }

    /// One pass over one cluster: brings the world to what it wants and says so. Returns after how long, at the latest,
    /// the next pass is due.
    pub async fn reconcile(&self, namespace: &str, name: &str) -> Result<Duration, Error> {
        let span = tracing::info_span!("pass", cluster = %format_args!("{namespace}/{name}"));
        let begun = Instant::now();
        let pass = tokio::time::timeout(LONGEST_PASS, reconcile::pass(self, namespace, name));
        let answer = pass.instrument(span).await.unwrap_or(Err(Error::Slow { limit: LONGEST_PASS }));
        let key = (namespace.to_owned(), name.to_owned());
        match &answer {
            Ok(_) => {
                self.metrics.pass("ok", begun.elapsed());
                locked(&self.failures).remove(&key);
            }
            Err(error) => {
                self.metrics.pass("error", begun.elapsed());
                self.metrics.error(error.reason());
                let failures = { *locked(&self.failures).entry(key).and_modify(|n| *n += 1).or_insert(1) };
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

    /// Says on an object that it can't be read.
    pub async fn unreadable(&self, meta: &ObjectMeta, error: &str) -> Result<(), Error> {
        tracing::warn!(namespace = meta.namespace, name = meta.name, error, "a CherokeeCluster can't be read");
        self.metrics.error("Unreadable");
        self.due(meta.namespace.as_deref().unwrap_or_default(), meta.name.as_deref().unwrap_or_default(), None);
        self.reporter().unreadable(meta, error, self.clock.now()).await
    }

    /// How long to wait before a failed pass is tried again.
    pub(crate) fn backoff(&self, namespace: &str, name: &str) -> Duration {
        let failures = locked(&self.failures).get(&(namespace.to_owned(), name.to_owned())).copied().unwrap_or(1);
        FIRST_BACKOFF.saturating_mul(1 << (failures - 1).min(10)).min(LONGEST_BACKOFF)
    }

    pub(crate) fn reporter(&self) -> Reporter<'_> {
        Reporter { client: &self.client, leadership: &self.leadership, recorder: &self.recorder }
    }

    /// Notes when a cluster's plan changes by the wall clock.
    pub(crate) fn due(&self, namespace: &str, name: &str, at: Option<DateTime<Utc>>) {
        let key = (namespace.to_owned(), name.to_owned());
        match at {
            Some(at) => locked(&self.due).insert(key, at),
            None => locked(&self.due).remove(&key),
        };
    }

    /// Whether some cluster's time has come. A timer alone would not do: it stands still while the machine is paused.
    pub(crate) fn overdue(&self) -> bool {
        let now = self.clock.now();
        locked(&self.due).values().any(|at| *at <= now)
    }

    /// A cluster is gone.
    pub(crate) fn forget(&self, namespace: &str, name: &str) {
        let key = (namespace.to_owned(), name.to_owned());
        locked(&self.due).remove(&key);
        locked(&self.failures).remove(&key);
        self.metrics.forget(namespace, name);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
