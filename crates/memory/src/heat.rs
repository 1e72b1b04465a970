//! Temperature: how much an entry is used, halving with every half-life that passes.
//!
//! The temperature of an entry is the sum over its uses of `0.5 ^ (age of the use / half-life)`. What is stored is its
//! logarithm at a fixed epoch: all entries decay alike, so their order never changes by time alone, a sorted set needs
//! a write only on use, and no sweep ever lowers anything. `lua/heat.lua` does the same arithmetic inside Redis.

use chrono::{DateTime, Utc};
use std::time::Duration;

/// 2026-01-01T00:00:00Z, the instant at which stored heat is expressed.
pub(crate) const EPOCH_SECONDS: i64 = 1_767_225_600;

/// Half-life until the autonomic daemon has set one.
pub const DEFAULT_HALF_LIFE: Duration = Duration::from_hours(24);

/// Logarithm to base 2 of the temperature, expressed at the epoch. Larger is hotter, at every time.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Heat(pub f64);

/// Half-lives since the epoch.
fn age(at: DateTime<Utc>, half_life: Duration) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "seconds since 2026 stay far below 2^52")]
    let seconds = (at.timestamp() - EPOCH_SECONDS) as f64;
    seconds / half_life.as_secs_f64().max(1.0)
}

impl Heat {
    /// Heat of an entry that was used once.
    pub fn first(at: DateTime<Utc>, half_life: Duration) -> Self {
        Self(age(at, half_life))
    }

    /// Heat after one more use.
    #[must_use]
    pub fn used(self, at: DateTime<Utc>, half_life: Duration) -> Self {
        let use_now = age(at, half_life);
        let (hot, cold) = if self.0 > use_now { (self.0, use_now) } else { (use_now, self.0) };
        // log2(2^hot + 2^cold) without leaving the range of a float.
        Self(hot + (1.0 + (cold - hot).exp2()).log2())
    }

    /// Temperature at `now`: 1 for an entry used once just now.
    pub fn temperature_at(self, now: DateTime<Utc>, half_life: Duration) -> f64 {
        (self.0 - age(now, half_life)).exp2()
    }
}
