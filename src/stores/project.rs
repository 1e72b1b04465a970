//! What of each object stays in memory.

use super::{clusters::Known, store::Kept};
use cherokee_api::{CherokeeCluster, names::label};
use k8s_openapi::{
    api::{
        apps::v1::{Deployment, DeploymentSpec},
        core::v1::{Container, Node, NodeSpec, NodeStatus, Pod, PodSpec, PodStatus, ResourceRequirements},
        resource::v1::{ResourceClaim, ResourceClaimSpec},
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{
    api::{DynamicObject, TypeMeta},
    core::{DeserializeGuard, error_boundary::InvalidObject},
};
use serde_json::Value;
use std::{collections::BTreeSet, sync::Arc};

/// A CherokeeCluster as it is stored.
#[derive(Debug)]
pub(crate) struct Seen {
    /// What other clusters' passes need of it; also of one that cannot be read.
    pub(crate) known: Known,
    /// The resource, or why it cannot be read.
    pub(crate) read: Result<Arc<CherokeeCluster>, Box<InvalidObject>>,
}

impl Kept for Seen {
    fn meta(&self) -> &ObjectMeta {
        match &self.read {
            Ok(cluster) => &cluster.metadata,
            Err(invalid) => &invalid.metadata,
        }
    }
}

/// An object of this kind. One that cannot be read keeps its metadata and the cause.
pub(super) fn cluster(mut object: DynamicObject) -> Seen {
    object.metadata.managed_fields = None;
    let known = Known::of(&object);
    let metadata = object.metadata.clone();
    let read = serde_json::to_value(object).and_then(serde_json::from_value::<DeserializeGuard<CherokeeCluster>>);
    let read = match read {
        Ok(DeserializeGuard(Ok(cluster))) => Ok(Arc::new(cluster)),
        Ok(DeserializeGuard(Err(invalid))) => Err(Box::new(invalid)),
        Err(error) => Err(Box::new(InvalidObject { error: error.to_string(), metadata })),
    };
    Seen { known, read }
}

/// A child, packed: thousands of parsed trees would take ten times the memory, and a pass reads twenty.
#[derive(Debug)]
pub(crate) struct Packed {
    meta: ObjectMeta,
    json: Box<[u8]>,
}

impl Kept for Packed {
    fn meta(&self) -> &ObjectMeta {
        &self.meta
    }
}

impl Packed {
    /// The whole object.
    pub(crate) fn value(&self) -> Value {
        serde_json::from_slice(&self.json).unwrap_or_default()
    }

    /// Packs an object whose kind is `types`: the items of a list do not say it, and without it every child would seem changed.
    pub(super) fn of(mut object: DynamicObject, types: TypeMeta) -> Self {
        object.types = Some(types);
        let json = serde_json::to_vec(&object).unwrap_or_default().into_boxed_slice();
        Self { meta: slim(object.metadata, &[label::CLUSTER]), json }
    }
}

/// Metadata with these labels only.
fn slim(meta: ObjectMeta, labels: &[&str]) -> ObjectMeta {
    let kept = meta.labels.map(|all| all.into_iter().filter(|(key, _)| labels.contains(&key.as_str())).collect());
    ObjectMeta {
        name: meta.name,
        namespace: meta.namespace,
        uid: meta.uid,
        resource_version: meta.resource_version,
        deletion_timestamp: meta.deletion_timestamp,
        labels: kept,
        ..ObjectMeta::default()
    }
}

fn without_notes(mut meta: ObjectMeta) -> ObjectMeta {
    meta.managed_fields = None;
    meta.annotations = None;
    meta
}

/// Labels, taints, readiness and what it offers; no images, no addresses.
pub(super) fn node(node: Node) -> Node {
    let spec = node.spec.map(|spec| NodeSpec {
        taints: spec.taints,
        unschedulable: spec.unschedulable,
        ..NodeSpec::default()
    });
    let status = node.status.map(|status| NodeStatus {
        allocatable: status.allocatable,
        capacity: status.capacity,
        conditions: status.conditions.map(|all| all.into_iter().filter(|c| c.type_ == "Ready").collect()),
        ..NodeStatus::default()
    });
    Node { metadata: without_notes(node.metadata), spec, status }
}

/// Who holds what by a claim; not what it asked for.
pub(super) fn claim(claim: ResourceClaim) -> ResourceClaim {
    ResourceClaim { metadata: without_notes(claim.metadata), spec: ResourceClaimSpec::default(), status: claim.status }
}

/// A slot's Deployment without its pod template.
pub(super) fn slot(mut slot: Deployment) -> Deployment {
    slot.metadata.managed_fields = None;
    let spec = slot.spec.map(|spec| DeploymentSpec { replicas: spec.replicas, ..DeploymentSpec::default() });
    Deployment { spec, ..slot }
}

/// A pod that carries our label, or that asks for an extended resource or a claim; nothing else stays.
pub(super) fn pod(pod: Pod) -> Option<Pod> {
    let ours = pod.metadata.labels.as_ref().is_some_and(|labels| labels.contains_key(label::CLUSTER));
    let claims = pod.spec.as_ref().is_some_and(|s| s.resource_claims.as_ref().is_some_and(|c| !c.is_empty()));
    if !ours && !claims && extended(&pod).is_empty() {
        return None;
    }
    let spec = pod.spec.map(|spec| PodSpec {
        node_name: spec.node_name,
        service_account_name: spec.service_account_name,
        host_network: spec.host_network,
        containers: spec.containers.into_iter().map(container).collect(),
        init_containers: spec.init_containers.map(|all| all.into_iter().map(container).collect()),
        resource_claims: spec.resource_claims,
        ..PodSpec::default()
    });
    let status = pod.status.map(|status| PodStatus {
        phase: status.phase,
        pod_ip: status.pod_ip.filter(|_| ours),
        conditions: status.conditions.filter(|_| ours),
        container_statuses: status.container_statuses.filter(|_| ours),
        init_container_statuses: status.init_container_statuses.filter(|_| ours),
        resource_claim_statuses: status.resource_claim_statuses,
        ..PodStatus::default()
    });
    Some(Pod { metadata: without_notes(pod.metadata), spec, status })
}

/// Name and limits.
fn container(container: Container) -> Container {
    let resources = container.resources.map(|r| ResourceRequirements {
        limits: r.limits.map(|all| all.into_iter().filter(|(name, _)| name.contains('/')).collect()),
        ..ResourceRequirements::default()
    });
    Container { name: container.name, resources, restart_policy: container.restart_policy, ..Container::default() }
}

/// The extended resources that a pod asks for, as GPUs of a device plugin.
pub(crate) fn extended(pod: &Pod) -> BTreeSet<String> {
    let containers = pod.spec.iter().flat_map(|s| s.containers.iter().chain(s.init_containers.iter().flatten()));
    let limits = containers.filter_map(|c| c.resources.as_ref()?.limits.as_ref());
    limits.flat_map(|limits| limits.keys()).filter(|name| name.contains('/')).cloned().collect()
}

/// Whether a pod runs no more and never will.
pub(crate) fn ended(pod: &Pod) -> bool {
    matches!(pod.status.as_ref().and_then(|s| s.phase.as_deref()), Some("Succeeded" | "Failed"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn seen(labels: Value, limits: Value) -> Option<Pod> {
        let object = json!({"metadata": {"name": "p", "labels": labels, "annotations": {"big": "x"}, "managedFields": [{"manager": "m"}]},
            "spec": {"nodeName": "n", "volumes": [{"name": "v", "emptyDir": {}}],
                "containers": [{"name": "c", "image": "i", "env": [{"name": "E"}], "resources": {"limits": limits}}]},
            "status": {"phase": "Running", "podIP": "10.0.0.1"}});
        pod(serde_json::from_value(object).unwrap())
    }

    #[test]
    fn of_pods_only_ours_and_users_of_devices_stay_and_of_them_only_what_is_used() {
        assert!(seen(json!({}), json!({"memory": "1Gi"})).is_none());
        let foreign = seen(json!({}), json!({"nvidia.com/gpu": "1", "memory": "1Gi"})).unwrap();
        let ours = seen(json!({label::CLUSTER: "c"}), json!({})).unwrap();
        assert_eq!(extended(&foreign), BTreeSet::from(["nvidia.com/gpu".to_owned()]));
        assert_eq!(
            serde_json::to_value(foreign).unwrap(),
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "labels": {}}, "status": {"phase": "Running"},
                "spec": {"nodeName": "n", "containers": [{"name": "c", "resources": {"limits": {"nvidia.com/gpu": "1"}}}]}})
        );
        assert_eq!(ours.status.unwrap().pod_ip.as_deref(), Some("10.0.0.1"));
    }

    #[test]
    fn a_child_of_a_list_is_what_was_applied() {
        let applied =
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c-layout"}, "data": {"a": "b"}});
        let mut listed = applied.clone();
        for field in ["apiVersion", "kind"] {
            listed.as_object_mut().unwrap().remove(field);
        }
        let types = TypeMeta { api_version: "v1".into(), kind: "ConfigMap".into() };
        assert_eq!(Packed::of(serde_json::from_value(listed).unwrap(), types).value(), applied);
    }
}
