//! The way through the nights.

use crate::{
    Args, Error,
    item::{Bench, Ended},
    metrics::Metrics,
    plan::{Candidate, plan},
    window::{self, Next, Opening},
    worker::Worker,
};
use cherokee_memory::{
    Entry, Options, Provenance, Ranked, Store,
    night::{Claim, Item, Night, Outcome, Skip},
};
use cherokee_wire::layout::Layout;
use chrono::Utc;
use std::{sync::Arc, time::Duration};
use tokio::sync::watch;

/// Time between two looks at the calendar, or at what other runners do.
const LOOK: Duration = Duration::from_secs(1);
/// What a claim lasts beyond the longest answer, so that the checkpoint fits in.
const MARGIN: Duration = Duration::from_secs(5);
/// Failures after which an item is given up.
const TRIES: u32 = 3;
/// Wait after an item failed.
const AFTER_FAILURE: Duration = Duration::from_millis(500);
/// Entries looked at in one step of planning.
const PAGE: usize = 200;
/// Entries looked at for each item of the plan, at most: entries of other models stand between.
const LOOKED_AT: usize = 20;

/// Works through one slot's nights.
pub(crate) struct Runner {
    args: Args,
    metrics: Arc<Metrics>,
    worker: Worker,
    layouts: watch::Receiver<Option<Layout>>,
    stop: watch::Receiver<bool>,
    name: String,
    store: Store,
}

/// Why work on a night ended.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// Every item is done.
    Done,
    /// Its window closed, or the process stops.
    Interrupted,
}

impl Runner {
    pub(crate) fn new(
        args: Args,
        metrics: Arc<Metrics>,
        layouts: watch::Receiver<Option<Layout>>,
        stop: watch::Receiver<bool>,
    ) -> Result<Self, Error> {
        let worker = Worker::new(&args.worker_url, Duration::from_secs(args.item_timeout_seconds))?;
        let password = args.redis_password_file.as_deref();
        let store =
            Store::new(&Options::with_password_file(&args.redis_url, password, &args.namespace, &args.cluster)?)?;
        let name = uuid::Uuid::new_v4().to_string();
        Ok(Self { args, metrics, worker, layouts, stop, name, store })
    }

    /// Dreams whenever there is an opening, until it is told to stop.
    pub(crate) async fn run(self) {
        while !self.stopped() {
            if let Err(error) = self.look().await {
                tracing::warn!(%error, "the night is interrupted, it goes on as soon as this is over");
            }
            self.pause(LOOK).await;
        }
    }

    /// Works on each opening's night, if there is something left to do in it.
    async fn look(&self) -> Result<(), Error> {
        let Some(layout) = self.layouts.borrow().clone() else { return Ok(()) };
        for opening in window::openings(&layout, &self.args.slot, Utc::now()) {
            let last = self.store.last_night(&opening.role).await?;
            let night = match window::next(last.as_ref(), &opening, Utc::now()) {
                Next::Idle => None,
                Next::Resume => last,
                Next::Open => self.open(&opening, last.as_ref()).await?,
            };
            if let Some(night) = night {
                self.dream(&opening, &night).await?;
            }
        }
        Ok(())
    }

    async fn open(&self, opening: &Opening, last: Option<&Night>) -> Result<Option<Night>, Error> {
        let of_model = |model: &str, revision: &str| model == opening.model && revision == opening.revision;
        let cuts = self.store.cuts().await?.into_iter().filter(|cut| of_model(&cut.model, &cut.revision));
        let cut: Vec<_> = cuts.map(|cut| Candidate { tenant: cut.tenant, fingerprint: cut.fingerprint }).collect();
        let mut hot = Vec::new();
        for skip in (0..self.args.max_items * LOOKED_AT).step_by(PAGE) {
            let page = self.store.hottest(skip, PAGE).await?;
            for Ranked { fingerprint, .. } in &page {
                // What a dream made had the larger budget: to make it again would only roll the dice.
                let by_day = |entry: &Entry| entry.provenance == Provenance::Day;
                let entry = self.store.get(fingerprint).await?.filter(by_day);
                let entry = entry.filter(|entry| of_model(&entry.model, &entry.revision));
                hot.extend(entry.map(|entry| Candidate { tenant: entry.tenant, fingerprint: *fingerprint }));
            }
            if page.len() < PAGE || hot.len() >= self.args.max_items {
                break;
            }
        }
        let items = plan(&cut, &hot, self.args.max_items);
        let (role, model, until) = (opening.role.clone(), opening.model.clone(), opening.until.clone());
        let night = Night { role, model, until, ..Night::default() };
        Ok(self.store.open_night(last.map(|last| last.id.as_str()), &night, &items, Utc::now()).await?)
    }

