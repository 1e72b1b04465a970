//! Temperature: it halves, it keeps order, and use raises it.

use cherokee_memory::Heat;
use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use std::time::Duration;

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_790_000_000 + seconds, 0).unwrap()
}

fn heat(uses: &[i64], half_life: Duration) -> Heat {
    let first = Heat::first(at(uses[0]), half_life);
    uses[1..].iter().fold(first, |heat, second| heat.used(at(*second), half_life))
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-6 * a.abs().max(b.abs()).max(1e-9)
}

proptest! {
    #[test]
    fn it_is_the_sum_of_decayed_uses(uses in prop::collection::vec(0i64..500_000, 1..40), half_life in 60u64..1_000_000) {
        let half_life = Duration::from_secs(half_life);
        let now = 500_000;
        let sum: f64 = uses.iter().map(|u| 0.5f64.powf(f64::from(i32::try_from(now - u).unwrap()) / half_life.as_secs_f64())).sum();
        prop_assert!(close(heat(&uses, half_life).temperature_at(at(now), half_life), sum));
    }

    #[test]
    fn it_halves_with_every_half_life(uses in prop::collection::vec(0i64..500_000, 1..10), half_life in 60i64..1_000_000) {
        let span = Duration::from_secs(half_life.unsigned_abs());
        let heat = heat(&uses, span);
        // After all uses: before them temperatures of short half-lives leave the range of a float.
        let now = at(500_000);
        let (before, after) = (heat.temperature_at(now, span), heat.temperature_at(now + TimeDelta::seconds(half_life), span));
        prop_assert!(close(before / 2.0, after));
    }

    #[test]
    fn time_never_changes_the_order(a in prop::collection::vec(0i64..90_000, 1..10), b in prop::collection::vec(0i64..90_000, 1..10), later in 90_000i64..900_000) {
        let half_life = Duration::from_hours(24);
        let (a, b) = (heat(&a, half_life), heat(&b, half_life));
        let hotter = |now| a.temperature_at(at(now), half_life) > b.temperature_at(at(now), half_life);
        prop_assume!((a.0 - b.0).abs() > 1e-9);
        prop_assert_eq!(a > b, hotter(90_000));
        prop_assert_eq!(a > b, hotter(later));
    }

    #[test]
    fn a_use_makes_it_hotter(uses in prop::collection::vec(0i64..90_000, 1..10), next in 0i64..90_000) {
        let half_life = Duration::from_hours(6);
        let heat = heat(&uses, half_life);
        prop_assert!(heat.used(at(next), half_life) > heat);
    }
}
