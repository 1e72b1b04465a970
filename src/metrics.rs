//! What `/metrics` shows.

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};
use std::time::Duration;

/// Upper bounds of passes' lengths, in seconds.
const BUCKETS: [f64; 10] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

/// A cluster, by namespace and name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Cluster {
    namespace: String,
    cluster: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
#[expect(clippy::struct_field_names, reason = "the fields are the labels of the metric")]
struct State {
    namespace: String,
    cluster: String,
    state: &'static str,
}

/// The operator's own figures.
pub(crate) struct Metrics {
    registry: Registry,
    passes: Family<Outcome, Histogram, fn() -> Histogram>,
    errors: Family<Reason, Counter>,
    slots: Family<State, Gauge>,
    roles: Family<State, Gauge>,
    hits: Family<Cluster, Gauge>,
    named_reads: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("cherokee_operator");
        let passes = Family::new_with_constructor((|| Histogram::new(BUCKETS)) as fn() -> Histogram);
        let (errors, slots, roles, hits) = (Family::default(), Family::default(), Family::default(), Family::default());
        registry.register_with_unit("pass", "Length of passes by their result", Unit::Seconds, passes.clone());
        registry.register("errors", "Passes that ended early, by reason", errors.clone());
        registry.register("slots", "Slots by state", slots.clone());
        registry.register("roles", "Roles by state", roles.clone());
        registry.register("memory_hit_percent", "Queries answered from muscle memory, in steps of 5", hits.clone());
        let named_reads = Counter::default();
        let help = "Secrets and claims on volumes that were got by name";
        registry.register("named_reads", help, named_reads.clone());
        Self { registry, passes, errors, slots, roles, hits, named_reads }
    }
}

/// States of roles and slots: the values of the label `state`.
const STATES: [&str; 9] =
    ["Awake", "Draining", "Asleep", "Waiting", "Starting", "Serving", "Stopping", "Stopped", "Failed"];

impl Metrics {
    /// A pass ended.
    pub(crate) fn pass(&self, result: &'static str, length: Duration) {
        self.passes.get_or_create(&Outcome { result }).observe(length.as_secs_f64());
    }

    /// A pass ended early.
    pub(crate) fn error(&self, reason: &'static str) {
        self.errors.get_or_create(&Reason { reason }).inc();
    }

    /// Counts reads of objects by name.
    pub(crate) fn named_reads(&self) -> Counter {
        self.named_reads.clone()
    }

    /// What a cluster's status says.
    pub(crate) fn cluster(&self, namespace: &str, cluster: &str, status: &cherokee_api::CherokeeClusterStatus) {
        let roles: Vec<_> = status.roles.iter().map(|role| role.state.word()).collect();
        let slots: Vec<_> = status.slots.iter().map(|slot| slot.state.word()).collect();
        for state in STATES {
            let label = State { namespace: namespace.into(), cluster: cluster.into(), state };
            for (family, seen) in [(&self.roles, &roles), (&self.slots, &slots)] {
                let count = seen.iter().filter(|word| **word == state).count();
                family.get_or_create(&label).set(i64::try_from(count).unwrap_or(i64::MAX));
            }
        }
        if let Some(memory) = &status.muscle_memory {
            let label = Cluster { namespace: namespace.into(), cluster: cluster.into() };
            self.hits.get_or_create(&label).set(memory.hit_percent.into());
        }
    }

    /// A cluster is gone.
    pub(crate) fn forget(&self, namespace: &str, cluster: &str) {
        for state in STATES {
            let label = State { namespace: namespace.into(), cluster: cluster.into(), state };
            self.roles.remove(&label);
            self.slots.remove(&label);
        }
        self.hits.remove(&Cluster { namespace: namespace.into(), cluster: cluster.into() });
    }

    /// All figures as text.
    pub(crate) fn text(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_carry_their_units_and_only_fixed_words() {
        let metrics = Metrics::default();
        metrics.pass("ok", Duration::from_millis(20));
        metrics.error("Forbidden");
        metrics.named_reads().inc();
        let text = metrics.text().unwrap();
        assert!(text.contains("cherokee_operator_pass_seconds_count{result=\"ok\"} 1"), "{text}");
        assert!(text.contains("cherokee_operator_named_reads_total 1"), "{text}");
        assert!(text.contains("cherokee_operator_errors_total{reason=\"Forbidden\"} 1"), "{text}");
    }
}
