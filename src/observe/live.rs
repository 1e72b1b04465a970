//! The children of a cluster as they are.

use crate::{
    error::{Doing, Error},
    render::Kind,
};
use cherokee_api::names::{self, label};
use futures::future::try_join_all;
use kube::{
    Api, Client,
    api::{DynamicObject, ListParams, TypeMeta},
};
use serde_json::Value;
use std::collections::BTreeMap;

/// The children of one cluster, by kind and name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Live(BTreeMap<(Kind, String), Value>);

impl Live {
    /// Lists all children, by label.
    pub(crate) async fn read(client: &Client, namespace: &str, cluster: &str) -> Result<Self, Error> {
        let selector = format!("{}={cluster},{}={}", label::CLUSTER, label::MANAGED_BY, names::MANAGED_BY);
        let params = ListParams::default().labels(&selector);
        let lists = try_join_all(Kind::ALL.map(|kind| list(client, namespace, kind, &params))).await?;
        Ok(Self(lists.into_iter().flatten().collect()))
    }

    /// One child.
    pub fn get(&self, kind: Kind, name: &str) -> Option<&Value> {
        self.0.get(&(kind, name.to_owned()))
    }

    /// All children.
    pub fn iter(&self) -> impl Iterator<Item = (Kind, &str, &Value)> {
        self.0.iter().map(|((kind, name), body)| (*kind, name.as_str(), body))
    }

    /// Notes what was written.
    pub(crate) fn insert(&mut self, kind: Kind, name: &str, body: Value) {
        self.0.insert((kind, name.to_owned()), body);
    }

    /// Notes what was deleted.
    pub(crate) fn remove(&mut self, kind: Kind, name: &str) {
        self.0.remove(&(kind, name.to_owned()));
    }
}

async fn list(
    client: &Client,
    namespace: &str,
    kind: Kind,
    params: &ListParams,
) -> Result<Vec<((Kind, String), Value)>, Error> {
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &kind.resource());
    // A cluster older than DRA has no claim templates, and no devices that need them.
    let found = api
        .list(params)
        .await
        .map(|list| list.items)
        .or_else(|error| super::absent_api(error).map(Option::unwrap_or_default));
    let items = found.doing(format!("list {kind}s in namespace `{namespace}`"))?;
    items.into_iter().map(|item| entry(kind, item)).collect()
}

/// One item of a list, under its kind and name.
fn entry(kind: Kind, mut item: DynamicObject) -> Result<((Kind, String), Value), Error> {
    let name = item.metadata.name.clone().unwrap_or_default();
    let resource = kind.resource();
    // The items of a list do not say what they are; without it every child would seem changed.
    item.types = Some(TypeMeta { api_version: resource.api_version, kind: resource.kind });
    let body = serde_json::to_value(item).map_err(|source| Error::Document { what: "a child", source })?;
    Ok(((kind, name), body))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apply::compare::compare;
    use serde_json::json;

    #[test]
    fn a_listed_child_is_what_was_applied() {
        let applied =
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c-layout"}, "data": {"a": "b"}});
        let mut listed = applied.clone();
        for field in ["apiVersion", "kind"] {
            listed.as_object_mut().unwrap().remove(field);
        }
        let ((_, name), body) = entry(Kind::ConfigMap, serde_json::from_value(listed).unwrap()).unwrap();
        assert_eq!(name, "c-layout");
        assert!(compare(Kind::ConfigMap, &body, &applied).ours_changed.is_empty(), "{body}");
    }
}
