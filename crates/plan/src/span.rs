//! Arithmetic of times: sorted lists of intervals that neither touch nor overlap.

use crate::intent::Interval;
use chrono::{DateTime, TimeDelta, Utc};

/// Sorts, drops the empty, and joins what touches or overlaps.
pub(crate) fn merge(mut list: Vec<Interval>) -> Vec<Interval> {
    list.retain(|i| i.from < i.until);
    list.sort_unstable();
    let mut merged: Vec<Interval> = Vec::with_capacity(list.len());
    for next in list {
        match merged.last_mut() {
            Some(before) if next.from <= before.until => before.until = before.until.max(next.until),
            _ => merged.push(next),
        }
    }
    merged
}

/// What of `list` lies outside `holes`; both as [`merge`] leaves them.
pub(crate) fn subtract(list: &[Interval], holes: &[Interval]) -> Vec<Interval> {
    let mut rest = Vec::with_capacity(list.len());
    for interval in list {
        let mut from = interval.from;
        let first = holes.partition_point(|h| h.until <= interval.from);
        for hole in holes[first..].iter().take_while(|h| h.from < interval.until) {
            rest.push(Interval { from, until: hole.from });
            from = hole.until;
        }
        rest.push(Interval { from, until: interval.until });
    }
    merge(rest)
}

/// Each interval made longer on both sides.
pub(crate) fn widen(list: &[Interval], before: TimeDelta, after: TimeDelta) -> Vec<Interval> {
    merge(list.iter().map(|i| Interval { from: i.from - before, until: i.until + after }).collect())
}

/// What of `list` lies inside `span`.
pub(crate) fn clip(list: Vec<Interval>, span: Interval) -> Vec<Interval> {
    merge(list.into_iter().map(|i| Interval { from: i.from.max(span.from), until: i.until.min(span.until) }).collect())
}

/// Whether `at` is inside.
pub(crate) fn covers(list: &[Interval], at: DateTime<Utc>) -> bool {
    let first = list.partition_point(|i| i.until <= at);
    list.get(first).is_some_and(|i| i.from <= at)
}

/// The first start or end after `at`.
pub(crate) fn next_edge(list: &[Interval], at: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let first = list.partition_point(|i| i.until <= at);
    list.get(first).map(|i| if i.from > at { i.from } else { i.until })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn t(s: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(s, 0).unwrap()
    }
    fn some() -> impl Strategy<Value = Vec<Interval>> {
        prop::collection::vec((0i64..60, 0i64..15), 0..8)
            .prop_map(|v| v.into_iter().map(|(a, l)| Interval { from: t(a), until: t(a + l) }).collect())
    }

    proptest! {
        #[test]
        fn an_instant_is_in_the_rest_when_it_is_in_the_list_and_in_no_hole(a in some(), b in some()) {
            let (a, b) = (merge(a), merge(b));
            let rest = subtract(&a, &b);
            for s in 0..80 {
                prop_assert_eq!(covers(&rest, t(s)), covers(&a, t(s)) && !covers(&b, t(s)), "{}", s);
            }
        }

        #[test]
        fn nothing_changes_before_the_next_edge(a in some(), s in 0i64..80) {
            let a = merge(a);
            let end = next_edge(&a, t(s)).map_or(100, |e| e.timestamp());
            for later in s..end {
                prop_assert_eq!(covers(&a, t(later)), covers(&a, t(s)));
            }
            if end < 100 {
                prop_assert_ne!(covers(&a, t(end)), covers(&a, t(s)));
            }
        }
    }

    #[test]
    fn what_touches_becomes_one() {
        let list = merge(vec![Interval { from: t(5), until: t(9) }, Interval { from: t(1), until: t(5) }]);
        assert_eq!(list, vec![Interval { from: t(1), until: t(9) }]);
    }
}
