//! The children of a cluster as they are.

use crate::{children::Kind, error::Error, name::Name, stores::Stores};
use serde_json::Value;
use std::{collections::BTreeMap, sync::Arc};

/// The children of one cluster, by kind and name. What is noted here is noted in the stores that it was read from, too.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Live {
    children: BTreeMap<(Kind, String), Value>,
    origin: Origin,
}

/// Where children were read, if from stores. Says nothing of what they are.
#[derive(Clone, Default)]
struct Origin(Option<(Arc<Stores>, String)>);

impl PartialEq for Origin {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl std::fmt::Debug for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Origin").finish_non_exhaustive()
    }
}

impl Live {
    /// The children that the stores know.
    pub(crate) fn read(stores: &Arc<Stores>, owner: &Name) -> Result<Self, Error> {
        let children = stores.children(owner)?.into_iter().map(|(kind, name, body)| ((kind, name), body)).collect();
        Ok(Self { children, origin: Origin(Some((stores.clone(), owner.namespace.clone()))) })
    }

    /// One child.
    pub fn get(&self, kind: Kind, name: &str) -> Option<&Value> {
        self.children.get(&(kind, name.to_owned()))
    }

    /// All children.
    pub fn iter(&self) -> impl Iterator<Item = (Kind, &str, &Value)> {
        self.children.iter().map(|((kind, name), body)| (*kind, name.as_str(), body))
    }

    /// Notes what was written: the next pass sees it, however late the watch is.
    pub(crate) fn insert(&mut self, kind: Kind, name: &str, body: Value) {
        if let Origin(Some((stores, namespace))) = &self.origin {
            stores.wrote(kind, namespace, &body);
        }
        self.children.insert((kind, name.to_owned()), body);
    }

    /// Notes what was deleted.
    pub(crate) fn remove(&mut self, kind: Kind, name: &str) {
        let old = self.children.remove(&(kind, name.to_owned()));
        let uid = old.as_ref().and_then(|body| body.pointer("/metadata/uid")?.as_str());
        if let (Origin(Some((stores, namespace))), Some(uid)) = (&self.origin, uid) {
            stores.deleted(kind, &Name::new(namespace, name), uid);
        }
    }
}

/// Replicas that a Deployment or StatefulSet wants.
pub(crate) fn replicas(body: &Value) -> i64 {
    body.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(1)
}

/// Replicas that are ready, counted only once the controller has seen the newest spec.
pub(crate) fn ready(body: &Value) -> i64 {
    let generation = body.pointer("/metadata/generation").and_then(Value::as_i64).unwrap_or(0);
    let observed = body.pointer("/status/observedGeneration").and_then(Value::as_i64).unwrap_or(0);
    let ready = body.pointer("/status/readyReplicas").and_then(Value::as_i64).unwrap_or(0);
    if observed < generation { ready.min(replicas(body)) } else { ready }
}

/// Ready replicas of the newest template: an old pod that still answers is no sign that a change has arrived.
pub(crate) fn ready_of_newest(body: &Value) -> i64 {
    let number = |path| body.pointer(path).and_then(Value::as_i64).unwrap_or(0);
    let seen = number("/status/observedGeneration") >= number("/metadata/generation");
    if seen { ready(body).min(number("/status/updatedReplicas")) } else { 0 }
}

/// A condition of a Deployment.
pub(crate) fn condition<'a>(body: &'a Value, kind: &str) -> Option<&'a Value> {
    body.pointer("/status/conditions")?.as_array()?.iter().find(|c| c["type"] == kind)
}
