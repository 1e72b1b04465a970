//! Who wakes when: changes become names, names become due.

pub(crate) mod index;

pub(crate) use index::{Change, Uses};

use crate::{
    name::Name,
    queue::{Next, Queue},
};
use chrono::{DateTime, Utc};
use index::Index;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::{sync::Notify, time::Instant};

/// The queue of due times, and the index by which a change finds the clusters that it concerns.
#[derive(Debug, Default)]
pub(crate) struct Wakes {
    /// Namespaces whose clusters this operator looks after; none: all.
    namespaces: Vec<String>,
    inner: Mutex<Inner>,
    earlier: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    queue: Queue,
    index: Index,
}

impl Wakes {
    pub(crate) fn new(namespaces: &[String]) -> Self {
        Self { namespaces: namespaces.to_vec(), ..Self::default() }
    }

    /// Makes the clusters due that a change concerns.
    pub(crate) fn change(&self, change: &Change) {
        let mut inner = self.locked();
        if let Change::Cluster(name) = change {
            if !self.namespaces.is_empty() && !self.namespaces.contains(&name.namespace) {
                return;
            }
            if !inner.index.has(name) {
                inner.index.insert(name.clone(), None);
            }
        }
        let names = inner.index.concerned(change);
        let now = Instant::now();
        for name in &names {
            inner.queue.wake(name.clone(), now);
        }
        drop(inner);
        if !names.is_empty() {
            self.earlier.notify_one();
        }
    }

    /// Takes the name that is due first. Until its pass has told what it uses, any change of devices wakes it again: a
    /// device that becomes free while the pass still reads must not be missed.
    pub(crate) fn take(&self, wall: DateTime<Utc>) -> Option<Name> {
        let mut inner = self.locked();
        let name = inner.queue.take(Instant::now(), wall)?;
        inner.index.insert(name.clone(), None);
        Some(name)
    }

    /// What the pass over `name` that runs uses.
    pub(crate) fn uses(&self, name: &Name, uses: Uses) {
        let mut inner = self.locked();
        if inner.index.has(name) {
            inner.index.insert(name.clone(), Some(uses));
        }
    }

    /// The pass over `name` ended; see [`Queue::done`].
    pub(crate) fn done(&self, name: &Name, next: Option<Next>) {
        self.locked().queue.done(name, next, Instant::now());
    }

    /// The cluster `name` is gone.
    pub(crate) fn forget(&self, name: &Name) {
        self.locked().index.remove(name);
    }

    /// When something is due next.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.locked().queue.next()
    }

    /// Waits until something may be due earlier than [`Self::next`] said.
    pub(crate) async fn earlier(&self) {
        self.earlier.notified().await;
    }

    #[cfg(test)]
    pub(crate) fn running(&self) -> usize {
        self.locked().queue.running()
    }

    fn locked(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
