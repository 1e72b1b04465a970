//! When each cluster's next pass is due: one due instant a name, the earliest wins. Pure: time is an argument.

use crate::name::Name;
use chrono::{DateTime, Utc};
use std::{collections::BTreeMap, time::Duration};
use tokio::time::Instant;

/// Time for a burst of changes to become one pass.
const COALESCE: Duration = Duration::from_millis(200);
/// Least time between the starts of two passes that changes cause; also the longest time that a change waits to be due.
const SPACING: Duration = Duration::from_secs(1);
/// Passes over different clusters at once.
const CONCURRENCY: usize = 4;

/// When a pass wants the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Next {
    /// At the latest after this time.
    pub after: Duration,
    /// At this wall-clock time, if it comes before `after` has passed on a clock that was not paused.
    pub edge: Option<DateTime<Utc>>,
}

/// Due times by name.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    entries: BTreeMap<Name, Entry>,
}

#[derive(Debug, Default)]
struct Entry {
    /// What the last pass asked for: an edge of the plan, or a retry.
    timed: Option<(Instant, Option<DateTime<Utc>>)>,
    /// A change waits since then to be seen, and is due then.
    woken: Option<Instant>,
    /// Start of the last pass.
    started: Option<Instant>,
    running: bool,
}

impl Entry {
    /// When it is due, edges and retries before changes.
    fn due(&self) -> Option<(bool, Instant)> {
        let timed = self.timed.map(|(at, _)| (false, at));
        let woken = self.woken.map(|at| (true, at));
        [timed, woken].into_iter().flatten().filter(|_| !self.running).min_by_key(|(_, at)| *at)
    }

    /// Its place among those that are due now.
    fn ready(&self, now: Instant, wall: DateTime<Utc>) -> Option<(bool, Instant)> {
        let timed = self.timed.filter(|(at, edge)| *at <= now || edge.is_some_and(|edge| edge <= wall));
        let timed = timed.map(|(at, _)| (false, at));
        let woken = self.woken.filter(|at| *at <= now).map(|at| (true, at));
        timed.or(woken).filter(|_| !self.running)
    }
}

impl Queue {
    /// A change concerns `name`: due in [`COALESCE`], and within a second of the last pass not before that second is over.
    /// Later changes never push the due instant back.
    pub(crate) fn wake(&mut self, name: Name, now: Instant) {
        let entry = self.entries.entry(name).or_default();
        let spaced = entry.started.map_or(now, |started| started + SPACING);
        let due = spaced.max(now + COALESCE);
        entry.woken = Some(entry.woken.map_or(due, |earlier| earlier.min(due)));
    }

    /// Takes the name that is due first, unless as many passes run as may. It counts as running until [`Self::done`].
    pub(crate) fn take(&mut self, now: Instant, wall: DateTime<Utc>) -> Option<Name> {
        if self.entries.values().filter(|entry| entry.running).count() >= CONCURRENCY {
            return None;
        }
        let due = self.entries.iter_mut().filter_map(|(name, entry)| Some((entry.ready(now, wall)?, name, entry)));
        let (_, name, entry) = due.min_by_key(|(place, ..)| *place)?;
        // A due time fires once: this pass says anew when the next one is due.
        *entry = Entry { timed: None, woken: None, started: Some(now), running: true };
        Some(name.clone())
    }

    /// The pass over `name` ended. None: the cluster is gone.
    pub(crate) fn done(&mut self, name: &Name, next: Option<Next>, now: Instant) {
        let Some(entry) = self.entries.get_mut(name) else { return };
        entry.running = false;
        match next {
            Some(next) => entry.timed = Some((now + next.after, next.edge)),
            // Woken meanwhile: another object of that name may be there.
            None if entry.woken.is_some() => entry.timed = None,
            None => _ = self.entries.remove(name),
        }
    }

    /// When something is due next, if no wall-clock edge comes before. None also while as many passes run as may.
    pub(crate) fn next(&self) -> Option<Instant> {
        if self.entries.values().filter(|entry| entry.running).count() >= CONCURRENCY {
            return None;
        }
        self.entries.values().filter_map(|entry| Some(entry.due()?.1)).min()
    }

    #[cfg(test)]
    pub(crate) fn running(&self) -> usize {
        self.entries.values().filter(|entry| entry.running).count()
    }
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
