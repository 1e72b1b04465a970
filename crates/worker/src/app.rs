//! What all requests share, and the phases of a worker's life.

use crate::metrics::Metrics;
use cherokee_engine::Engine;
use cherokee_wire::worker::Download;
use std::sync::{Arc, OnceLock};
use tokio::sync::watch;
use tokio_util::task::{TaskTracker, task_tracker::TaskTrackerToken};

/// Where the worker is in its life. It only goes forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Models are being fetched and loaded: nothing is accepted.
    Loading,
    /// Queries are accepted.
    Serving,
    /// Running queries end, nothing new is accepted.
    Draining,
}

/// Shared by all requests.
#[derive(Clone)]
pub struct App(Arc<Inner>);

struct Inner {
    phase: watch::Sender<Phase>,
    download: watch::Sender<Option<Download>>,
    engine: OnceLock<Engine>,
    running: TaskTracker,
    metrics: Arc<Metrics>,
    started: i64,
}

/// Why nothing is accepted now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// Models are being loaded.
    Loading,
    /// The worker ends.
    Draining,
    /// The engine has failed; the process is about to be restarted.
    Broken,
}

impl App {
    /// A worker that loads. `started` is now, in seconds since 1970.
    pub fn new(started: i64) -> Self {
        let (phase, _) = watch::channel(Phase::Loading);
        let (download, _) = watch::channel(None);
        let (engine, running) = (OnceLock::new(), TaskTracker::new());
        Self(Arc::new(Inner { phase, download, engine, running, metrics: Arc::default(), started }))
    }

    /// Serves with `engine` from now on, unless the worker already drains.
    pub fn serve(&self, engine: Engine) {
        // The only caller sets it once.
        let _ = self.0.engine.set(engine);
        self.advance(Phase::Serving);
    }

    /// Accepts nothing new from now on.
    pub fn drain(&self) {
        self.advance(Phase::Draining);
    }

    /// Waits until every admitted query has ended.
    pub async fn drained(&self) {
        self.0.running.close();
        self.0.running.wait().await;
    }

    /// Where the worker is in its life.
    pub fn phase(&self) -> Phase {
        *self.0.phase.borrow()
    }

    /// Says how far a download is; `None` once it has ended.
    pub fn downloading(&self, download: Option<Download>) {
        self.0.download.send_replace(download);
    }

    /// How far the present download is.
    pub fn download(&self) -> Option<Download> {
        self.0.download.borrow().clone()
    }

    /// The engine, once models are loaded.
    pub fn engine(&self) -> Option<&Engine> {
        self.0.engine.get()
    }

    /// Whether the process can still do its work.
    pub fn alive(&self) -> bool {
        self.engine().is_none_or(Engine::alive)
    }

    /// Leave to work on a query until the token is dropped.
    pub fn admit(&self) -> Result<(&Engine, TaskTrackerToken), Closed> {
        // Taken before the phase is read, so that a drain either sees the token or is seen here.
        let token = self.0.running.token();
        match (self.phase(), self.engine()) {
            (Phase::Draining, _) => Err(Closed::Draining),
            (Phase::Serving, Some(engine)) if engine.alive() => Ok((engine, token)),
            (Phase::Serving, Some(_)) => Err(Closed::Broken),
            _ => Err(Closed::Loading),
        }
    }

    /// Counters and histograms.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.0.metrics
    }

    /// When the worker started, in seconds since 1970.
    pub fn started(&self) -> i64 {
        self.0.started
    }

    fn advance(&self, to: Phase) {
        self.0.phase.send_if_modified(|phase| {
            let forward = *phase < to;
            if forward {
                *phase = to;
            }
            forward
        });
    }
}
