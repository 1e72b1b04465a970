//! The only writer of children: server-side apply under one field manager, what is there already left alone, orphans
//! removed. Nothing is written unless this operator leads.

pub(crate) mod compare;
mod fields;
mod own;
mod prune;
mod refused;
mod rollout;
mod stateful;
mod write;

pub use compare::ForeignField;
pub use refused::Refused;

use crate::{
    error::Error,
    lease::Leadership,
    observe::Live,
    render::{Child, Desired, Kind},
};
use cherokee_api::{CherokeeCluster, names};
use chrono::{DateTime, Utc};
use k8s_openapi::api::core::v1::Pod;
use kube::{Client, ResourceExt};
use rollout::Step;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What was written. The fields are private, so only this module makes one: a report without an apply does not compile.
pub struct Applied {
    live: Live,
    created: Vec<(Kind, String)>,
    deleted: Vec<(Kind, String)>,
    refused: Vec<Refused>,
    later: BTreeMap<String, Option<String>>,
    unowned: Vec<String>,
    foreign: Vec<(String, ForeignField)>,
    waiting: bool,
}

impl Applied {
    /// The children as they are after the apply.
    pub fn live(&self) -> &Live {
        &self.live
    }
    /// What is new.
    pub fn created(&self) -> &[(Kind, String)] {
        &self.created
    }
    /// What is gone.
    pub fn deleted(&self) -> &[(Kind, String)] {
        &self.deleted
    }
    /// Children that are not as they should be: refused by the API server, another's, or being deleted.
    pub fn refused(&self) -> &[Refused] {
        &self.refused
    }
    /// Slots whose change waits, each with the slot that it waits for where that is one.
    pub fn later(&self) -> &BTreeMap<String, Option<String>> {
        &self.later
    }
    /// Objects with our labels that nobody owns and that have no place in this cluster, as "Service `x`".
    pub fn unowned(&self) -> &[String] {
        &self.unowned
    }
    /// What others added to children and may keep, each with its object.
    pub fn foreign(&self) -> &[(String, ForeignField)] {
        &self.foreign
    }
    /// Something waits for another child to get ready or to end.
    pub fn waiting(&self) -> bool {
        self.waiting
    }
}

/// Writes the children of one cluster.
pub struct Writer<'a> {
    client: &'a Client,
    leadership: &'a Leadership,
    cluster: &'a CherokeeCluster,
    namespace: String,
    applied: Applied,
}

impl<'a> Writer<'a> {
    /// A writer that knows the children as they were observed.
    pub fn new(client: &'a Client, leadership: &'a Leadership, cluster: &'a CherokeeCluster, live: Live) -> Self {
        let namespace = cluster.namespace().unwrap_or_default();
        let applied = Applied {
            live,
            created: Vec::new(),
            deleted: Vec::new(),
            refused: Vec::new(),
            later: BTreeMap::new(),
            unowned: Vec::new(),
            foreign: Vec::new(),
            waiting: false,
        };
        Self { client, leadership, cluster, namespace, applied }
    }

    /// Brings the children to what is desired. `pods` are the cluster's own, as observed.
    pub async fn apply(mut self, desired: Desired, pods: &[Pod], now: DateTime<Utc>) -> Result<Applied, Error> {
        let keep = self.keep(&desired);
        // Without `..`: a group that is added and forgotten here does not compile.
        let Desired { created, accounts, config, network, memory, front, claims, workers, password, held } = desired;
        for child in &created {
            self.create(child).await?;
        }
        self.put_all(&accounts).await?;
        // Config before all that reads it at start, and the layout before the slots that it speaks of.
        self.put_all(&config).await?;
        self.put_all(&network).await?;
        if let Some(password) = password {
            self.store(&password).await?;
        }
        self.put_all(&memory).await?;
        self.tend(&memory, pods, now).await?;
        self.put_all(&front).await?;
        self.put_all(&claims).await?;
        // Last, because their pods need all of the above.
        let rollout = rollout::plan(&workers, &self.applied.live, pods, now);
        for (child, step) in workers.iter().zip(&rollout.steps) {
            match step {
                // Also what is as it should be: it may be another's by now, or be being deleted.
                Step::Keep | Step::Write => self.put(child).await?,
                Step::Later => {
                    self.applied.waiting = true;
                    self.applied.later.insert(child.name.clone(), rollout.ahead.clone());
                }
            }
        }
        self.applied.waiting |= !held.is_empty();
        self.applied.later.extend(held.into_iter().map(|slot| (slot, rollout.ahead.clone())));
        self.prune(&keep, pods).await?;
        Ok(self.applied)
    }

    /// Children that are no orphans: all that is desired, and what belongs to slots that stay.
    fn keep(&self, desired: &Desired) -> BTreeSet<(Kind, String)> {
        let stays = |body: &Value| {
            let slot = body.pointer("/metadata/labels").and_then(|l| l.get(names::label::SLOT)).and_then(Value::as_str);
            slot.is_some_and(|slot| desired.held.contains(slot))
        };
        let desired = desired.names().into_iter().map(|(kind, name)| (kind, name.to_owned()));
        let held = self.applied.live.iter().filter(|(_, _, body)| stays(body));
        desired.chain(held.map(|(kind, name, _)| (kind, name.to_owned()))).collect()
    }

    async fn put_all(&mut self, children: &[Child]) -> Result<(), Error> {
        for child in children {
            self.put(child).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
