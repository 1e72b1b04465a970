//! When a role is awake: cron starts with a wall-clock length, in an explicit time zone, beside single wake-ups.
//!
//! A [`Calendar`] holds the windows of a role as stretches of the day, each with the set of days (`days`) on which it is
//! awake: two calendars are compared without a look at any instant, and the next edge is found from the sets. Both edges
//! of a stretch become instants in one function ([`Zone::instant`]): in the gap of spring the first instant after it, in
//! the double hour of autumn the earlier one. Everything is computed from the time given, so a pause of any length leaves
//! no trace.

mod clock;
mod days;
#[cfg(test)]
mod oracle;
mod schedule;
#[cfg(test)]
pub(crate) mod tests;
mod week;
mod weekdays;

pub(crate) use clock::Clock;
pub use schedule::{ScheduleError, check_schedule};
pub(crate) use week::gaps_of_a_week;

use crate::{
    Zone,
    intent::{Activation, Intent, Interval, Window},
    span,
};
use chrono::{DateTime, NaiveDate, NaiveDateTime, TimeDelta, Utc};
use days::{Days, position};
use schedule::Start;
use std::collections::BTreeMap;

const DAY_SECONDS: u32 = 86_400;

/// Time from now in which nearly all calendars change: a week, and a day for those that change at this hour.
pub(crate) const WEEK: TimeDelta = TimeDelta::days(8);
/// Stretches of calendar that are looked at in vain before the search for an edge ends. Each begins at a day on which
/// something may change, so only edges that come to nothing need more than one: of windows in the gap of spring, or of a
/// role whose windows all belong to roles of higher priority.
pub(crate) const SPARE_STRETCHES: usize = 16;

/// Calendars of the roles by name.
pub(crate) type Calendars<'a> = BTreeMap<&'a str, Calendar>;

/// The calendars of all roles.
pub(crate) fn of(intent: &Intent) -> Calendars<'_> {
    intent.roles.iter().map(|(name, role)| (name.as_str(), Calendar::new(&role.activation))).collect()
}

/// When a role is awake by its windows, on the wall clock of any zone and for all time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calendar {
    /// In the order of the day; none overlap.
    pieces: Vec<Piece>,
    /// Days on which it is awake at all.
    some: Days,
    /// Days on which it is awake from midnight to midnight.
    whole: Days,
}

/// A stretch of the day in seconds from midnight, and the days on which all of it is awake.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Piece {
    from: u32,
    until: u32,
    days: Days,
}

impl Calendar {
    /// The calendar of windows, of a role that is always awake, or of one that only wake-ups wake. A window that
    /// [`check_schedule`] refuses counts as none; one longer than 24 hours, as 24 hours.
    pub fn new(activation: &Activation) -> Self {
        Self::of(match activation {
            Activation::Always => vec![Piece { from: 0, until: DAY_SECONDS, days: Days::all() }],
            Activation::OnDemand => Vec::new(),
            Activation::Scheduled(windows) => windows.iter().flat_map(pieces).collect(),
        })
    }

    /// Cuts pieces at each other's edges, so that none overlap.
    fn of(list: Vec<Piece>) -> Self {
        let mut edges: Vec<u32> = list.iter().flat_map(|p| [p.from, p.until]).collect();
        edges.sort_unstable();
        edges.dedup();
        let mut pieces: Vec<Piece> = Vec::new();
        for (from, until) in edges.iter().copied().zip(edges.iter().copied().skip(1)) {
            let mut days = Days::none();
            for piece in list.iter().filter(|p| p.from <= from && until <= p.until) {
                days.add(&piece.days);
            }
            match pieces.last_mut() {
                _ if days.is_empty() => {}
                Some(before) if before.until == from && before.days == days => before.until = until,
                _ => pieces.push(Piece { from, until, days }),
            }
        }
        let (mut some, mut whole) = (Days::none(), Days::all());
        let mut end = 0;
        for piece in &pieces {
            some.add(&piece.days);
            if piece.from == end {
                whole.keep(&piece.days);
                end = piece.until;
            }
        }
        if end < DAY_SECONDS {
            whole = Days::none();
        }
        Self { pieces, some, whole }
    }

