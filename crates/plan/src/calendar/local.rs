//! From wall-clock time to instants.

use crate::intent::Interval;
use chrono::{DateTime, NaiveDateTime, TimeDelta, TimeZone, Timelike, Utc};
use chrono_tz::Tz;
use croner::Cron;

/// More than any clock was ever moved: a zone that crosses the date line skips a whole day.
const LARGEST_SHIFT: TimeDelta = TimeDelta::hours(25);

/// The instant of a wall-clock time. One that the clocks skip becomes the first instant after the gap, one that they show
/// twice the earlier. Never decreasing in `at`.
pub(crate) fn instant(tz: Tz, at: NaiveDateTime) -> DateTime<Utc> {
    if let Some(found) = tz.from_local_datetime(&at).earliest() {
        return found.to_utc();
    }
    // Clocks are moved at whole minutes, so the first minute that exists again is the end of the gap.
    let minute = at.with_second(0).and_then(|t| t.with_nanosecond(0)).unwrap_or(at);
    let minutes = LARGEST_SHIFT.num_minutes();
    (1..=minutes)
        .find_map(|m| tz.from_local_datetime(&(minute + TimeDelta::minutes(m))).earliest())
        .map_or_else(|| at.and_utc(), |t| t.to_utc())
}

/// The next time on the wall clock at which `cron` fires.
pub(crate) fn next(cron: &Cron, at: NaiveDateTime, inclusive: bool) -> Option<NaiveDateTime> {
    // The wall clock is searched as if it were UTC, which has no gaps: shifts are the business of `instant` alone.
    cron.find_next_occurrence(&at.and_utc(), inclusive).ok().map(|t| t.naive_utc())
}

/// Times on the wall clock at which `cron` fires, from `from` (inclusive) to `until` (exclusive).
pub(crate) fn starts(cron: &Cron, from: NaiveDateTime, until: NaiveDateTime) -> impl Iterator<Item = NaiveDateTime> {
    let mut at = next(cron, from, true);
    std::iter::from_fn(move || {
        let found = at.filter(|t| *t < until)?;
        at = next(cron, found, false);
        Some(found)
    })
}

/// All windows that begin at `cron`, last `length` on the wall clock and may lie in `span`. A window that falls into a gap
/// whole has no length and is left out.
pub(crate) fn occurrences(cron: &Cron, length: TimeDelta, tz: Tz, span: Interval) -> Vec<Interval> {
    let from = span.from.with_timezone(&tz).naive_local() - length - LARGEST_SHIFT;
    let until = span.until.with_timezone(&tz).naive_local() + LARGEST_SHIFT;
    starts(cron, from, until)
        .map(|start| Interval { from: instant(tz, start), until: instant(tz, start + length) })
        .filter(|i| i.from < i.until)
        .collect()
}
