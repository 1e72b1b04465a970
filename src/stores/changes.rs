//! From an object that changed to what that means for passes. Heartbeats and the like mean nothing.

use super::{
    project::{ended, extended},
    store::{Kept, Turn},
};
use crate::{name::Name, wakes::Change};
use cherokee_api::{GpuHold, names::label};
use k8s_openapi::api::{
    core::v1::{Node, Pod},
    resource::v1::{DeviceClass, ResourceClaim, ResourceSlice},
};
use std::{collections::BTreeSet, sync::Arc};

impl<T> Turn<T> {
    fn any(&self) -> Option<&Arc<T>> {
        self.new.as_ref().or(self.old.as_ref())
    }
    fn both(&self) -> impl Iterator<Item = &T> {
        [&self.old, &self.new].into_iter().flatten().map(Arc::as_ref)
    }
    /// Whether what `of` reads is not what it was.
    fn differs<V: PartialEq>(&self, of: impl Fn(&T) -> V) -> bool {
        self.old.as_deref().map(&of) != self.new.as_deref().map(&of)
    }
}

/// A CherokeeCluster.
pub(super) fn cluster<T: Kept>(turn: &Turn<T>) -> Option<Change> {
    Some(Change::Cluster(Name::of(turn.any()?.meta())))
}

/// A child, pod or claim: its owner by label and namespace.
pub(super) fn own<T: Kept>(turn: &Turn<T>) -> Option<Change> {
    let meta = turn.any()?.meta();
    let cluster = meta.labels.as_ref()?.get(label::CLUSTER)?;
    Some(Change::Own(Name::new(meta.namespace.as_deref()?, cluster)))
}

/// A node: labels, taints, whether it is cordoned and ready, and which devices it offers.
pub(super) fn node(turn: &Turn<Node>) -> Option<Change> {
    let state = |node: &Node| {
        let (spec, status) = (node.spec.as_ref(), node.status.as_ref());
        let conditions = status.and_then(|s| s.conditions.as_ref());
        let ready = conditions.is_some_and(|all| all.iter().any(|c| c.type_ == "Ready" && c.status == "True"));
        let offered = status.and_then(|s| s.allocatable.as_ref()).into_iter().flatten();
        let offered: Vec<_> =
            offered.filter(|(name, _)| name.contains('/')).map(|(n, q)| (n.clone(), q.clone())).collect();
        let taints = spec.and_then(|s| s.taints.clone());
        (node.metadata.labels.clone(), taints, spec.and_then(|s| s.unschedulable), ready, offered)
    };
    let nodes = turn.any()?.metadata.name.clone().into_iter().collect();
    turn.differs(state).then_some(Change::Devices { nodes, resources: BTreeSet::new() })
}

/// A ResourceSlice: the nodes whose devices it publishes.
pub(super) fn slice(turn: &Turn<ResourceSlice>) -> Option<Change> {
    let nodes = turn.both().flat_map(nodes_of).collect();
    let resources = turn.both().map(|slice| slice.spec.driver.clone()).collect();
    turn.differs(|slice| slice.spec.clone()).then_some(Change::Devices { nodes, resources })
}

/// The nodes of a slice's devices.
pub(super) fn nodes_of(slice: &ResourceSlice) -> impl Iterator<Item = String> {
    let devices = slice.spec.devices.iter().flatten().filter_map(|device| device.node_name.clone());
    slice.spec.node_name.clone().into_iter().chain(devices)
}

/// A claim: ours concerns its owner, another's those who use such devices on its nodes. `nodes` are those of a pool.
pub(super) fn claim(turn: &Turn<ResourceClaim>, nodes: impl Fn(&str) -> BTreeSet<String>) -> Option<Change> {
    let labels = turn.any()?.metadata.labels.as_ref();
    if labels.is_some_and(|labels| labels.contains_key(label::SLOT)) {
        return own(turn);
    }
    let given = |claim: &ResourceClaim| {
        let devices = claim.status.as_ref().and_then(|s| s.allocation.as_ref()?.devices.as_ref()?.results.clone());
        devices.unwrap_or_default()
    };
    let results: Vec<_> = turn.both().flat_map(given).collect();
    let resources: BTreeSet<String> = results.iter().map(|result| result.driver.clone()).collect();
    let nodes = results.iter().flat_map(|result| nodes(&result.pool)).collect();
    (turn.differs(given) && !resources.is_empty()).then_some(Change::Devices { nodes, resources })
}

/// A DeviceClass: by which driver devices are got.
pub(super) fn class(turn: &Turn<DeviceClass>) -> Option<Change> {
    let name = turn.any()?.metadata.name.clone()?;
    turn.differs(|class| class.spec.clone()).then_some(Change::Class(name))
}

/// A hold: what matters is that its cluster holds the device no more.
pub(super) fn hold(turn: &Turn<GpuHold>) -> Option<Change> {
    let old = turn.old.as_ref()?;
    let gone = turn.new.as_ref().is_none_or(|new| new.spec.holder != old.spec.holder);
    gone.then(|| Change::Released(Name::new(&old.spec.holder.namespace, &old.spec.holder.name)))
}

