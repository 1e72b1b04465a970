//! What pods have of an extended resource.

use crate::stores::ended;
use k8s_openapi::api::core::v1::{Container, Pod};

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
    of(&spec.containers).into_iter().sum::<u64>().max(starting)
}
