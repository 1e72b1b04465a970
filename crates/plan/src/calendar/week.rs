//! What can be said of calendars that are the same every week.

use super::{Calendar, DAY_SECONDS};

/// Weekday (from Monday, 0) and minute of that day.
pub(crate) type Moment = (u32, u32);

/// Stretches of a week in which none of these calendars is awake by its windows: start and end. A stretch over the end of
/// the week is one, the last. None if some calendar is not the same every week.
pub(crate) fn gaps_of_a_week(calendars: &[&Calendar]) -> Option<Vec<[Moment; 2]>> {
    let mut awake = Vec::new();
    for piece in calendars.iter().flat_map(|c| &c.pieces) {
        let week = piece.days.weekly()?;
        let days = (0u32..7).zip(week).filter(|(_, inside)| *inside);
        awake.extend(days.map(|(day, _)| (day * DAY_SECONDS + piece.from, day * DAY_SECONDS + piece.until)));
    }
    awake.sort_unstable();
    let mut gaps = Vec::new();
    let mut from = 0;
    for (start, end) in awake {
        if from < start {
            gaps.push((from, start));
        }
        from = from.max(end);
    }
    let end = 7 * DAY_SECONDS;
    if from < end {
        gaps.push((from, end));
    }
    if let [first, .., last] = gaps[..]
        && (first.0, last.1) == (0, end)
    {
        gaps.remove(0);
        if let Some(joined) = gaps.last_mut() {
            joined.1 = first.1;
        }
    }
    let moment = |second: u32| (second / DAY_SECONDS % 7, second % DAY_SECONDS / 60);
    Some(gaps.into_iter().map(|(from, until)| [moment(from), moment(until)]).collect())
}