    /// Whether two calendars are ever awake at the same time by their windows. Touching is not meeting; wake-ups are left
    /// out.
    pub fn meets(&self, other: &Self) -> bool {
        let overlap = |a: &Piece, b: &Piece| a.from < b.until && b.from < a.until && a.days.meet(&b.days);
        self.some.meet(&other.some) && self.pieces.iter().any(|a| other.pieces.iter().any(|b| overlap(a, b)))
    }

    /// Whether a role with this calendar is awake at `now`, and until when, in a zone.
    pub fn state(&self, wake: &[Interval], zone: &Zone, now: DateTime<Utc>) -> State {
        self.state_by(wake, &Clock::new(zone), now)
    }

    fn state_by(&self, wake: &[Interval], clock: &Clock<'_>, now: DateTime<Utc>) -> State {
        let (second, mut after) = (TimeDelta::seconds(1), now);
        let mut awake = None;
        for _ in 0..=SPARE_STRETCHES {
            let span = Interval { from: after - second, until: after + WEEK };
            let list = self.intervals(wake, clock, span);
            let awake = *awake.get_or_insert_with(|| span::covers(&list, now));
            if let Some(edge) = span::next_edge(&list, after).filter(|e| *e < span.until) {
                return State { awake, until: Some(edge) };
            }
            let Some(next) = self.steady_until(wake, clock, span.until) else { break };
            after = next - second;
        }
        State { awake: awake.unwrap_or(false), until: None }
    }

    /// When a role with this calendar is awake inside `span`, cut at its ends.
    pub(crate) fn intervals(&self, wake: &[Interval], clock: &Clock<'_>, span: Interval) -> Vec<Interval> {
        let mut list = wake.to_vec();
        let from = clock.local(span.from);
        // The clock may show a time again, so the day after the last is looked at too.
        let day_after = clock.local(span.until).date() + TimeDelta::days(1);
        for (start, end) in self.on_the_wall(from.date(), day_after) {
            if end > from {
                let start = clock.instant(start);
                if start >= span.until {
                    break;
                }
                list.push(Interval { from: start, until: clock.instant(end) });
            }
        }
        span::clip(list, span)
    }

    /// Stretches of the wall clock in which it is awake, from the first day to the last; over midnight they are one.
    fn on_the_wall(&self, first: NaiveDate, last: NaiveDate) -> Vec<(NaiveDateTime, NaiveDateTime)> {
        let mut found: Vec<(NaiveDateTime, NaiveDateTime)> = Vec::new();
        for day in first.iter_days().take_while(|d| *d <= last) {
            let (position, midnight) = (position(day), NaiveDateTime::from(day));
            for piece in self.pieces.iter().filter(|p| p.days.has(position)) {
                let [start, end] = [piece.from, piece.until].map(|s| midnight + TimeDelta::seconds(i64::from(s)));
                match found.last_mut() {
                    Some(before) if before.1 == start => before.1 = end,
                    _ => found.push((start, end)),
                }
            }
        }
        found
    }

    /// A time from `after` on before which nothing changes. Absent: nothing changes for decades.
    pub(crate) fn steady_until(
        &self,
        wake: &[Interval],
        clock: &Clock<'_>,
        after: DateTime<Utc>,
    ) -> Option<DateTime<Utc>> {
        let today = clock.local(after).date();
        let day = match position(today) {
            p if self.whole.has(p) => self.whole.next(today, false),
            p if self.some.has(p) => Some(today),
            _ => self.some.next(today, true),
        };
        let by_windows = day.map(|day| clock.instant(day.into()).max(after));
        let by_wakes = wake.iter().flat_map(|w| [w.from, w.until]).filter(|edge| *edge >= after);
        by_wakes.chain(by_windows).min()
    }
}

/// A window as stretches of one day each: one, or two if it lasts over midnight.
fn pieces(window: &Window) -> Vec<Piece> {
    let Ok(Start { second, days }) = schedule::read(&window.schedule) else { return Vec::new() };
    let end = second + window.duration.0.min(DAY_SECONDS);
    let after_midnight = Piece { from: 0, until: end.saturating_sub(DAY_SECONDS), days: days.next_day() };
    let mut list = vec![Piece { from: second, until: end.min(DAY_SECONDS), days }, after_midnight];
    list.retain(|p| p.from < p.until);
    list
}

/// Whether a role is awake, and when that ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    /// Awake now.
    pub awake: bool,
    /// When it changes; absent: not within decades.
    pub until: Option<DateTime<Utc>>,
}
