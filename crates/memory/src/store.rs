//! The store: entries by fingerprint, their heat, sizes and expiry, kept consistent by scripts that Redis runs as one
//! step each.
//!
//! Under the prefix `cherokee:{<namespace>/<cluster>}:` there are
//!
//! | key | type | holds |
//! | --- | --- | --- |
//! | `entry:<fingerprint>` | hash | `version`, `schema`, `body` (JSON), `bytes`, `uses`; expires by itself |
//! | `old:<fingerprint>` | hash | the version before, when a dream replaced it |
//! | `heat`, `ghost`, `cut` | sorted sets | heat of entries, of evicted ones, and of queries whose answer was cut |
//! | `expiry`, `size` | sorted set, hash | Unix second of expiry and bytes (old version included), by fingerprint |
//! | `bytes`, `count`, `meta` | string, hashes | sum of sizes, counters, the half-life |
//! | `cuts`, `night:*` | | see [`cut`](crate::cut) and [`night`](crate::night) |

use crate::{
    Entry, Error, Fingerprint, Heat, Options, entry,
    link::{Link, QUERY, WORK},
};
use chrono::{DateTime, Utc};
use redis::{InfoDict, Script};
use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, LazyLock},
    time::Duration,
};

/// Largest entry that is stored, in bytes.
pub const MAX_ENTRY_BYTES: usize = 1 << 20;
/// Overhead of an entry in Redis beside its body, in bytes: keys, index members, counters, and its share of ghosts. With
/// 600 here, Redis 7.0 was measured to take 1.16 to 1.81 times what was counted, ghosts included.
const OVERHEAD_BYTES: usize = 1200;

/// One script with the heat arithmetic before it.
macro_rules! script {
    ($file:literal) => {
        LazyLock::new(|| Script::new(concat!(include_str!("lua/heat.lua"), include_str!(concat!("lua/", $file)))))
    };
}
pub(crate) use script;

static RECALL: LazyLock<Script> = script!("recall.lua");
static PUT: LazyLock<Script> = script!("put.lua");
static REMOVE: LazyLock<Script> = script!("remove.lua");
static TRIM: LazyLock<Script> = script!("trim.lua");
static RANK: LazyLock<Script> = script!("rank.lua");
static HALF_LIFE: LazyLock<Script> = script!("half_life.lua");

/// Muscle memory of one cluster. Clones share one connection, which is made and repaired in the background.
#[derive(Clone)]
pub struct Store {
    pub(crate) link: Link,
    pub(crate) prefix: Arc<str>,
}

impl fmt::Debug for Store {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Store").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

/// Outcome of storing an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// It is stored.
    Stored,
    /// Not stored: this version is there, or (0) the version that it was to replace is gone.
    Kept(u32),
    /// Not stored: this many bytes are more than [`MAX_ENTRY_BYTES`].
    TooLarge(usize),
}

/// Why an entry is removed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Removal {
    /// To stay within the budget; not done if the entry is hotter by now than it was seen to be.
    Evicted(Heat),
    /// Its time to live has passed; not done if it was stored anew.
    Expired,
}

/// An entry's place in the order of heat.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ranked {
    /// Which entry.
    pub fingerprint: Fingerprint,
    /// How hot it is.
    pub heat: Heat,
    /// Bytes that it takes, with its old version.
    pub bytes: u64,
}

/// Figures of the whole memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Entries, counting those that have expired and are not cleaned up yet.
    pub entries: u64,
    /// Bytes that they take.
    pub bytes: u64,
    /// Look-ups that found an entry, ever.
    pub hits: u64,
    /// Look-ups that found none, ever.
    pub misses: u64,
    /// Entries stored, replaced ones included, ever.
    pub puts: u64,
    /// Entries removed to stay within the budget, ever.
    pub evicted: u64,
    /// Entries removed because their time had passed, ever.
    pub expired: u64,
}

/// How full the whole Redis is, whoever fills it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Room {
    /// Bytes in use.
    pub used: u64,
    /// Bytes from which on it refuses writes; 0: it has no limit, or evicts on its own.
    pub limit: u64,
}

impl Store {
    /// A store that connects in the background. Must be called inside a tokio runtime; does not wait and does not fail
    /// for a Redis that is away.
    pub fn new(options: &Options) -> Result<Self, Error> {
        Ok(Self { link: Link::new(options)?, prefix: options.prefix.as_str().into() })
    }

    /// Looks an entry up for a client, in one round trip of at most a second: counts the hit or miss and makes the entry
    /// warmer.
    ///
    /// An entry in a later format is a miss. A Redis that may not write (full, read-only) still answers.
    pub async fn recall(&self, fingerprint: &Fingerprint, now: DateTime<Utc>) -> Result<Option<Entry>, Error> {
        let arguments = [&*fingerprint.to_string(), &now.timestamp().to_string(), &entry::SCHEMA.to_string()];
        let body: Option<String> = self.link.run(QUERY, &RECALL, &self.prefix, &arguments).await?;
        Ok(body.as_deref().and_then(Entry::decode))
    }

    /// Reads an entry without counting or warming.
    pub async fn get(&self, fingerprint: &Fingerprint) -> Result<Option<Entry>, Error> {
        let get = redis::Cmd::hget(self.key(&format!("entry:{fingerprint}")), "body");
        let body: Option<String> = self.link.ask(WORK, |mut to| async move { get.query_async(&mut to).await }).await?;
        Ok(body.as_deref().and_then(Entry::decode))
    }

