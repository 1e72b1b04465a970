//! Nights: the plan of a dream worker, its checkpoint after every item, and what came of it.
//!
//! A night is one opening of one role's window. Its plan is a list of [`Item`]s, each of which is claimed by one
//! runner at a time and finished once: a runner that is killed loses its claim when it expires, and whoever comes next
//! goes on there. All keys of a night expire after [`KEPT`]. `night:<id>` holds the record, `:todo` the open items by
//! rank, `:claims` and `:held` who works on what until when, `:done` the outcome of each item.

use crate::{Error, Fingerprint, Store, link::WORK, store::script};
use chrono::{DateTime, Utc};
use redis::Script;
use std::{collections::BTreeMap, fmt, str::FromStr, sync::LazyLock, time::Duration};

/// How long the record of a night is kept.
pub const KEPT: Duration = Duration::from_hours(30 * 24);

static OPEN: LazyLock<Script> = script!("night_open.lua");
static CLAIM: LazyLock<Script> = script!("night_claim.lua");
static FINISH: LazyLock<Script> = script!("night_finish.lua");
static RELEASE: LazyLock<Script> = script!("night_release.lua");

/// Record of one night.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Night {
    /// `<UTC date>-<role>-<counter>`.
    pub id: String,
    /// Role that dreams.
    pub role: String,
    /// Model that answers.
    pub model: String,
    /// When it was opened, seconds since 1970.
    pub started: i64,
    /// End of its window by the layout, RFC 3339; none: open end.
    pub until: Option<String>,
    /// When its last item was done, seconds since 1970.
    pub finished: Option<i64>,
    /// Items of its plan.
    pub planned: u64,
    /// Items that are done.
    pub done: u64,
    /// Items that led to a new version.
    pub improved: u64,
    /// Items that did not, by [`Skip::word`].
    pub skipped: BTreeMap<String, u64>,
    /// Time for which the worker answered, in milliseconds.
    pub gpu_millis: u64,
}

/// One thing to do in a night. Written `<kind>:<fingerprint>`, the same item once a night.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Item {
    /// What to do.
    pub kind: Kind,
    /// With which query.
    pub fingerprint: Fingerprint,
}

/// Kinds of items.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Answer a query in full that was cut by its token limit by day.
    Complete,
    /// Answer the query of a hot entry again.
    Reanswer,
}

impl Kind {
    /// The word for provenance and keys.
    pub fn word(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Reanswer => "reanswer",
        }
    }
}

impl fmt::Display for Item {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}", self.kind.word(), self.fingerprint)
    }
}

impl FromStr for Item {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        let (kind, fingerprint) = text.split_once(':').ok_or(())?;
        let kind = [Kind::Complete, Kind::Reanswer].into_iter().find(|known| known.word() == kind).ok_or(())?;
        Ok(Self { kind, fingerprint: fingerprint.parse().map_err(drop)? })
    }
}

/// How an item ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A new version is stored.
    Improved,
    /// Nothing was stored.
    Skipped(Skip),
}

/// Why an item led to no new version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Skip {
    /// The answer is the same as before.
    Same,
    /// The answer was cut by the larger budget too.
    StillCut,
    /// The answer is empty.
    Empty,
    /// The model's context has no room for a larger budget.
    ContextFull,
    /// The worker refused the query for good.
    Refused,
    /// The worker failed again and again.
    Failed,
    /// Another version was stored meanwhile.
    Superseded,
    /// The entry is gone.
    Gone,
}

impl Skip {
    /// The word for counters.
    pub fn word(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::StillCut => "still-cut",
            Self::Empty => "empty",
            Self::ContextFull => "context-full",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Superseded => "superseded",
            Self::Gone => "gone",
        }
    }
}

/// The next step for a runner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// This item is the runner's, until its claim expires.
    Item(Item),
    /// All that is left is claimed by others; the first of their claims expires then (seconds since 1970).
    Wait(i64),
    /// Every item is done.
    Done,
}

