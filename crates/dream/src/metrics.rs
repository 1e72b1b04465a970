//! Figures of one process.

use cherokee_memory::night::{Night, Outcome};
use prometheus_client::{
    encoding::text::encode,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};
use std::{sync::atomic::AtomicU64, time::Duration};

/// The figures.
pub(crate) struct Metrics {
    registry: Registry,
    items: Family<[(&'static str, &'static str); 1], Counter>,
    gpu: Counter<f64, AtomicU64>,
    awake: Gauge,
    planned: Gauge,
    done: Gauge,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut made = Self {
            registry: Registry::with_prefix("cherokee_dream"),
            items: Family::default(),
            gpu: Counter::default(),
            awake: Gauge::default(),
            planned: Gauge::default(),
            done: Gauge::default(),
        };
        let to = &mut made.registry;
        to.register("items", "Items done, by outcome", made.items.clone());
        to.register("worker_seconds", "Seconds for which the worker answered", made.gpu.clone());
        to.register("awake", "1 while a night is worked on", made.awake.clone());
        to.register("night_planned_items", "Items of the latest night", made.planned.clone());
        to.register("night_done_items", "Items of the latest night that are done", made.done.clone());
        made
    }

    /// Counts an item.
    pub(crate) fn item(&self, outcome: Outcome, gpu: Duration) {
        let word = match outcome {
            Outcome::Improved => "improved",
            Outcome::Skipped(skip) => skip.word(),
        };
        self.items.get_or_create(&[("outcome", word)]).inc();
        self.gpu.inc_by(gpu.as_secs_f64());
        self.done.inc();
    }

    /// Takes the figures of a night that is begun or ended.
    pub(crate) fn night(&self, night: &Night, awake: bool) {
        let whole = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        self.awake.set(awake.into());
        self.planned.set(whole(night.planned));
        self.done.set(whole(night.done));
    }

    /// The page of `/metrics`.
    pub(crate) fn page(&self) -> Result<String, std::fmt::Error> {
        let mut page = String::new();
        encode(&mut page, &self.registry)?;
        Ok(page)
    }
}
