//! One gateway: its parts, put together.

use crate::{
    admission::Admission, auth::Door, dispatch::Dispatcher, layout_source::Layouts, memory::Memory, metrics::Metrics,
    refusal::Refusal,
};
use cherokee_wire::{error::Code, layout::Layout};
use chrono::{DateTime, Utc};
use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

/// What all queries share.
pub struct Gateway {
    /// Who may ask.
    pub door: Door,
    /// How many at once, and how many bytes of them.
    pub admission: Admission,
    /// Largest body of a query.
    pub max_body_bytes: usize,
    /// The layout that holds.
    pub layouts: Layouts,
    /// Muscle memory, if there is one.
    pub memory: Option<Arc<dyn Memory>>,
    /// Finds workers.
    pub dispatcher: Dispatcher,
    /// Counts.
    pub metrics: Arc<Metrics>,
    /// When this process started.
    pub started: DateTime<Utc>,
    /// Set once the process is to end.
    pub ends: AtomicBool,
    /// Queries that came so far.
    pub arrived: AtomicU64,
}

impl Gateway {
    /// The layout that holds, or 503 while there is none.
    pub fn layout(&self) -> Result<Arc<Layout>, Refusal> {
        let missing = || Refusal::new(Code::Loading, "the gateway has no layout yet; try again").after(1);
        self.layouts.borrow().clone().ok_or_else(missing)
    }

    /// Whether new queries should be sent here.
    pub fn is_ready(&self) -> bool {
        !self.ends.load(Ordering::Relaxed) && self.layouts.borrow().is_some()
    }
}
