//! Coarse figures for `status`: pure.

use cherokee_wire::hints::MemoryReport;

/// Steps of the hit percentage.
const STEP: f64 = 5.0;
/// How far the exact figure must be from the published step before it is changed: more than half a step, or it would
/// flicker.
const SLACK: f64 = 4.0;

/// Look-ups that count, older ones less: halved with every half-life, like everything else here.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Lookups {
    hits: f64,
    misses: f64,
    seen: Option<(u64, u64)>,
}

impl Lookups {
    /// Takes the store's counters after `elapsed_half_lives` since the last time. Counters that went back (a new
    /// store) start anew.
    pub fn observe(&mut self, hits: u64, misses: u64, elapsed_half_lives: f64) {
        let (old_hits, old_misses) = match self.seen {
            Some((old_hits, old_misses)) if old_hits <= hits && old_misses <= misses => (old_hits, old_misses),
            _ => (0, 0),
        };
        let left = (-elapsed_half_lives).exp2();
        self.hits = self.hits * left + float(hits - old_hits);
        self.misses = self.misses * left + float(misses - old_misses);
        self.seen = Some((hits, misses));
    }

    /// Share of hits, 0 to 1; none without look-ups.
    pub fn ratio(&self) -> Option<f64> {
        let all = self.hits + self.misses;
        (all > 0.0).then(|| self.hits / all)
    }
}

/// The report for these figures, which stays as it was while they are near it.
pub fn coarse(before: Option<MemoryReport>, ratio: Option<f64>, entries: u64) -> MemoryReport {
    let before = before.unwrap_or_default();
    MemoryReport {
        hit_percent: ratio.map(|ratio| percent(before.hit_percent, ratio * 100.0)),
        entries: if near(before.entries, entries) { before.entries } else { two_digits(entries) },
    }
}

fn percent(before: Option<u8>, exact: f64) -> u8 {
    match before {
        Some(before) if (f64::from(before) - exact).abs() <= SLACK => before,
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a percentage is from 0 to 100")]
        _ => ((exact / STEP).round() * STEP).clamp(0.0, 100.0) as u8,
    }
}

/// Whether `exact` is within one unit of the second digit of what is published.
fn near(before: u64, exact: u64) -> bool {
    before.abs_diff(exact) < unit(before.max(exact)).max(1)
}

fn two_digits(exact: u64) -> u64 {
    let unit = unit(exact);
    exact / unit * unit
}

/// Value of the second significant digit: 1 up to 99, 10 up to 999, and so on.
fn unit(number: u64) -> u64 {
    10u64.pow(number.checked_ilog10().unwrap_or_default().saturating_sub(1))
}

#[expect(clippy::cast_precision_loss, reason = "a ratio needs no more than 52 bits of a counter")]
fn float(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn figures_are_coarse_and_not_far_from_the_truth(ratio in 0.0f64..=1.0, entries in 0u64..u64::MAX / 100, old in 0u64..100_000) {
            let before = coarse(None, Some(0.5), old);
            let report = coarse(Some(before), Some(ratio), entries);
            let shown = f64::from(report.hit_percent.unwrap());
            prop_assert!(shown % STEP == 0.0 && (shown - ratio * 100.0).abs() <= SLACK);
            prop_assert!(report.entries.abs_diff(entries) <= unit(entries.max(report.entries)));
            prop_assert_eq!(report.entries % unit(report.entries), 0);
        }

        #[test]
        fn figures_that_swing_by_one_entry_are_published_anew_at_most_once(percent in 0u8..=20, off in -3.9f64..3.9, entries in 100u64..1_000_000) {
            let exact = (f64::from(percent * 5) + off).clamp(0.0, 100.0);
            let before = coarse(None, Some(f64::from(percent) * 0.05), entries);
            prop_assert_eq!(coarse(Some(before), Some(exact / 100.0), entries), before);
            let once = coarse(Some(before), Some(exact / 100.0), entries + 1);
            prop_assert_eq!(once.hit_percent, before.hit_percent);
            prop_assert_eq!(coarse(Some(once), Some(exact / 100.0), entries), once);
            prop_assert_eq!(coarse(Some(once), Some(exact / 100.0), entries + 1), once);
        }
    }

    #[test]
    fn ten_thousand_two_hundred_and_thirty_entries_are_ten_thousand() {
        let report = coarse(None, Some(0.612), 10_230);
        assert_eq!(report, MemoryReport { hit_percent: Some(60), entries: 10_000 });
        assert_eq!(coarse(None, None, 0), MemoryReport::default());
        assert_eq!(coarse(None, None, 7).entries, 7);
    }

    #[test]
    fn old_look_ups_count_less() {
        let mut lookups = Lookups::default();
        assert_eq!(lookups.ratio(), None);
        lookups.observe(0, 100, 0.0);
        lookups.observe(100, 100, 1.0);
        assert_eq!(lookups.ratio(), Some(100.0 / 150.0));
        lookups.observe(0, 10, 0.0);
        assert!(lookups.ratio().unwrap() < 0.67, "a new store starts anew");
    }
}
