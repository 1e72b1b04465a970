//! The same answers by listing every start that croner finds: slow, and right by its simplicity.

use super::{Clock, schedule};
use crate::{
    intent::{Activation, Interval, Window},
    span,
};
use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, TimeDelta, Utc};
use croner::Cron;

fn starts(cron: &Cron, from: NaiveDateTime, until: NaiveDateTime) -> impl Iterator<Item = NaiveDateTime> {
    let next = move |at: NaiveDateTime, inclusive| {
        cron.find_next_occurrence(&at.and_utc(), inclusive).ok().map(|t| t.naive_utc()).filter(|t| *t < until)
    };
    std::iter::successors(next(from, true), move |found| next(*found, false))
}

/// Whether the windows of both ever overlap on the wall clock, in 28 years.
pub(super) fn meet(a: &[Window], b: &[Window]) -> bool {
    let (a, b) = (wall_clock(a, 28 * 366), wall_clock(b, 28 * 366));
    span::subtract(&a, &b) != a
}

/// Gaps of a week of windows that are the same every week, as days from Monday and minutes.
pub(super) fn gaps_of_a_week(windows: &[Window]) -> Vec<[(u32, u32); 2]> {
    let monday = monday();
    let week = Interval { from: monday + TimeDelta::days(7), until: monday + TimeDelta::days(14) };
    let moment = |t: DateTime<Utc>| {
        let minutes = t.time().signed_duration_since(chrono::NaiveTime::MIN).num_minutes();
        (t.weekday().num_days_from_monday(), u32::try_from(minutes).unwrap())
    };
    let mut gaps = span::subtract(&[week], &wall_clock(windows, 21));
    if gaps.len() > 1 && (gaps[0].from, gaps[gaps.len() - 1].until) == (week.from, week.until) {
        let first = gaps.remove(0);
        gaps.last_mut().unwrap().until = first.until;
    }
    gaps.into_iter().map(|g| [moment(g.from), moment(g.until)]).collect()
}

/// When it is awake inside `span`.
pub(super) fn intervals(
    activation: &Activation,
    wake: &[Interval],
    clock: &Clock<'_>,
    span: Interval,
) -> Vec<Interval> {
    let mut list = wake.to_vec();
    if let Activation::Scheduled(windows) = activation {
        let shift = TimeDelta::hours(25);
        for Window { schedule, duration } in windows {
            let cron = schedule::parse(schedule).unwrap();
            let from = clock.local(span.from) - duration.delta() - shift;
            list.extend(
                starts(&cron, from, clock.local(span.until) + shift).map(|start| Interval {
                    from: clock.instant(start),
                    until: clock.instant(start + duration.delta()),
                }),
            );
        }
    }
    span::clip(list, span)
}

fn monday() -> DateTime<Utc> {
    NaiveDate::from_ymd_opt(2001, 1, 1).unwrap().and_time(chrono::NaiveTime::MIN).and_utc()
}

/// Windows on the wall clock, as if it were UTC.
fn wall_clock(windows: &[Window], days: i64) -> Vec<Interval> {
    let (from, until) = (monday() - TimeDelta::days(2), monday() + TimeDelta::days(days));
    let mut list = Vec::new();
    for Window { schedule, duration } in windows {
        let cron = schedule::parse(schedule).unwrap();
        list.extend(
            starts(&cron, from.naive_utc(), until.naive_utc())
                .map(|start| Interval { from: start.and_utc(), until: start.and_utc() + duration.delta() }),
        );
    }
    span::clip(span::merge(list), Interval { from: monday(), until })
}