    async fn dream(&self, opening: &Opening, night: &Night) -> Result<(), Error> {
        if night.until != opening.until {
            self.store.move_night_end(&night.id, opening.until.as_deref()).await?;
        }
        tracing::info!(night = night.id, planned = night.planned, done = night.done, "night begins");
        self.metrics.night(night, true);
        let end = self.work(opening, &night.id).await;
        let ended = self.store.night(&night.id).await.ok().flatten().unwrap_or_else(|| night.clone());
        self.metrics.night(&ended, false);
        let Night { id, planned, done, improved, skipped, gpu_millis, .. } = ended;
        tracing::info!(night = id, planned, done, improved, ?skipped, gpu_millis, ?end, "night ends");
        end.map(drop)
    }

    async fn work(&self, opening: &Opening, night: &str) -> Result<End, Error> {
        let hold = Duration::from_secs(self.args.item_timeout_seconds) + MARGIN;
        let bench = Bench { store: &self.store, worker: &self.worker, opening, night, factor: self.args.budget_factor };
        while self.goes_on(opening) {
            match self.store.claim(night, &self.name, hold, Utc::now()).await? {
                Claim::Item(item) => {
                    let ended = bench.work(item, Utc::now(), self.over(opening)).await?;
                    self.settle(night, item, ended).await?;
                }
                Claim::Wait(_) => self.pause(LOOK).await,
                Claim::Done => return Ok(End::Done),
            }
        }
        Ok(End::Interrupted)
    }

    /// The checkpoint of an item, or its return.
    async fn settle(&self, night: &str, item: Item, ended: Ended) -> Result<(), Error> {
        let (failed, wait) = match ended {
            Ended::Done { outcome, gpu } => return self.finish(night, item, outcome, gpu).await,
            Ended::Cancelled => (false, Duration::ZERO),
            Ended::NotNow(wait) => (false, wait),
            Ended::Failed => (true, AFTER_FAILURE),
        };
        let tries = self.store.release(night, &self.name, item, failed).await?;
        if tries >= TRIES {
            return self.finish(night, item, Outcome::Skipped(Skip::Failed), Duration::ZERO).await;
        }
        self.pause(wait).await;
        Ok(())
    }

    async fn finish(&self, night: &str, item: Item, outcome: Outcome, gpu: Duration) -> Result<(), Error> {
        if self.store.finish(night, item, outcome, gpu, Utc::now()).await? {
            self.metrics.item(outcome, gpu);
        }
        tracing::debug!(night, %item, ?outcome, "item done");
        Ok(())
    }

    fn stopped(&self) -> bool {
        *self.stop.borrow()
    }

    fn goes_on(&self, opening: &Opening) -> bool {
        !self.stopped() && window::is_open(self.layouts.borrow().as_ref(), &self.args.slot, opening, Utc::now())
    }

    /// Ends when the opening does, or when the process is to stop.
    async fn over(&self, opening: &Opening) {
        let (mut layouts, mut stop) = (self.layouts.clone(), self.stop.clone());
        while self.goes_on(opening) {
            tokio::select! {
                _ = layouts.changed() => {}
                _ = stop.changed() => {}
                // For the clock: a window may end before the layout says so.
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    /// Waits, unless the process is to stop.
    async fn pause(&self, time: Duration) {
        let mut stop = self.stop.clone();
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => {}
            () = tokio::time::sleep(time) => {}
        }
    }
}
