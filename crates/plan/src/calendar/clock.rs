//! The wall clock of a zone, read with a count.

use crate::Zone;
use chrono::{DateTime, NaiveDateTime, Utc};
use std::cell::Cell;

/// The wall clock of a zone, which counts how often it is read.
pub(crate) struct Clock<'a> {
    zone: &'a Zone,
    looked_at: Cell<usize>,
}

impl<'a> Clock<'a> {
    pub(crate) fn new(zone: &'a Zone) -> Self {
        Self { zone, looked_at: Cell::new(0) }
    }

    /// How many instants were looked at: the cost of a plan grows with them.
    #[cfg(test)]
    pub(crate) fn looked_at(&self) -> usize {
        self.looked_at.get()
    }

    fn count(&self) {
        self.looked_at.set(self.looked_at.get() + 1);
    }

    /// As [`Zone::local`].
    pub(crate) fn local(&self, at: DateTime<Utc>) -> NaiveDateTime {
        self.count();
        self.zone.local(at)
    }

    /// As [`Zone::instant`].
    pub(crate) fn instant(&self, at: NaiveDateTime) -> DateTime<Utc> {
        self.count();
        self.zone.instant(at)
    }
}
