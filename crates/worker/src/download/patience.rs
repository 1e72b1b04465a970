//! How long to wait between two attempts, and when to give up.

use std::time::Duration;

/// Breaks in a row without a new byte after which it is given up.
const MOST_IDLE_BREAKS: u32 = 6;
/// Pause after a break; doubled after each further one without a new byte.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// Longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Waits in a row, each asked for by the server, without a new byte after which it is given up.
const MOST_BUSY: u32 = 12;
/// Longest wait that a server may ask for; by [`MOST_BUSY`] less than an hour in all.
const LONGEST_WAIT: Duration = Duration::from_mins(5);

/// How often a download may break.
pub(super) struct Patience {
    /// Most bytes that were there at once: a server without ranges begins the file again after each break.
    furthest: u64,
    /// Breaks since there were more.
    breaks: u32,
    /// Waits that the server asked for since there were more.
    waits: u32,
}

impl Patience {
    /// Nothing has broken yet, and `bytes` are there.
    pub(super) fn new(bytes: u64) -> Self {
        Self { furthest: bytes, breaks: 0, waits: 0 }
    }

    /// How long to wait after a break at `bytes`; none when it is given up.
    pub(super) fn after_break(&mut self, bytes: u64) -> Option<Duration> {
        if !self.further(bytes) {
            self.breaks += 1;
        }
        let pause = (FIRST_PAUSE * 2_u32.pow(self.breaks.saturating_sub(1))).min(LONGEST_PAUSE);
        (self.breaks < MOST_IDLE_BREAKS).then_some(pause)
    }

    /// How long to wait for a server that asks for `wait`; none when it is given up. Not counted as a break: a server
    /// that says when to come back works.
    pub(super) fn after_busy(&mut self, bytes: u64, wait: Duration) -> Option<Duration> {
        self.further(bytes);
        self.waits += 1;
        (self.waits < MOST_BUSY).then_some(wait.clamp(FIRST_PAUSE, LONGEST_WAIT))
    }

    /// Attempts since there was a new byte.
    pub(super) fn tries(&self) -> u32 {
        self.breaks + self.waits
    }

    /// Whether there are more bytes than ever before, which forgives what was before.
    fn further(&mut self, bytes: u64) -> bool {
        let further = bytes > self.furthest;
        if further {
            *self = Self::new(bytes);
        }
        further
    }
}

#[cfg(test)]
mod tests {
    use super::{FIRST_PAUSE, LONGEST_WAIT, MOST_BUSY, MOST_IDLE_BREAKS, Patience};
    use std::time::Duration;

    #[test]
    fn a_server_that_begins_again_and_breaks_where_it_broke_is_given_up() {
        let mut patience = Patience::new(0);
        assert_eq!(patience.after_break(1_000), Some(FIRST_PAUSE), "the first bytes");
        for breaks in 1..MOST_IDLE_BREAKS {
            let bytes = if breaks == 2 { 0 } else { 1_000 };
            assert_eq!(patience.after_break(bytes), Some(FIRST_PAUSE * 2_u32.pow(breaks - 1)));
        }
        assert_eq!(patience.after_break(1_000), None);
    }

    #[test]
    fn a_download_that_gets_further_each_time_breaks_as_often_as_it_likes_and_pauses_each_time() {
        let mut patience = Patience::new(10);
        for bytes in 11..100 {
            assert_eq!(patience.after_break(bytes), Some(FIRST_PAUSE));
        }
    }

    #[test]
    fn waits_that_the_server_asks_for_are_kept_to_capped_and_counted_apart() {
        let mut patience = Patience::new(0);
        let asked = Duration::from_secs(25);
        for _ in 1..MOST_IDLE_BREAKS {
            assert!(patience.after_break(0).is_some());
            assert_eq!(patience.after_busy(0, asked), Some(asked), "a break does not shorten it");
        }
        assert_eq!(patience.after_busy(0, Duration::MAX), Some(LONGEST_WAIT));
        assert_eq!(patience.after_busy(0, Duration::ZERO), Some(FIRST_PAUSE));
        let left = MOST_BUSY - MOST_IDLE_BREAKS - 2;
        for _ in 0..left {
            assert!(patience.after_busy(0, asked).is_some());
        }
        assert_eq!(patience.after_busy(0, asked), None, "nor is it waited for without end");
    }
}
