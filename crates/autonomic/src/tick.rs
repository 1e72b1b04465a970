//! One tick: look, decide, do, tell.

use crate::{
    Error,
    metrics::Metrics,
    report::{self, Lookups},
    tend::{Snapshot, tend},
};
use cherokee_memory::{Ranked, Removal, Stats, Store};
use cherokee_wire::{hints::MemoryReport, layout::Memory};
use chrono::{DateTime, Utc};
use std::time::Duration;

/// Entries looked at in one step.
const STEP: usize = 500;
/// Steps in one tick: what is left waits for the next one, so that hints and figures stay fresh.
const STEPS: usize = 40;

/// What is kept between ticks.
pub(crate) struct Ticker {
    store: Store,
    lookups: Lookups,
    last: Option<DateTime<Utc>>,
    report: Option<MemoryReport>,
}

impl Ticker {
    pub(crate) fn new(store: Store) -> Self {
        Self { store, lookups: Lookups::default(), last: None, report: None }
    }

    /// Cleans up, evicts, measures; returns the coarse figures.
    pub(crate) async fn tick(
        &mut self,
        memory: &Memory,
        metrics: &Metrics,
        now: DateTime<Utc>,
    ) -> Result<MemoryReport, Error> {
        let half_life = Duration::from_secs(memory.half_life_seconds.max(1));
        let expired = self.clean_up(now).await?;
        let evicted = self.fit(memory.budget_bytes).await?;
        if expired + evicted > 0 {
            tracing::info!(expired, evicted, "entries removed");
        }
        // Not before there is room: a full Redis refuses it.
        self.store.set_half_life(half_life, now).await?;

        let stats = self.store.stats().await?;
        self.measure(&stats, half_life, now);
        metrics.memory(&stats, memory.budget_bytes, self.lookups.ratio());
        let first = |found: &[Ranked]| found.first().map_or(0.0, |entry| entry.heat.temperature_at(now, half_life));
        metrics.temperatures(first(&self.store.coldest(1).await?), first(&self.store.hottest(0, 1).await?));
        let report = report::coarse(self.report, self.lookups.ratio(), stats.entries);
        self.report = Some(report);
        Ok(report)
    }

    async fn clean_up(&self, now: DateTime<Utc>) -> Result<u64, Error> {
        let mut removed = 0;
        for _ in 0..STEPS {
            let expired = self.store.expired(STEP, now).await?;
            let mut now_gone = 0;
            for fingerprint in &expired {
                now_gone += u64::from(self.store.remove(fingerprint, Removal::Expired).await?);
            }
            removed += now_gone;
            // Redis' clock may be behind ours: what still lives there waits for the next tick.
            if expired.len() < STEP || now_gone == 0 {
                break;
            }
        }
        Ok(removed)
    }

    async fn fit(&self, budget: u64) -> Result<u64, Error> {
        let mut evicted = 0;
        for _ in 0..STEPS {
            let bytes = self.store.stats().await?.bytes;
            // A Redis that does not let us ask has no limit that we could keep to.
            let room = self.store.room().await.unwrap_or_default();
            let mut seen = Snapshot { bytes, budget, room, coldest: Vec::new() };
            if seen.over() == 0 {
                break;
            }
            // Ghosts take memory that is not counted, and are worth less than answers.
            if seen.pressure() > 0 && self.store.trim_ghosts().await? > 0 {
                continue;
            }
            seen.coldest = self.store.coldest(STEP).await?;
            let actions = tend(&seen);
            if actions.evict.is_empty() {
                break;
            }
            for entry in &actions.evict {
                // One that was used since it was looked at stays, and the next look counts again.
                evicted += u64::from(self.store.remove(&entry.fingerprint, Removal::Evicted(entry.heat)).await?);
            }
        }
        Ok(evicted)
    }

    fn measure(&mut self, stats: &Stats, half_life: Duration, now: DateTime<Utc>) {
        let elapsed = self.last.map_or(0.0, |last| (now - last).as_seconds_f64().max(0.0));
        self.lookups.observe(stats.hits, stats.misses, elapsed / half_life.as_secs_f64());
        self.last = Some(now);
    }
}
