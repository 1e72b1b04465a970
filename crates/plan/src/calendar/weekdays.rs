//! The remedy for a weekday range over the end of the week, which cron lines cannot hold.

const DAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// The first range of the weekday field that runs over the end of the week, as `FRI-MON`, and its days as a list, as
/// `FRI,SAT,SUN,MON`. None if there is no such range.
pub(super) fn wrapped(schedule: &str) -> Option<(String, String)> {
    schedule.split_whitespace().nth(4)?.split(',').find_map(|item| {
        let (range, step) = item.split_once('/').unwrap_or((item, "1"));
        let (first, last) = range.split_once('-')?;
        let (first, last, step) = (number(first)?, number(last)?, step.parse().ok().filter(|s| *s > 0)?);
        let days: Vec<_> = (first..=last + 7).step_by(step).filter_map(|day| DAYS.get(day % 7).copied()).collect();
        (first > last).then(|| (item.to_owned(), days.join(",")))
    })
}

/// A weekday as cron counts it, from Sunday (0, or 7 as well).
fn number(day: &str) -> Option<usize> {
    let named = DAYS.iter().position(|name| name.eq_ignore_ascii_case(day));
    named.or_else(|| day.parse().ok()).filter(|number| *number <= 7)
}