    /// Stores an entry for `time_to_live` (at least a second). Never replaces a version that is as new or newer; a
    /// dream's answer replaces only the version that it was made from, which is kept under `old:`.
    pub async fn put(
        &self,
        fingerprint: &Fingerprint,
        entry: &Entry,
        time_to_live: Duration,
        now: DateTime<Utc>,
    ) -> Result<Put, Error> {
        let Ok(body) = entry.encode() else { return Ok(Put::Kept(0)) };
        if body.len() > MAX_ENTRY_BYTES {
            return Ok(Put::TooLarge(body.len()));
        }
        let parent = match &entry.provenance {
            entry::Provenance::Day => "day".to_owned(),
            entry::Provenance::Dream { parent, .. } => parent.to_string(),
        };
        let arguments = [
            &*fingerprint.to_string(),
            &now.timestamp().to_string(),
            &entry.version.to_string(),
            &parent,
            &(body.len() + OVERHEAD_BYTES).to_string(),
            &time_to_live.as_secs().max(1).to_string(),
            &entry.schema.to_string(),
            &body,
        ];
        let (stored, version): (bool, u32) = self.link.run(WORK, &PUT, &self.prefix, &arguments).await?;
        Ok(if stored { Put::Stored } else { Put::Kept(version) })
    }

    /// Removes an entry and its old version; returns whether it did.
    pub async fn remove(&self, fingerprint: &Fingerprint, why: Removal) -> Result<bool, Error> {
        let (word, seen) = match why {
            Removal::Evicted(Heat(seen)) => ("evicted", seen.to_string()),
            Removal::Expired => ("expired", String::new()),
        };
        self.link.run(WORK, &REMOVE, &self.prefix, &[&fingerprint.to_string(), word, &seen]).await
    }

    /// Forgets the coldest ghosts while there are more of them than entries; returns how many.
    pub async fn trim_ghosts(&self) -> Result<u64, Error> {
        self.link.run(WORK, &TRIM, &self.prefix, &[]).await
    }

    /// The hottest entries from place `skip` on, at most `count`, hottest first.
    pub async fn hottest(&self, skip: usize, count: usize) -> Result<Vec<Ranked>, Error> {
        self.rank("hottest", skip, count).await
    }

    /// The coldest entries, at most `count`, coldest first.
    pub async fn coldest(&self, count: usize) -> Result<Vec<Ranked>, Error> {
        self.rank("coldest", 0, count).await
    }

    async fn rank(&self, end: &str, skip: usize, count: usize) -> Result<Vec<Ranked>, Error> {
        let arguments = [end, &skip.to_string(), &count.to_string()];
        let rows: Vec<(String, f64, u64)> = self.link.run(WORK, &RANK, &self.prefix, &arguments).await?;
        let ranked = |(name, heat, bytes): (String, f64, u64)| {
            let fingerprint = name.parse().ok()?;
            Some(Ranked { fingerprint, heat: Heat(heat), bytes })
        };
        Ok(rows.into_iter().filter_map(ranked).collect())
    }

    /// Entries whose time has passed at `now`, at most `count`, longest ago first.
    pub async fn expired(&self, count: usize, now: DateTime<Utc>) -> Result<Vec<Fingerprint>, Error> {
        let mut range = redis::cmd("ZRANGE");
        range.arg(self.key("expiry")).arg("-inf").arg(now.timestamp()).arg("BYSCORE").arg("LIMIT").arg(0).arg(count);
        let names: Vec<String> = self.link.ask(WORK, |mut to| async move { range.query_async(&mut to).await }).await?;
        Ok(names.iter().filter_map(|name| name.parse().ok()).collect())
    }

    /// Figures of the whole memory.
    pub async fn stats(&self) -> Result<Stats, Error> {
        let mut all = redis::pipe();
        all.zcard(self.key("heat")).get(self.key("bytes")).hgetall(self.key("count"));
        let (entries, bytes, count): (u64, Option<u64>, BTreeMap<String, u64>) =
            self.link.ask(WORK, |mut to| async move { all.query_async(&mut to).await }).await?;
        let of = |name| count.get(name).copied().unwrap_or_default();
        Ok(Stats {
            entries,
            bytes: bytes.unwrap_or_default(),
            hits: of("hits"),
            misses: of("misses"),
            puts: of("puts"),
            evicted: of("evicted"),
            expired: of("expired"),
        })
    }

    /// How full the whole Redis is, as it counts itself.
    pub async fn room(&self) -> Result<Room, Error> {
        let mut info = redis::cmd("INFO");
        info.arg("memory");
        let told: InfoDict = self.link.ask(WORK, |mut to| async move { info.query_async(&mut to).await }).await?;
        let of = |name: &str| told.get::<u64>(name).unwrap_or_default();
        let refuses = told.get::<String>("maxmemory_policy").is_some_and(|policy| policy == "noeviction");
        Ok(Room {
            used: of("used_memory").saturating_sub(of("mem_not_counted_for_evict")),
            limit: if refuses { of("maxmemory") } else { 0 },
        })
    }

    /// Sets the half-life of temperatures. Those of all entries stay what they are at `now`. Only the autonomic daemon
    /// calls it.
    pub async fn set_half_life(&self, half_life: Duration, now: DateTime<Utc>) -> Result<(), Error> {
        let arguments = [&*half_life.as_secs().max(1).to_string(), &now.timestamp().to_string()];
        self.link.run(WORK, &HALF_LIFE, &self.prefix, &arguments).await
    }

    /// Redis key of a part of this memory.
    pub(crate) fn key(&self, part: &str) -> String {
        format!("{}{part}", self.prefix)
    }
}
