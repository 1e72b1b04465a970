//! One item: ask again, weigh, store.

use crate::{
    budget,
    window::Opening,
    worker::{Trouble, Worker},
};
use cherokee_memory::{
    Answer, Cut, Endpoint, Entry, Error, Put, Store,
    entry::{Provenance, SCHEMA},
    night::{Item, Kind, Outcome, Skip},
};
use cherokee_wire::openai::{FinishReason, Usage};
use chrono::{DateTime, Utc};
use serde_json::Value;
use std::{
    future::Future,
    time::{Duration, Instant},
};

/// What became of an item.
pub(crate) enum Ended {
    /// It is done.
    Done {
        /// How.
        outcome: Outcome,
        /// For how long the worker answered.
        gpu: Duration,
    },
    /// It is not: the night was interrupted.
    Cancelled,
    /// It is not: the worker is away, loading, or full.
    NotNow(Duration),
    /// It is not: the worker failed on it.
    Failed,
}

/// The query of an item, as it was asked by day.
struct Query {
    tenant: String,
    endpoint: Endpoint,
    request: Value,
    usage: Usage,
    /// Version and text that are there, if any.
    present: Option<(u32, String)>,
    /// Whether no other answer can come of it.
    is_settled: bool,
}

/// Where and for what an item is worked on.
pub(crate) struct Bench<'a> {
    pub(crate) store: &'a Store,
    pub(crate) worker: &'a Worker,
    pub(crate) opening: &'a Opening,
    pub(crate) night: &'a str,
    pub(crate) factor: u32,
}

impl Bench<'_> {
    /// Works on one item. When `over` ends before the worker has answered, the query is cancelled at the worker.
    pub(crate) async fn work(
        &self,
        item: Item,
        now: DateTime<Utc>,
        over: impl Future<Output = ()>,
    ) -> Result<Ended, Error> {
        let skipped = |skip, gpu| Ok(Ended::Done { outcome: Outcome::Skipped(skip), gpu });
        let query = match self.query(item).await? {
            Ok(query) => query,
            Err(skip) => return self.give_up(item, skip, Duration::ZERO).await,
        };
        let Some(tokens) = budget::enlarged(&query.request, query.usage, self.opening.context_tokens, self.factor)
        else {
            return self.give_up(item, Skip::ContextFull, Duration::ZERO).await;
        };
        let began = Instant::now();
        let asked = tokio::select! {
            biased;
            () = over => return Ok(Ended::Cancelled),
            asked = self.worker.ask(query.endpoint, &self.opening.model, &query.request, tokens) => asked,
        };
        let answer = match asked {
            Ok(answer) => answer,
            Err(Trouble::Refused(status)) => {
                tracing::debug!(%item, %status, "refused");
                return self.give_up(item, Skip::Refused, began.elapsed()).await;
            }
            Err(Trouble::NotNow(wait)) => return Ok(Ended::NotNow(wait)),
            Err(Trouble::Failed) => return Ok(Ended::Failed),
        };
        let gpu = began.elapsed();
        if let Err(skip) = weigh(query.present.as_ref().map(|(_, text)| text.as_str()), &answer) {
            return self.give_up(item, skip, gpu).await;
        }
        match self
            .store
            .put(&item.fingerprint, &self.entry(item, query, answer, now), self.opening.time_to_live, now)
            .await?
        {
            Put::Stored => Ok(Ended::Done { outcome: Outcome::Improved, gpu }),
            Put::Kept(_) => skipped(Skip::Superseded, gpu),
            Put::TooLarge(_) => skipped(Skip::Refused, gpu),
        }
    }

    /// Ends an item without a new version. A cut query is no longer noted: should it be asked and cut again, it will
    /// be noted again.
    async fn give_up(&self, item: Item, skip: Skip, gpu: Duration) -> Result<Ended, Error> {
        if item.kind == Kind::Complete {
            self.store.drop_cut(&item.fingerprint).await?;
        }
        Ok(Ended::Done { outcome: Outcome::Skipped(skip), gpu })
    }

    async fn query(&self, item: Item) -> Result<Result<Query, Skip>, Error> {
        let present = self.store.get(&item.fingerprint).await?;
        let found = match (item.kind, present) {
            (Kind::Complete, Some(_)) => return Ok(Err(Skip::Superseded)),
            (Kind::Complete, None) => self.store.cut(&item.fingerprint).await?.map(|cut| {
                let Cut { tenant, model, revision, endpoint, request, usage, fingerprint: _ } = cut;
                (model, revision, Query { tenant, endpoint, request, usage, present: None, is_settled: false })
            }),
            (Kind::Reanswer, present) => present.map(|entry| {
                let is_settled = is_settled(&entry);
                let present = Some((entry.version, entry.answer.content));
                let (tenant, endpoint, request, usage) =
                    (entry.tenant, entry.endpoint, entry.request, entry.answer.usage);
                (entry.model, entry.revision, Query { tenant, endpoint, request, usage, present, is_settled })
            }),
        };
        Ok(match found {
            Some((model, revision, _)) if model != self.opening.model || revision != self.opening.revision => {
                Err(Skip::Gone)
            }
            Some((_, _, query)) if query.is_settled => Err(Skip::Same),
            Some((_, _, query)) => Ok(query),
            None => Err(Skip::Gone),
        })
    }

    fn entry(&self, item: Item, query: Query, answer: Answer, now: DateTime<Utc>) -> Entry {
        let parent = query.present.map_or(0, |(version, _)| version);
        Entry {
            schema: SCHEMA,
            version: parent + 1,
            provenance: Provenance::Dream { night: self.night.to_owned(), kind: item.kind.word().to_owned(), parent },
            tenant: query.tenant,
            model: self.opening.model.clone(),
            revision: self.opening.revision.clone(),
            role: self.opening.role.clone(),
            device: Some(self.opening.device.clone()),
            created: now.timestamp(),
            endpoint: query.endpoint,
            request: query.request,
            answer,
        }
    }
}

/// Whether asking again gives the same: the model itself ended the answer, so a larger budget changes nothing, and no
/// chance is in it.
fn is_settled(entry: &Entry) -> bool {
    let greedy = entry.request.get("temperature").and_then(Value::as_f64).is_some_and(|temperature| temperature == 0.0);
    let repeatable = greedy || entry.request.get("seed").is_some();
    entry.provenance == Provenance::Day && entry.answer.finish_reason == FinishReason::Stop && repeatable
}

/// Whether the new answer may take the place of what is there: it is whole, says something, and says something else.
fn weigh(present: Option<&str>, answer: &Answer) -> Result<(), Skip> {
    if answer.finish_reason != FinishReason::Stop {
        return Err(Skip::StillCut);
    }
    if answer.content.trim().is_empty() {
        return Err(Skip::Empty);
    }
    if present == Some(answer.content.as_str()) { Err(Skip::Same) } else { Ok(()) }
}
