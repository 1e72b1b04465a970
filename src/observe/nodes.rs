//! Whether a node can take a worker, and what its labels say of its GPUs.

use k8s_openapi::api::core::v1::{Node, Taint, Toleration};
use std::collections::BTreeMap;

/// Ready, not cordoned, and with no taint that keeps away pods with these tolerations.
pub(crate) fn usable(node: &Node, tolerations: &[Toleration]) -> bool {
    let ready = node
        .status
        .as_ref()
        .and_then(|s| s.conditions.as_ref())
        .is_some_and(|all| all.iter().any(|c| c.type_ == "Ready" && c.status == "True"));
    let spec = node.spec.as_ref();
    let cordoned = spec.and_then(|s| s.unschedulable).unwrap_or(false);
    let taints = spec.and_then(|s| s.taints.as_deref()).unwrap_or_default();
    let kept_away = taints
        .iter()
        .any(|taint| taint.effect != "PreferNoSchedule" && !tolerations.iter().any(|t| tolerates(t, taint)));
    ready && !cordoned && !kept_away
}

fn tolerates(toleration: &Toleration, taint: &Taint) -> bool {
    let effect = toleration.effect.as_deref().unwrap_or("");
    let key = toleration.key.as_deref().unwrap_or("");
    let exists = toleration.operator.as_deref() == Some("Exists");
    (effect.is_empty() || effect == taint.effect)
        && (key == taint.key || (key.is_empty() && exists))
        && (exists || toleration.value.as_deref().unwrap_or("") == taint.value.as_deref().unwrap_or(""))
}

/// Most devices of a node that are looked at: no machine has more GPUs, and a resource that counts bytes must not become as many
/// devices.
const MOST_DEVICES: usize = 256;

/// How many of an extended resource the node lets pods have, at most [`MOST_DEVICES`]; none of a resource of Kubernetes itself,
/// such as `memory`.
pub(crate) fn allocatable(node: &Node, resource: &str) -> usize {
    if !resource.contains('/') {
        return 0;
    }
    node.status
        .as_ref()
        .and_then(|s| s.allocatable.as_ref())
        .and_then(|all| all.get(resource))
        .and_then(|q| crate::quantity::bytes(&q.0))
        .map_or(0, |n| usize::try_from(n).unwrap_or(MOST_DEVICES).min(MOST_DEVICES))
}

/// Labels of a node.
pub(crate) fn labels(node: &Node) -> BTreeMap<String, String> {
    node.metadata.labels.clone().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn node(taint: &str) -> Node {
        serde_json::from_value(json!({
            "spec": {"taints": [{"key": "nvidia.com/gpu", "value": "present", "effect": taint}]},
            "status": {"conditions": [{"type": "Ready", "status": "True"}]},
        }))
        .unwrap()
    }
    fn toleration(of: serde_json::Value) -> Vec<Toleration> {
        vec![serde_json::from_value(of).unwrap()]
    }

    #[test]
    fn a_taint_keeps_workers_away_unless_they_tolerate_it() {
        assert!(!usable(&node("NoSchedule"), &[]));
        assert!(usable(&node("PreferNoSchedule"), &[]));
        for good in [
            json!({"operator": "Exists"}),
            json!({"key": "nvidia.com/gpu", "operator": "Exists"}),
            json!({"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}),
        ] {
            assert!(usable(&node("NoSchedule"), &toleration(good.clone())), "{good}");
        }
        for bad in [
            json!({"key": "nvidia.com/gpu", "value": "absent"}),
            json!({"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoExecute"}),
            json!({"key": "other", "operator": "Exists"}),
        ] {
            assert!(!usable(&node("NoSchedule"), &toleration(bad.clone())), "{bad}");
        }
    }

    #[test]
    fn no_resource_becomes_more_devices_than_a_node_can_have() {
        let node: Node =
            serde_json::from_value(json!({"status": {"allocatable": {"memory": "64Gi", "hugepages-2Mi": "0",
            "example.com/bytes": "64Gi", "nvidia.com/gpu": "8"}}}))
            .unwrap();
        let count = |resource| allocatable(&node, resource);
        assert_eq!(["memory", "example.com/bytes", "nvidia.com/gpu", "absent.com/gpu"].map(count), [0, 256, 8, 0]);
    }

    #[test]
    fn a_node_that_is_not_ready_or_cordoned_is_not_usable() {
        let mut cordoned = node("PreferNoSchedule");
        cordoned.spec.as_mut().unwrap().unschedulable = Some(true);
        assert!(!usable(&cordoned, &[]));
        assert!(!usable(&Node::default(), &[]));
    }
}
