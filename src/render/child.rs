//! What a child is: a kind, a name and a body, with what all children have in common.

use crate::args::Settings;
pub use crate::children::Kind;
use cherokee_api::{
    CherokeeCluster,
    names::{self, label},
};
use kube::{Resource, ResourceExt};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// One object that a cluster is to have.
#[derive(Clone, Debug, PartialEq)]
pub struct Child {
    /// Its kind.
    pub kind: Kind,
    /// Its name, in the namespace of the cluster.
    pub name: String,
    /// The whole object, as it is applied.
    pub body: Value,
}

/// Parts of a cluster: the values of the component label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Component {
    /// Slots.
    Worker,
    /// The front door.
    Gateway,
    /// The daemon.
    Autonomic,
    /// The managed Redis.
    Memory,
}

impl Component {
    /// All parts.
    pub const ALL: [Self; 4] = [Self::Worker, Self::Gateway, Self::Autonomic, Self::Memory];

    /// The label's value.
    pub fn word(self) -> &'static str {
        match self {
            Self::Worker => "worker",
            Self::Gateway => "gateway",
            Self::Autonomic => "autonomic",
            Self::Memory => "memory",
        }
    }
}

/// What all children of one cluster are made from.
pub(crate) struct Frame<'a> {
    pub(crate) cluster: &'a CherokeeCluster,
    pub(crate) settings: &'a Settings,
    pub(crate) name: String,
    pub(crate) namespace: String,
}

impl<'a> Frame<'a> {
    pub(crate) fn new(cluster: &'a CherokeeCluster, settings: &'a Settings) -> Self {
        Self { cluster, settings, name: cluster.name_any(), namespace: cluster.namespace().unwrap_or_default() }
    }

    /// Labels by which pods of a part are selected.
    pub(crate) fn selector(&self, component: Component) -> Value {
        json!({label::CLUSTER: self.name, label::COMPONENT: component.word()})
    }

    /// Labels of a part's objects.
    pub(crate) fn labels(&self, component: Component) -> Value {
        json!({
            label::CLUSTER: self.name,
            label::INSTANCE: self.name,
            label::COMPONENT: component.word(),
            label::NAME: "cherokee",
            label::MANAGED_BY: names::MANAGED_BY,
        })
    }

    /// Makes a child of a body that has all but apiVersion, kind and metadata. `metadata` of the body, if any, adds
    /// labels and annotations.
    pub(crate) fn child(&self, kind: Kind, name: impl Into<String>, component: Component, mut body: Value) -> Child {
        let name = name.into();
        let resource = kind.resource();
        let mut labels = self.labels(component);
        let mut annotations = json!({});
        if let Some(more) = body.as_object_mut().and_then(|o| o.remove("metadata")) {
            merge(&mut labels, &more["labels"]);
            merge(&mut annotations, &more["annotations"]);
        }
        // The hash tells a body that lost a field from one that never had it.
        annotations[names::annotation::RENDERED] = json!(hash(&[&body.to_string(), &labels.to_string()]));
        body["apiVersion"] = json!(resource.api_version);
        body["kind"] = json!(resource.kind);
        body["metadata"] = json!({
            "name": name,
            "namespace": self.namespace,
            "labels": labels,
            "annotations": annotations,
            "ownerReferences": self.cluster.controller_owner_ref(&()).map(|owner| vec![owner]).unwrap_or_default(),
        });
        Child { kind, name, body }
    }
}

fn merge(into: &mut Value, more: &Value) {
    for (key, value) in more.as_object().into_iter().flatten() {
        into[key] = value.clone();
    }
}

/// First 16 hex digits of the SHA-256 of all parts, each ended by a zero byte.
pub(crate) fn hash(parts: &[&str]) -> String {
    let mut sha = Sha256::new();
    for part in parts {
        sha.update(part.as_bytes());
        sha.update([0]);
    }
    hex::encode(&sha.finalize()[..8])
}
