//! What all passes share: the way to the API server, the clock, and when each cluster is due.

use crate::{
    args::Settings, clock::Clock, error::Error, holds::Keeper, lease::Leadership, metrics::Metrics, report::Reporter,
};
use chrono::{DateTime, Utc};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{
    Client,
    runtime::events::{Recorder, Reporter as Sender},
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// Longest time between two tries of a pass that fails.
const LONGEST_BACKOFF: Duration = Duration::from_mins(1);
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
            due: Mutex::default(),
            failures: Mutex::default(),
        }
    }

    /// Writes only while `leadership` says so.
    #[must_use]
    pub fn led_by(self, leadership: Leadership) -> Self {
        Self { leadership, ..self }
    }

    /// Says on an object that it can't be read.
    pub async fn unreadable(&self, meta: &ObjectMeta, error: &str) -> Result<(), Error> {
        tracing::warn!(namespace = meta.namespace, name = meta.name, error, "a CherokeeCluster can't be read");
        self.metrics.error("Unreadable");
        self.due(meta.namespace.as_deref().unwrap_or_default(), meta.name.as_deref().unwrap_or_default(), None);
        self.reporter().unreadable(meta, error, self.clock.now()).await
    }

    /// A pass failed; returns how many have in a row.
    pub(crate) fn failed(&self, namespace: &str, name: &str) -> u32 {
        *locked(&self.failures).entry((namespace.to_owned(), name.to_owned())).and_modify(|n| *n += 1).or_insert(1)
    }

    /// A pass went through.
    pub(crate) fn passed(&self, namespace: &str, name: &str) {
        locked(&self.failures).remove(&(namespace.to_owned(), name.to_owned()));
    }

    /// How long to wait before a failed pass is tried again.
    pub(crate) fn backoff(&self, namespace: &str, name: &str) -> Duration {
        let failures = locked(&self.failures).get(&(namespace.to_owned(), name.to_owned())).copied().unwrap_or(1);
        FIRST_BACKOFF.saturating_mul(1 << (failures - 1).min(10)).min(LONGEST_BACKOFF)
    }

    pub(crate) fn keeper(&self) -> Keeper<'_> {
        Keeper { client: &self.client, leadership: &self.leadership }
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
