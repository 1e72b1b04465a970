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

/// How many of an extended resource the node lets pods have.
pub(crate) fn allocatable(node: &Node, resource: &str) -> usize {
    node.status
        .as_ref()
        .and_then(|s| s.allocatable.as_ref())
        .and_then(|all| all.get(resource))
        .and_then(|q| crate::quantity::bytes(&q.0))
        .and_then(|n| usize::try_from(n).ok())
        .unwrap_or(0)
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
    fn a_node_that_is_not_ready_or_cordoned_is_not_usable() {
        let mut cordoned = node("PreferNoSchedule");
        cordoned.spec.as_mut().unwrap().unschedulable = Some(true);
        assert!(!usable(&cordoned, &[]));
        assert!(!usable(&Node::default(), &[]));
    }
}
