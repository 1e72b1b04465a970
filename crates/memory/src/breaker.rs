//! A breaker: after some failures in a row, ask only once a second whether it is over.

use std::time::{Duration, Instant};

/// Failures in a row that open it.
pub(crate) const FAILURES: u32 = 5;
/// Time between two probes while it is open.
pub(crate) const REST: Duration = Duration::from_secs(1);

/// State of the breaker: whether the server is assumed to answer.
#[derive(Debug, Default)]
pub(crate) struct Breaker {
    failures: u32,
    rest_until: Option<Instant>,
    has_answered: bool,
}

impl Breaker {
    /// Whether a question may be asked now. While open, one a second may: the probe.
    pub(crate) fn allows(&mut self, now: Instant) -> bool {
        match self.rest_until {
            Some(until) if now < until => false,
            Some(_) => {
                self.rest_until = Some(now + REST);
                true
            }
            None => true,
        }
    }

    /// The other side answered, even if it refused.
    pub(crate) fn answered(&mut self) {
        *self = Self { has_answered: true, ..Self::default() };
    }

    /// Whether the last thing that was heard of the other side is an answer.
    pub(crate) fn is_well(&self) -> bool {
        self.has_answered && self.failures == 0
    }

    /// The other side did not answer; returns whether the breaker is open now.
    pub(crate) fn failed(&mut self, now: Instant) -> bool {
        self.failures = self.failures.saturating_add(1);
        if self.failures >= FAILURES {
            self.rest_until = Some(now + REST);
        }
        self.rest_until.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_opens_after_five_failures_in_a_row_and_lets_one_probe_a_second_through() {
        let start = Instant::now();
        let mut breaker = Breaker::default();
        for _ in 0..4 {
            assert!(!breaker.failed(start));
        }
        assert!(breaker.allows(start));
        assert!(breaker.failed(start));
        assert!(!breaker.allows(start + REST / 2));
        assert!(breaker.allows(start + REST), "the probe");
        assert!(!breaker.allows(start + REST), "only one probe");
    }

    #[test]
    fn an_answer_closes_it() {
        let start = Instant::now();
        let mut breaker = Breaker::default();
        for _ in 0..9 {
            breaker.failed(start);
        }
        assert!(!breaker.is_well());
        breaker.answered();
        assert!(breaker.is_well() && breaker.allows(start));
        assert!(!breaker.failed(start), "counting starts again");
    }
}