/// A pod: ours concerns its owner, another's those who use what it uses where it runs. One that waits takes nothing yet.
pub(super) fn pod(turn: &Turn<Pod>) -> Option<Change> {
    if turn.both().any(|pod| pod.metadata.labels.as_ref().is_some_and(|labels| labels.contains_key(label::CLUSTER))) {
        return own(turn);
    }
    let at = |pod: &Pod| pod.spec.as_ref().and_then(|s| s.node_name.clone()).filter(|_| !ended(pod));
    let nodes: BTreeSet<String> = turn.both().filter_map(at).collect();
    let resources: BTreeSet<String> = turn.both().flat_map(extended).collect();
    let moved = turn.old.as_deref().and_then(at) != turn.new.as_deref().and_then(at);
    (moved && !nodes.is_empty() && !resources.is_empty()).then_some(Change::Devices { nodes, resources })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn turn<T: serde::de::DeserializeOwned>(old: Value, new: Value) -> Turn<T> {
        let read = |value: Value| serde_json::from_value::<Option<T>>(value).unwrap().map(Arc::new);
        Turn { old: read(old), new: read(new) }
    }
    fn set(of: &[&str]) -> BTreeSet<String> {
        of.iter().map(|s| (*s).to_owned()).collect()
    }
    fn devices(nodes: &[&str], resources: &[&str]) -> Change {
        Change::Devices { nodes: set(nodes), resources: set(resources) }
    }

    #[test]
    fn a_heartbeat_means_nothing_and_a_gpu_that_goes_does() {
        let see = |heartbeat: &str, gpus: &str| {
            json!({"metadata": {"name": "n", "resourceVersion": heartbeat}, "status": {
                "allocatable": {"cpu": heartbeat.len().to_string(), "nvidia.com/gpu": gpus},
                "conditions": [{"type": "Ready", "status": "True", "lastHeartbeatTime": heartbeat}]}})
        };
        let (first, later) = ("2026-11-24T12:00:00Z", "2026-11-24T12:05:00Z");
        assert_eq!(node(&turn(see(first, "2"), see(later, "2"))), None);
        assert_eq!(node(&turn(see(first, "2"), see(first, "1"))), Some(devices(&["n"], &[])));
        assert_eq!(node(&turn(see(first, "2"), json!(null))), Some(devices(&["n"], &[])));
    }

    #[test]
    fn a_foreign_pod_matters_while_it_is_on_a_node() {
        let see = |node: Value, phase: &str, labels: Value| {
            json!({"metadata": {"name": "p", "namespace": "n", "labels": labels}, "status": {"phase": phase}, "spec": {"nodeName": node,
                "containers": [{"name": "c", "resources": {"limits": {"nvidia.com/gpu": "1"}}}]}})
        };
        let (waits, runs) = (see(json!(null), "Pending", json!({})), see(json!("red"), "Running", json!({})));
        let ended = see(json!("red"), "Succeeded", json!({}));
        assert_eq!(pod(&turn(json!(null), waits.clone())), None);
        assert_eq!(pod(&turn(waits, runs.clone())), Some(devices(&["red"], &["nvidia.com/gpu"])));
        assert_eq!(pod(&turn(runs.clone(), ended.clone())), Some(devices(&["red"], &["nvidia.com/gpu"])));
        assert_eq!(pod(&turn(ended, json!(null))), None);
        let ours = see(json!("red"), "Running", json!({label::CLUSTER: "c"}));
        assert_eq!(pod(&turn(runs, ours)), Some(Change::Own(Name::new("n", "c"))));
    }

    #[test]
    fn our_claim_concerns_its_owner_and_anothers_those_on_the_nodes_of_its_pool() {
        let see = |labels: Value, device: Value| json!({"metadata": {"name": "x", "namespace": "n", "labels": labels}, "spec": {}, "status": {"allocation": {"devices": {"results": device}}}});
        let given = json!([{"driver": "gpu.nvidia.com", "pool": "p", "device": "gpu-0", "request": "r"}]);
        let nodes = |pool: &str| set(&[&format!("node-of-{pool}")]);
        let ours = json!({label::CLUSTER: "c", label::SLOT: "s"});
        assert_eq!(claim(&turn(json!(null), see(ours, given.clone())), nodes), Some(Change::Own(Name::new("n", "c"))));
        let (free, held) = (see(json!({}), json!([])), see(json!({}), given));
        assert_eq!(claim(&turn(json!(null), free.clone()), nodes), None);
        assert_eq!(claim(&turn(held.clone(), free), nodes), Some(devices(&["node-of-p"], &["gpu.nvidia.com"])));
        assert_eq!(claim(&turn(held, json!(null)), nodes), Some(devices(&["node-of-p"], &["gpu.nvidia.com"])));
    }

    #[test]
    fn a_hold_matters_to_others_when_its_device_is_given_up() {
        let see = |uid: &str| {
            json!({"apiVersion": "cherokee.ai/v1alpha1", "kind": "GpuHold", "metadata": {"name": "h"}, "spec": {
            "device": {"node": "red", "driver": "d", "uuid": "GPU-0"}, "holder": {"uid": uid, "namespace": "n", "name": "c"},
            "since": "2026-11-24T12:00:00Z"}})
        };
        let released = Some(Change::Released(Name::new("n", "c")));
        assert_eq!(hold(&turn(json!(null), see("a"))), None);
        assert_eq!(hold(&turn(see("a"), see("a"))), None);
        assert_eq!(hold(&turn(see("a"), see("b"))), released);
        assert_eq!(hold(&turn(see("a"), json!(null))), released);
    }
}
