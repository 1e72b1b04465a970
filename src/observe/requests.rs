//! What pods have of an extended resource.

use crate::stores::ended;
use k8s_openapi::api::core::v1::{Container, Pod};
use std::{collections::BTreeMap, sync::Arc};

/// How many devices of an extended resource the bound pods of each node and namespace have. Made once for a fleet: each pod is
/// looked at once, whatever the number of nodes.
pub(crate) struct Used<'a>(BTreeMap<&'a str, BTreeMap<&'a str, u64>>);

impl<'a> Used<'a> {
    /// What pods have of `resource`.
    pub(crate) fn of(pods: &'a [Arc<Pod>], resource: &str) -> Self {
        let mut used = BTreeMap::<_, BTreeMap<_, u64>>::new();
        for pod in pods {
            if let Some(node) = node_of(pod) {
                let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
                let used = used.entry(node).or_default().entry(namespace).or_default();
                *used = used.saturating_add(requested(pod, resource));
            }
        }
        Self(used)
    }

    /// Namespaces with pods on a node, and how many devices those pods have.
    pub(crate) fn on(&self, node: &str) -> impl Iterator<Item = (&'a str, u64)> + '_ {
        self.0.get(node).into_iter().flatten().map(|(namespace, used)| (*namespace, *used))
    }
}

/// Whether a pod is bound to a node and has not ended.
pub(crate) fn is_on(pod: &Pod, node: &str) -> bool {
    node_of(pod) == Some(node)
}

/// The node of a bound pod that has not ended.
fn node_of(pod: &Pod) -> Option<&str> {
    pod.spec.as_ref()?.node_name.as_deref().filter(|_| !ended(pod))
}

/// How many of an extended resource a pod has; none once it has ended.
pub(crate) fn requested(pod: &Pod, resource: &str) -> u64 {
    let (Some(spec), false) = (pod.spec.as_ref(), ended(pod)) else { return 0 };
    let of = |containers: &[Container]| -> Vec<u64> {
        containers
            .iter()
            .filter_map(|c| crate::quantity::bytes(&c.resources.as_ref()?.limits.as_ref()?.get(resource)?.0))
            .collect()
    };
    let starting = of(spec.init_containers.as_deref().unwrap_or_default()).into_iter().max().unwrap_or(0);
    // A pod that names its node itself is bound whatever it asks for.
    of(&spec.containers).into_iter().fold(0, u64::saturating_add).max(starting)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(node: &str, limits: &[u64]) -> Arc<Pod> {
        let containers: Vec<_> = limits
            .iter()
            .map(|n| json!({"name": "c", "resources": {"limits": {"nvidia.com/gpu": n.to_string()}}}))
            .collect();
        serde_json::from_value(
            json!({"metadata": {"name": "p", "namespace": "n"}, "spec": {"nodeName": node, "containers": containers}}),
        )
        .map(Arc::new)
        .unwrap()
    }

    #[test]
    fn pods_that_ask_for_more_than_can_be_counted_are_counted_as_all_devices() {
        let pods = [pod("red", &[u64::MAX / 2, u64::MAX / 2, u64::MAX / 2]), pod("red", &[1]), pod("blue", &[2, 3])];
        let used = Used::of(&pods, "nvidia.com/gpu");
        let on = |node| used.on(node).collect::<Vec<_>>();
        assert!(on("red")[0].1 > u64::MAX - 16, "{:?}", on("red"));
        assert_eq!((on("blue"), on("green")), (vec![("n", 5)], vec![]));
    }
}
