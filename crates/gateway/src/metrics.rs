//! What is counted, and how it is shown to Prometheus.

use crate::labels::{Labels, Recall};
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::Registry,
};
use std::{fmt, time::Duration};

/// Who answered and why. Values are enums' words and role names of the layout, so there are few.
#[derive(Clone, Debug, Default, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct Answered {
    layer: String,
    role: String,
    reason: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Layered {
    layer: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Resulting {
    result: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Coded {
    code: String,
}

type Times = Family<Layered, Histogram, fn() -> Histogram>;

/// The gateway's figures.
pub struct Metrics {
    registry: Registry,
    queries: Family<Answered, Counter>,
    seconds: Times,
    first_byte_seconds: Times,
    memory: Family<Resulting, Counter>,
    stored: Family<Resulting, Counter>,
    fallbacks: Family<Answered, Counter>,
    refusals: Family<Coded, Counter>,
    upstream_failures: Family<Resulting, Counter>,
    streams: Family<Resulting, Counter>,
    in_flight: Gauge,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Metrics").finish_non_exhaustive()
    }
}

fn times() -> Histogram {
    // 0.5 ms, where memory answers, to 131 s.
    Histogram::new(exponential_buckets(0.0005, 2.0, 19))
}

impl Default for Metrics {
    fn default() -> Self {
        let metrics = Self {
            registry: Registry::with_prefix("cherokee_gateway"),
            queries: Family::default(),
            seconds: Times::new_with_constructor(times),
            first_byte_seconds: Times::new_with_constructor(times),
            memory: Family::default(),
            stored: Family::default(),
            fallbacks: Family::default(),
            refusals: Family::default(),
            upstream_failures: Family::default(),
            streams: Family::default(),
            in_flight: Gauge::default(),
        };
        metrics.registered()
    }
}

impl Metrics {
    fn registered(mut self) -> Self {
        let to = &mut self.registry;
        to.register("queries", "Queries answered, by who answered and why", self.queries.clone());
        to.register(
            "query_seconds",
            "Seconds from a query's arrival to the last byte of its answer",
            self.seconds.clone(),
        );
        to.register(
            "first_byte_seconds",
            "Seconds from a query's arrival to the head of its answer",
            self.first_byte_seconds.clone(),
        );
        to.register("memory", "Look-ups: hit, miss, bypass or down", self.memory.clone());
        to.register(
            "stored",
            "Answers offered to memory: stored, kept, too_large, limited, unfit or down",
            self.stored.clone(),
        );
        to.register("fallbacks", "Queries answered by another role than the one asked for", self.fallbacks.clone());
        to.register("refusals", "Queries refused, by error code", self.refusals.clone());
        to.register(
            "upstream_failures",
            "Tries that failed at a worker: full, away, lost or slow",
            self.upstream_failures.clone(),
        );
        to.register("streams", "Streams that ended: whole, cut or abandoned by the client", self.streams.clone());
        to.register("in_flight", "Queries being answered", self.in_flight.clone());
        self
    }

    /// All figures as OpenMetrics text.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }

    /// The head of an answer is ready after `time`.
    pub fn head(&self, labels: &Labels, time: Duration) {
        let answered = answered(labels);
        if labels.is_fallback() {
            self.fallbacks.get_or_create(&answered).inc();
        }
        self.first_byte_seconds.get_or_create(&Layered { layer: answered.layer.clone() }).observe(time.as_secs_f64());
        self.queries.get_or_create(&answered).inc();
    }

    /// The last byte is out after `time`.
    pub fn end(&self, labels: &Labels, time: Duration) {
        let layer = labels.layer.unwrap_or_default().to_owned();
        self.seconds.get_or_create(&Layered { layer }).observe(time.as_secs_f64());
    }

    /// Memory was asked, or not.
    pub fn recalled(&self, recall: Recall) {
        self.memory.get_or_create(&Resulting { result: recall.word() }).inc();
    }

    /// An answer was offered to memory.
    pub fn stored(&self, result: &'static str) {
        self.stored.get_or_create(&Resulting { result }).inc();
    }

    /// A query was refused.
    pub fn refused(&self, code: String) {
        self.refusals.get_or_create(&Coded { code }).inc();
    }

    /// A try failed at a worker.
    pub fn upstream_failed(&self, result: &'static str) {
        self.upstream_failures.get_or_create(&Resulting { result }).inc();
    }

    /// A stream ended.
    pub fn stream_ended(&self, result: &'static str) {
        self.streams.get_or_create(&Resulting { result }).inc();
    }

    /// Queries being answered.
    pub fn in_flight(&self) -> &Gauge {
        &self.in_flight
    }
}

fn answered(labels: &Labels) -> Answered {
    Answered {
        layer: labels.layer.unwrap_or_default().to_owned(),
        role: labels.role.clone().unwrap_or_default(),
        reason: labels.reason.map(|reason| reason.word().to_owned()).unwrap_or_default(),
    }
}
