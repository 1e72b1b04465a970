//! The gateway's view of muscle memory: what it needs of it, and that a failing one never fails a query.

use cherokee_memory::{Cut, Entry, Error, Fingerprint, Put, Store};
use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use std::time::Duration;

/// What the gateway needs of a memory. Tests bring their own.
pub trait Memory: Send + Sync {
    /// Looks an entry up for a client, and counts it as used.
    fn recall<'a>(&'a self, key: &'a Fingerprint, now: DateTime<Utc>) -> BoxFuture<'a, Result<Option<Entry>, Error>>;
    /// Stores an entry.
    fn put<'a>(
        &'a self,
        key: &'a Fingerprint,
        entry: &'a Entry,
        time_to_live: Duration,
        now: DateTime<Utc>,
    ) -> BoxFuture<'a, Result<Put, Error>>;
    /// Notes a query whose answer was cut by its limit of tokens.
    fn note_cut<'a>(&'a self, cut: &'a Cut, now: DateTime<Utc>) -> BoxFuture<'a, Result<(), Error>>;
}

impl Memory for Store {
    fn recall<'a>(&'a self, key: &'a Fingerprint, now: DateTime<Utc>) -> BoxFuture<'a, Result<Option<Entry>, Error>> {
        Box::pin(Self::recall(self, key, now))
    }

    fn put<'a>(
        &'a self,
        key: &'a Fingerprint,
        entry: &'a Entry,
        time_to_live: Duration,
        now: DateTime<Utc>,
    ) -> BoxFuture<'a, Result<Put, Error>> {
        Box::pin(Self::put(self, key, entry, time_to_live, now))
    }

    fn note_cut<'a>(&'a self, cut: &'a Cut, now: DateTime<Utc>) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(Self::note_cut(self, cut, now))
    }
}
