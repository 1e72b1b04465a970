//! From wall-clock time to instants and back.

use chrono::{DateTime, NaiveDateTime, TimeDelta, TimeZone, Timelike, Utc};
use chrono_tz::Tz;
use std::cell::Cell;

/// More than any clock was ever moved: a zone that crosses the date line skips a whole day.
const LARGEST_SHIFT: TimeDelta = TimeDelta::hours(25);

/// The wall clock of a zone, which counts how often it is read.
pub(crate) struct Clock {
    zone: Tz,
    looked_at: Cell<usize>,
}

impl Clock {
    pub(crate) fn new(zone: Tz) -> Self {
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

    /// What the clock shows at an instant.
    pub(crate) fn local(&self, at: DateTime<Utc>) -> NaiveDateTime {
        self.count();
        at.with_timezone(&self.zone).naive_local()
    }

    /// The instant of a wall-clock time. One that the clocks skip becomes the first instant after the gap, one that they
    /// show twice the earlier. Never decreasing in `at`.
    pub(crate) fn instant(&self, at: NaiveDateTime) -> DateTime<Utc> {
        self.count();
        if let Some(found) = self.zone.from_local_datetime(&at).earliest() {
            return found.to_utc();
        }
        // Clocks are moved at whole minutes, so the first minute that exists again is the end of the gap.
        let minute = at.with_second(0).and_then(|t| t.with_nanosecond(0)).unwrap_or(at);
        let minutes = LARGEST_SHIFT.num_minutes();
        (1..=minutes)
            .find_map(|m| self.zone.from_local_datetime(&(minute + TimeDelta::minutes(m))).earliest())
            .map_or_else(|| at.and_utc(), |t| t.to_utc())
    }
}