impl Store {
    /// Opens a night with its plan, best item first, if `last` is still the role's latest night. Returns the role's
    /// latest night: the one just opened, or the one that another runner opened before. The id is `<UTC
    /// date>-<role>-<counter>`.
    pub async fn open_night(
        &self,
        last: Option<&str>,
        night: &Night,
        plan: &[Item],
        now: DateTime<Utc>,
    ) -> Result<Option<Night>, Error> {
        let date = now.format("%Y-%m-%d").to_string();
        let items: Vec<String> = plan.iter().map(Item::to_string).collect();
        let (seconds, kept) = (now.timestamp().to_string(), KEPT.as_secs().to_string());
        let until = night.until.as_deref().unwrap_or_default();
        let mut arguments = vec![last.unwrap_or_default(), &date, &night.role, &night.model, until, &seconds, &kept];
        arguments.extend(items.iter().map(String::as_str));
        let id: String = self.link.run(WORK, &OPEN, &self.prefix, &arguments).await?;
        self.night(&id).await
    }

    /// The role's latest night.
    pub async fn last_night(&self, role: &str) -> Result<Option<Night>, Error> {
        let get = redis::Cmd::get(self.key(&format!("night:last:{role}")));
        let id: Option<String> = self.link.ask(WORK, |mut to| async move { get.query_async(&mut to).await }).await?;
        match id {
            Some(id) => self.night(&id).await,
            None => Ok(None),
        }
    }

    /// One night by its id.
    pub async fn night(&self, id: &str) -> Result<Option<Night>, Error> {
        let get = redis::Cmd::hgetall(self.key(&format!("night:{id}")));
        let fields: BTreeMap<String, String> =
            self.link.ask(WORK, |mut to| async move { get.query_async(&mut to).await }).await?;
        Ok((!fields.is_empty()).then(|| read(id, &fields)))
    }

    /// Records that the window of an open night now ends at `until`.
    pub async fn move_night_end(&self, id: &str, until: Option<&str>) -> Result<(), Error> {
        let set = redis::Cmd::hset(self.key(&format!("night:{id}")), "until", until.unwrap_or_default());
        self.link.ask(WORK, |mut to| async move { set.exec_async(&mut to).await }).await
    }

    /// Gives `runner` the next item for at most `hold`.
    pub async fn claim(&self, night: &str, runner: &str, hold: Duration, now: DateTime<Utc>) -> Result<Claim, Error> {
        let now = now.timestamp();
        let until = now.saturating_add_unsigned(hold.as_secs().max(1));
        let arguments = [night, runner, &now.to_string(), &until.to_string()];
        let (word, item): (String, String) = self.link.run(WORK, &CLAIM, &self.prefix, &arguments).await?;
        Ok(match (word.as_str(), item.parse(), item.parse()) {
            ("item", Ok(item), _) => Claim::Item(item),
            ("wait", _, Ok(until)) => Claim::Wait(until),
            _ => Claim::Done,
        })
    }

    /// The checkpoint: marks an item as done, once. Returns whether this call did it.
    pub async fn finish(
        &self,
        night: &str,
        item: Item,
        outcome: Outcome,
        gpu: Duration,
        now: DateTime<Utc>,
    ) -> Result<bool, Error> {
        let counter = match outcome {
            Outcome::Improved => "improved".to_owned(),
            Outcome::Skipped(skip) => format!("skipped:{}", skip.word()),
        };
        let arguments =
            [night, &*item.to_string(), &counter, &gpu.as_millis().to_string(), &now.timestamp().to_string()];
        self.link.run(WORK, &FINISH, &self.prefix, &arguments).await
    }

    /// Gives an item back undone, so that the next runner takes it at once. Returns how often it was given back after
    /// a failure.
    pub async fn release(&self, night: &str, runner: &str, item: Item, failed: bool) -> Result<u32, Error> {
        let failed = if failed { "1" } else { "0" };
        self.link.run(WORK, &RELEASE, &self.prefix, &[night, runner, &item.to_string(), failed]).await
    }
}

fn read(id: &str, fields: &BTreeMap<String, String>) -> Night {
    let text = |name: &str| fields.get(name).filter(|text| !text.is_empty()).cloned();
    let number = |name: &str| fields.get(name).and_then(|text| text.parse().ok()).unwrap_or_default();
    let skipped =
        |(name, count): (&String, &String)| Some((name.strip_prefix("skipped:")?.to_owned(), count.parse().ok()?));
    Night {
        id: id.to_owned(),
        role: text("role").unwrap_or_default(),
        model: text("model").unwrap_or_default(),
        started: text("started").and_then(|text| text.parse().ok()).unwrap_or_default(),
        until: text("until"),
        finished: text("finished").and_then(|text| text.parse().ok()),
        planned: number("planned"),
        done: number("done"),
        improved: number("improved"),
        skipped: fields.iter().filter_map(skipped).collect(),
        gpu_millis: number("gpuMillis"),
    }
}
