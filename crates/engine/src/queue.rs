//! The bounded queue between callers and the device thread.

use crate::{
    contract::{Class, Load, Refused},
    sequence::Sequence,
};
use std::sync::{
    Condvar, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

/// What callers and the device thread share.
pub(crate) struct Shared {
    inbox: Mutex<Inbox>,
    wake: Condvar,
    running: AtomicUsize,
    places: usize,
    max_waiting: usize,
}

struct Inbox {
    arrived: Vec<(usize, Sequence)>,
    /// Unfinished queries by class.
    open: [usize; 2],
    next: u64,
    closed: bool,
}

impl Shared {
    /// Room for `places` queries that run and `max_waiting` of each class that wait.
    pub(crate) fn new(places: usize, max_waiting: usize) -> Self {
        let inbox = Mutex::new(Inbox { arrived: Vec::new(), open: [0; 2], next: 0, closed: false });
        Self { inbox, wake: Condvar::new(), running: AtomicUsize::new(0), places, max_waiting }
    }

    /// Reserves a place in the queue, unless too many of its class wait. Background work never takes an interactive
    /// query's room.
    pub(crate) fn reserve(&self, class: Class) -> Result<Reserved<'_>, Refused> {
        let mut inbox = self.inbox();
        if inbox.closed {
            return Err(Refused::Ended);
        }
        let open = inbox.open[index(class)];
        if open >= self.places + self.max_waiting {
            return Err(Refused::Full { waiting: open - self.places, limit: self.max_waiting });
        }
        inbox.open[index(class)] += 1;
        Ok(Reserved { shared: self, class, is_taken: false })
    }

    /// What has arrived; waits for something if `idle`. Nothing when the engine is closed.
    pub(crate) fn take(&self, idle: bool) -> Option<Vec<(usize, Sequence)>> {
        let mut inbox = self.inbox();
        while idle && inbox.arrived.is_empty() && !inbox.closed {
            inbox = self.wake.wait(inbox).unwrap_or_else(PoisonError::into_inner);
        }
        (!inbox.closed).then(|| std::mem::take(&mut inbox.arrived))
    }

    /// Notes that a query of `class` has ended.
    pub(crate) fn ended(&self, class: Class) {
        self.inbox().open[index(class)] -= 1;
    }

    /// Notes how many queries have a place.
    pub(crate) fn note_running(&self, running: usize) {
        self.running.store(running, Ordering::Relaxed);
    }

    /// Ends the device thread before its next step; nothing is accepted any more.
    pub(crate) fn close(&self) {
        let mut inbox = self.inbox();
        inbox.closed = true;
        // Their listeners learn it by the end of their channels.
        inbox.arrived.clear();
        self.wake.notify_all();
    }

    /// Whether queries are accepted at all.
    pub(crate) fn is_open(&self) -> bool {
        !self.inbox().closed
    }

    /// How busy the engine is.
    pub(crate) fn load(&self) -> Load {
        let open: usize = self.inbox().open.iter().sum();
        let running = self.running.load(Ordering::Relaxed).min(open);
        Load { running, waiting: open - running, limit: self.max_waiting }
    }

    /// A poisoned lock is usable: every change under it is a single step.
    fn inbox(&self) -> MutexGuard<'_, Inbox> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in the queue for a query to be; given back unless one takes it.
pub(crate) struct Reserved<'a> {
    shared: &'a Shared,
    class: Class,
    is_taken: bool,
}

impl Reserved<'_> {
    /// Queues the query that `make` makes.
    pub(crate) fn put(mut self, make: impl FnOnce(u64) -> (usize, Sequence)) -> Result<(), Refused> {
        let mut inbox = self.shared.inbox();
        if inbox.closed {
            return Err(Refused::Ended);
        }
        inbox.next += 1;
        let arrival = make(inbox.next);
        inbox.arrived.push(arrival);
        self.is_taken = true;
        self.shared.wake.notify_one();
        Ok(())
    }
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        if !self.is_taken {
            self.shared.ended(self.class);
        }
    }
}

fn index(class: Class) -> usize {
    match class {
        Class::Interactive => 0,
        Class::Background => 1,
    }
}
