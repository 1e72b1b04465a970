//! Exact figures, and whether the daemon is well.

use cherokee_memory::Stats;
use prometheus_client::{
    encoding::text::encode,
    metrics::{counter::Counter, gauge::Gauge},
    registry::Registry,
};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

type Figure = Gauge<f64, AtomicU64>;

/// The figures of one process.
pub(crate) struct Metrics {
    registry: Registry,
    well: AtomicBool,
    entries: Gauge,
    bytes: Gauge,
    budget_bytes: Gauge,
    hit_ratio: Figure,
    evicted: Gauge,
    expired: Gauge,
    coldest: Figure,
    hottest: Figure,
    ticks: Counter,
    failed_ticks: Counter,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut made = Self {
            registry: Registry::with_prefix("cherokee_autonomic"),
            well: AtomicBool::default(),
            entries: Gauge::default(),
            bytes: Gauge::default(),
            budget_bytes: Gauge::default(),
            hit_ratio: Figure::default(),
            evicted: Gauge::default(),
            expired: Gauge::default(),
            coldest: Figure::default(),
            hottest: Figure::default(),
            ticks: Counter::default(),
            failed_ticks: Counter::default(),
        };
        let to = &mut made.registry;
        to.register("memory_entries", "Entries of the muscle memory", made.entries.clone());
        to.register("memory_bytes", "Bytes that they take", made.bytes.clone());
        to.register("memory_budget_bytes", "Bytes that they may take", made.budget_bytes.clone());
        to.register(
            "memory_hit_ratio",
            "Share of look-ups that found an entry, older ones counting less",
            made.hit_ratio.clone(),
        );
        to.register("memory_evicted", "Entries ever evicted to stay within the budget", made.evicted.clone());
        to.register("memory_expired", "Entries ever removed because their time had passed", made.expired.clone());
        to.register("memory_coldest_temperature", "Temperature of the coldest entry", made.coldest.clone());
        to.register("memory_hottest_temperature", "Temperature of the hottest entry", made.hottest.clone());
        to.register("ticks", "Ticks", made.ticks.clone());
        to.register("failed_ticks", "Ticks that failed", made.failed_ticks.clone());
        made
    }

    /// Counts a tick; the daemon is ready while the last one did what it should.
    pub(crate) fn tick_done(&self, well: bool) {
        self.well.store(well, Ordering::Relaxed);
        self.ticks.inc();
        if !well {
            self.failed_ticks.inc();
        }
    }

    /// Takes the figures of the memory.
    pub(crate) fn memory(&self, stats: &Stats, budget: u64, ratio: Option<f64>) {
        let whole = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        self.entries.set(whole(stats.entries));
        self.bytes.set(whole(stats.bytes));
        self.budget_bytes.set(whole(budget));
        self.hit_ratio.set(ratio.unwrap_or_default());
        self.evicted.set(whole(stats.evicted));
        self.expired.set(whole(stats.expired));
    }

    /// Takes the temperatures of both ends.
    pub(crate) fn temperatures(&self, coldest: f64, hottest: f64) {
        self.coldest.set(coldest);
        self.hottest.set(hottest);
    }

    pub(crate) fn is_well(&self) -> bool {
        self.well.load(Ordering::Relaxed)
    }

    /// The page of `/metrics`.
    pub(crate) fn page(&self) -> Result<String, std::fmt::Error> {
        let mut page = String::new();
        encode(&mut page, &self.registry)?;
        Ok(page)
    }
}
