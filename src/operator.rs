//! What all passes share: the way to the API server, its stores, the clock, and when each cluster is due.

use crate::{
    args::Settings, clock::Clock, error::Error, holds::Keeper, lease::Leadership, metrics::Metrics, name::Name,
    report::Reporter, stores::Stores, wakes::Wakes,
};
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

/// One operator. Client and clock are given, so that a test can run passes by hand.
pub struct Operator {
    pub(crate) client: Client,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) settings: Settings,
    pub(crate) leadership: Leadership,
    pub(crate) metrics: Arc<Metrics>,
    /// What the watches say.
    pub(crate) stores: Arc<Stores>,
    /// Who is due when.
    pub(crate) wakes: Arc<Wakes>,
    recorder: Recorder,
    failures: Mutex<BTreeMap<Name, u32>>,
}

impl Operator {
    /// An operator that leads without a Lease; see [`Operator::led_by`].
    pub fn new(client: Client, clock: Arc<dyn Clock>, settings: Settings) -> Self {
        let sender =
            Sender { controller: cherokee_api::names::FIELD_MANAGER.into(), instance: Some(settings.identity.clone()) };
        let metrics: Arc<Metrics> = Arc::default();
        let wakes: Arc<Wakes> = Arc::default();
        Self {
            recorder: Recorder::new(client.clone(), sender),
            client,
            clock,
            settings,
            leadership: Leadership::always(),
            stores: Stores::new(&[], wakes.clone(), metrics.named_reads()),
            wakes,
            metrics,
            failures: Mutex::default(),
        }
    }

    /// Writes only while `leadership` says so.
    #[must_use]
    pub fn led_by(self, leadership: Leadership) -> Self {
        Self { leadership, ..self }
    }

    /// Looks after these namespaces only; none: all.
    #[must_use]
    pub fn within(self, namespaces: &[String]) -> Self {
        let wakes = Arc::new(Wakes::new(namespaces));
        let stores = Stores::new(namespaces, wakes.clone(), self.metrics.named_reads());
        Self { stores, wakes, ..self }
    }

    /// Fills the stores that passes read, until the future is dropped. It ends only if a watch does, which none should.
    pub async fn watch(&self) {
        let mut watches = self.stores.watch(&self.client);
        if let Some(ended) = watches.join_next().await {
            tracing::error!(?ended, "a watch ended");
        }
    }

    /// Waits until [`Self::watch`] has listed everything: before that no pass may run.
    pub async fn listed(&self) {
        self.stores.listed().await;
    }

    /// Says on an object that it can't be read.
    pub async fn unreadable(&self, meta: &ObjectMeta, error: &str) -> Result<(), Error> {
        tracing::warn!(namespace = meta.namespace, name = meta.name, error, "a CherokeeCluster can't be read");
        self.metrics.error("Unreadable");
        self.reporter().unreadable(meta, error, self.clock.now()).await
    }

    /// A pass failed; returns how many have in a row.
    pub(crate) fn failed(&self, name: &Name) -> u32 {
        *locked(&self.failures).entry(name.clone()).and_modify(|n| *n += 1).or_insert(1)
    }

    /// A pass went through.
    pub(crate) fn passed(&self, name: &Name) {
        locked(&self.failures).remove(name);
    }

    /// How long to wait before a failed pass is tried again.
    pub(crate) fn backoff(&self, name: &Name) -> Duration {
        let failures = locked(&self.failures).get(name).copied().unwrap_or(1);
        FIRST_BACKOFF.saturating_mul(1 << (failures - 1).min(10)).min(LONGEST_BACKOFF)
    }

    pub(crate) fn keeper(&self) -> Keeper<'_> {
        Keeper { client: &self.client, leadership: &self.leadership, stores: &self.stores }
    }

    pub(crate) fn reporter(&self) -> Reporter<'_> {
        Reporter { client: &self.client, leadership: &self.leadership, recorder: &self.recorder, stores: &self.stores }
    }

    /// A cluster is gone.
    pub(crate) fn forget(&self, name: &Name) {
        locked(&self.failures).remove(name);
        self.stores.named.forget(name);
        self.wakes.forget(name);
        self.metrics.forget(&name.namespace, &name.name);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
