//! When a role is awake: cron starts with a wall-clock length, in an explicit time zone, beside single wake-ups.
//!
//! Everything is computed from the time given, so a pause of any length leaves no trace. Occurrences are found on the wall
//! clock, and both edges of a window become instants in one function ([`local::instant`]): in the gap of spring the first
//! instant after it, in the double hour of autumn the earlier one.

mod cycle;
mod local;
#[cfg(test)]
mod tests;
mod weekdays;

pub use cycle::{gaps_of_a_week, meet};

use crate::{
    intent::{Activation, Interval, Window},
    span,
};
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;
use croner::{
    Cron,
    parser::{CronParser, Seconds, Year},
};

/// Lengths of calendar, in days, that are searched for the next edge, one after another. Nearly all calendars change
/// within the first; the last finds the 29th of February across a year like 2100.
const HORIZON_DAYS: [i64; 3] = [8, 400, 3000];

/// Why a schedule can't be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ScheduleError {
    /// Not a cron line of five fields.
    #[error("`{schedule}` is no cron line of five fields, as `0 2 * * *`: {fault}")]
    Unreadable {
        /// The line.
        schedule: String,
        /// What the parser says.
        fault: String,
    },
    /// A range of weekdays runs over the end of the week.
    #[error("`{schedule}` has the weekdays `{range}`, a range over the end of the week: list the days, as `{days}`")]
    WeekdaysWrap {
        /// The line.
        schedule: String,
        /// The range.
        range: String,
        /// The same days as a list.
        days: String,
    },
    /// Minute or hour is a list, a range or a star.
    #[error(
        "`{schedule}` must have plain numbers as minute and hour, as `0 2 * * *`: give a window of its own for each start"
    )]
    NotOneStart {
        /// The line.
        schedule: String,
    },
    /// It names a date that does not exist.
    #[error("`{schedule}` never happens: correct day and month")]
    Never {
        /// The line.
        schedule: String,
    },
}

/// Checks a schedule as people write it: five fields, one start a day, and a date that happens within five years.
pub fn check_schedule(schedule: &str) -> Result<(), ScheduleError> {
    let cron = parse(schedule)?;
    let plain = |f: &str| !f.is_empty() && f.bytes().all(|b| b.is_ascii_digit());
    if !schedule.split_whitespace().take(2).all(plain) {
        return Err(ScheduleError::NotOneStart { schedule: schedule.into() });
    }
    // A leap year, so that any date that exists at all is within reach.
    let start = NaiveDate::from_ymd_opt(2024, 1, 1).unwrap_or_default().and_time(chrono::NaiveTime::MIN);
    match local::next(&cron, start, true) {
        Some(found) if found - start <= TimeDelta::days(5 * 366) => Ok(()),
        _ => Err(ScheduleError::Never { schedule: schedule.into() }),
    }
}

fn parse(schedule: &str) -> Result<Cron, ScheduleError> {
    CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build().parse(schedule).map_err(|e| {
        match weekdays::wrapped(schedule) {
            Some((range, days)) => ScheduleError::WeekdaysWrap { schedule: schedule.into(), range, days },
            None => ScheduleError::Unreadable { schedule: schedule.into(), fault: e.to_string() },
        }
    })
}

/// Whether a role is awake, and when that ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    /// Awake now.
    pub awake: bool,
    /// When it changes; absent: not within years.
    pub until: Option<DateTime<Utc>>,
}

/// Whether a role with this calendar is awake at `now`, and until when. A window that [`check_schedule`] refuses to read
/// counts as none.
pub fn state(activation: &Activation, wake: &[Interval], tz: Tz, now: DateTime<Utc>) -> State {
    for span in horizons(now, TimeDelta::zero()) {
        let awake = intervals(activation, wake, tz, span);
        let edge = span::next_edge(&awake, now).filter(|e| *e < span.until);
        let covered = span::covers(&awake, now);
        if edge.is_some() || is_settled(activation, wake, span, now, covered) {
            return State { awake: covered, until: edge };
        }
    }
    State { awake: false, until: None }
}

/// Stretches of calendar around `now`, each longer than the one before; `back` is how far the past matters.
pub(crate) fn horizons(now: DateTime<Utc>, back: TimeDelta) -> impl Iterator<Item = Interval> {
    let from = now - back - TimeDelta::days(1);
    HORIZON_DAYS.into_iter().map(move |days| Interval { from, until: now + TimeDelta::days(days) })
}

/// Whether a search over `span` that found no edge of this calendar ends there: nothing after it can change anything, the stretch is the
/// longest, or the role is awake for more than a year without a pause. Only who sleeps may have a rare date ahead.
pub(crate) fn is_settled(
    activation: &Activation,
    wake: &[Interval],
    span: Interval,
    now: DateTime<Utc>,
    awake: bool,
) -> bool {
    let days = (span.until - now).num_days();
    let rare = matches!(activation, Activation::Scheduled(windows) if !windows.is_empty());
    let past_wakes = wake.iter().all(|w| w.until < span.until - TimeDelta::days(1));
    (!rare && past_wakes) || days >= HORIZON_DAYS[2] || (awake && days >= HORIZON_DAYS[1])
}

/// When a role with this calendar is awake inside `span`, cut at its ends.
pub(crate) fn intervals(activation: &Activation, wake: &[Interval], tz: Tz, span: Interval) -> Vec<Interval> {
    let mut list = wake.to_vec();
    match activation {
        Activation::Always => list.push(span),
        Activation::OnDemand => {}
        Activation::Scheduled(windows) => {
            for Window { schedule, duration } in windows {
                if let Ok(cron) = parse(schedule) {
                    list.extend(local::occurrences(&cron, duration.delta(), tz, span));
                }
            }
        }
    }
    span::clip(list, span)
}
