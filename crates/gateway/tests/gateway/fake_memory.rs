//! A memory in a map, which can be away or late.

use cherokee_gateway::memory::Memory;
use cherokee_memory::{Cut, Entry, Error, Fingerprint, Put};
use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use std::{
    collections::HashMap,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

#[derive(Default)]
pub(crate) struct FakeMemory {
    pub(crate) entries: Mutex<HashMap<Fingerprint, (Entry, Duration)>>,
    pub(crate) cuts: Mutex<Vec<Cut>>,
    pub(crate) asked: Mutex<usize>,
    pub(crate) down: AtomicBool,
    /// While set, no look-up is answered.
    pub(crate) held: AtomicBool,
}

impl FakeMemory {
    pub(crate) fn len(&self) -> usize {
        self.entries.lock().unwrap().len()
    }

    fn up(&self) -> Result<(), Error> {
        if self.down.load(Ordering::Relaxed) { Err(Error::Timeout(50)) } else { Ok(()) }
    }
}

impl Memory for FakeMemory {
    fn recall<'a>(&'a self, key: &'a Fingerprint, _: DateTime<Utc>) -> BoxFuture<'a, Result<Option<Entry>, Error>> {
        Box::pin(async move {
            *self.asked.lock().unwrap() += 1;
            while self.held.load(Ordering::Relaxed) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            self.up()?;
            Ok(self.entries.lock().unwrap().get(key).map(|(entry, _)| entry.clone()))
        })
    }

    fn put<'a>(
        &'a self,
        key: &'a Fingerprint,
        entry: &'a Entry,
        time_to_live: Duration,
        _: DateTime<Utc>,
    ) -> BoxFuture<'a, Result<Put, Error>> {
        Box::pin(async move {
            self.up()?;
            self.entries.lock().unwrap().insert(*key, (entry.clone(), time_to_live));
            Ok(Put::Stored)
        })
    }

    fn note_cut<'a>(&'a self, cut: &'a Cut, _: DateTime<Utc>) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            self.up()?;
            self.cuts.lock().unwrap().push(cut.clone());
            Ok(())
        })
    }
}
