//! What one query has to do with muscle memory: who answers first, and what is kept of a worker's answer.

use crate::{
    ask::Ask,
    clock,
    collect::Outcome,
    dispatch::Reached,
    gateway::Gateway,
    labels::{Labels, Recall},
    refusal::Refusal,
    relay::WhenOver,
    route,
};
use cherokee_memory::{Asked, Cut, Entry, Error, Key, Put, Verdict, key};
use cherokee_wire::layout::Layout;
use std::{pin::pin, sync::Arc, time::Duration};

/// Time that memory has to itself. A hit takes one or two milliseconds; after this a worker is asked as well.
const ALONE: Duration = Duration::from_millis(50);

/// Who answers.
pub(crate) enum Found {
    /// Memory.
    Remembered(Box<Entry>),
    /// A worker, and whether its answer may be stored.
    Reached(Box<Reached>, bool),
}

/// The entry, or what became of the look-up.
fn told(found: Result<Option<Entry>, Error>) -> Result<Box<Entry>, Recall> {
    match found {
        Ok(Some(entry)) => Ok(Box::new(entry)),
        Ok(None) => Err(Recall::Miss),
        Err(error) => {
            tracing::debug!(%error, "memory is down");
            Err(Recall::Down)
        }
    }
}

/// What one tenant's query has to do with memory.
pub(crate) struct Memories {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) tenant: Arc<str>,
    /// The client wants neither a look-up nor an entry.
    pub(crate) stays_out: bool,
}

impl Memories {
    /// Asks memory first, as the role that was asked for, and then a worker; no worker need be awake for a hit. A look-up
    /// that is late goes on beside the worker, and the first answer wins.
    pub(crate) async fn first(&self, layout: &Layout, ask: &Ask, id: &str) -> Result<(Recall, Found), Refusal> {
        let reach = async |may_store| -> Result<Found, Refusal> {
            let reached = self.gateway.dispatcher.reach(ask, may_store, id).await?;
            Ok(Found::Reached(Box::new(reached), may_store))
        };
        let Some(wanted) = route::wanted(layout, &ask.model) else {
            let known: Vec<_> = route::names(layout).into_iter().map(str::to_owned).collect();
            return Err(Refusal::unknown_model(&ask.model, &known));
        };
        let model = &wanted.roles[0].1.model;
        let (Some(memory), Some(key)) = (&self.gateway.memory, self.key(layout, model, ask)) else {
            return Ok((Recall::Bypass, reach(false).await?));
        };
        let mut looking = pin!(memory.recall(&key.fingerprint, clock::now()));
        if let Ok(found) = tokio::time::timeout(ALONE, &mut looking).await {
            return Ok(match told(found) {
                Ok(entry) => (Recall::Hit, Found::Remembered(entry)),
                // Nothing is stored of a query that memory did not hear of.
                Err(recall) => (recall, reach(recall == Recall::Miss).await?),
            });
        }
        let mut reaching = pin!(reach(true));
        tokio::select! {
            found = &mut looking => Ok(match told(found) {
                Ok(entry) => (Recall::Hit, Found::Remembered(entry)),
                Err(recall) => (recall, reaching.await?),
            }),
            reached = &mut reaching => match reached {
                Ok(reached) => Ok((Recall::Late, reached)),
                Err(refusal) => {
                    told(looking.await).map(|entry| (Recall::Hit, Found::Remembered(entry))).map_err(|_| refusal)
                }
            },
        }
    }

    /// The key under which an answer of `model` may be remembered, if it may.
    pub(crate) fn key(&self, layout: &Layout, model: &str, ask: &Ask) -> Option<Key> {
        let revision = &layout.models.get(model)?.revision;
        if self.stays_out || layout.memory.is_none() || self.gateway.memory.is_none() {
            return None;
        }
        match key::judge(&Asked { tenant: &self.tenant, model, revision, endpoint: ask.endpoint }, &ask.body()) {
            Verdict::Remember(key) => Some(*key),
            Verdict::Bypass(_) => None,
        }
    }

    /// What is done with the answer: it is offered to memory in the background.
    pub(crate) fn keep(&self, key: Option<Key>, layout: &Layout, labels: &Labels) -> WhenOver {
        let (Some(key), Some(memory), Some(settings)) = (key, &self.gateway.memory, &layout.memory) else {
            return Box::new(|_| {});
        };
        let (memory, metrics) = (Arc::clone(memory), Arc::clone(&self.gateway.metrics));
        let (role, device) = (labels.role.clone().unwrap_or_default(), labels.device.clone());
        let time_to_live = Duration::from_secs(settings.time_to_live_seconds);
        Box::new(move |outcome| {
            let storing = async move {
                let now = clock::now();
                let stored = match outcome {
                    Outcome::Whole(answer) => {
                        let entry = Entry::by_day(&key, &role, device.as_deref(), answer, now);
                        memory.put(&key.fingerprint, &entry, time_to_live, now).await.map(|put| match put {
                            Put::Stored => "stored",
                            Put::Kept(_) => "kept",
                            Put::TooLarge(_) => "too_large",
                        })
                    }
                    Outcome::Limited(usage) => memory.note_cut(&Cut::new(&key, usage), now).await.map(|()| "limited"),
                    Outcome::Unfit(_) => Ok("unfit"),
                };
                metrics.stored(stored.unwrap_or("down"));
            };
            tokio::spawn(storing);
        })
    }
}
