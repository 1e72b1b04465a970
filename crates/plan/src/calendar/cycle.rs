//! What can be said of calendars for all time, without a now: on the wall clock, over one full cycle.

use super::{local, parse};
use crate::{
    intent::{Activation, Interval, Window},
    span,
};
use chrono::{DateTime, Datelike, NaiveDate, TimeDelta, Utc};

/// Whether two calendars are ever awake at the same time by their windows. Touching is not meeting; wake-ups are left out.
pub fn meet(a: &Activation, b: &Activation) -> bool {
    match (a, b) {
        (Activation::OnDemand, _) | (_, Activation::OnDemand) => false,
        (Activation::Always, Activation::Always) => true,
        (Activation::Always, Activation::Scheduled(windows)) | (Activation::Scheduled(windows), Activation::Always) => {
            !windows.is_empty()
        }
        (Activation::Scheduled(left), Activation::Scheduled(right)) => {
            let days = cycle_days(left.iter().chain(right));
            let (left, right) = (wall_clock(left, days), wall_clock(right, days));
            span::subtract(&left, &right) != left
        }
    }
}

/// Stretches of a week in which none of these calendars is awake by its windows, as weekday (from Monday, 0) and minute of
/// that day of start and end. None if some calendar is not the same every week.
pub fn gaps_of_a_week(calendars: &[&Activation]) -> Option<Vec<[(u32, u32); 2]>> {
    let mut awake = Vec::new();
    for calendar in calendars {
        match calendar {
            Activation::Always => return Some(Vec::new()),
            Activation::OnDemand => {}
            Activation::Scheduled(windows) if cycle_days(windows.iter()) <= 9 => awake.extend(wall_clock(windows, 9)),
            Activation::Scheduled(_) => return None,
        }
    }
    // The second week day of the stretch on, so that windows which began the day before are in it.
    let from = monday() + TimeDelta::days(1);
    let week = Interval { from, until: from + TimeDelta::days(7) };
    let place = |t: DateTime<Utc>| {
        (
            t.weekday().num_days_from_monday(),
            u32::try_from(t.time().signed_duration_since(chrono::NaiveTime::MIN).num_minutes()).unwrap_or(0),
        )
    };
    let mut gaps = span::subtract(&[week], &span::merge(awake));
    // A gap over the seam of the week is one gap.
    if let [first, .., last] = gaps[..]
        && (first.from, last.until) == (week.from, week.until)
    {
        gaps.remove(0);
        if let Some(joined) = gaps.last_mut() {
            joined.until = first.until + TimeDelta::days(7);
        }
    }
    Some(gaps.into_iter().map(|g| [place(g.from), place(g.until)]).collect())
}

/// A Monday: the first day of 2001, from which 28 years hold every pairing of date and weekday.
fn monday() -> DateTime<Utc> {
    NaiveDate::from_ymd_opt(2001, 1, 1).unwrap_or_default().and_time(chrono::NaiveTime::MIN).and_utc()
}

/// Days after which all windows come again in the same order, and two more for those that cross midnight.
fn cycle_days<'a>(windows: impl Iterator<Item = &'a Window>) -> i64 {
    let mut days = 3;
    for window in windows {
        let mut fields = window.schedule.split_whitespace().skip(2);
        let (day, month, weekday) = (fields.next(), fields.next(), fields.next());
        if day != Some("*") || month != Some("*") {
            return 28 * 366;
        }
        if weekday != Some("*") {
            days = 9;
        }
    }
    days
}

/// Windows on the wall clock, as if it were UTC.
fn wall_clock(windows: &[Window], days: i64) -> Vec<Interval> {
    let (from, until) = (monday() - TimeDelta::days(2), monday() + TimeDelta::days(days));
    let mut list = Vec::new();
    for Window { schedule, duration } in windows {
        let Ok(cron) = parse(schedule) else { continue };
        list.extend(local::starts(&cron, from.naive_utc(), until.naive_utc()).map(|start| {
            let from = start.and_utc();
            Interval { from, until: from + duration.delta() }
        }));
    }
    span::clip(span::merge(list), Interval { from: monday(), until })
}
