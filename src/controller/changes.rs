//! Watches that recover each by itself, and thinned ones of the whole cluster: heartbeats and the like wake nobody.

use crate::observe::requests::ended;
use cherokee_api::{GpuHold, names::label};
use futures::{Stream, StreamExt, future};
use k8s_openapi::api::{
    core::v1::{Node, Pod},
    resource::v1::{ResourceClaim, ResourceSlice},
};
use kube::{
    Api, Resource, ResourceExt,
    runtime::{
        WatchStreamExt,
        watcher::{self, Event, watcher},
    },
};
use serde::{Serialize, de::DeserializeOwned};
use std::{
    collections::HashMap,
    fmt::Debug,
    hash::{DefaultHasher, Hash, Hasher},
};

/// Objects that were listed, changed or deleted.
pub(crate) fn touched<K>(api: Api<K>, config: watcher::Config) -> impl Stream<Item = K> + Send
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    events(api, config).filter_map(|event| {
        future::ready(match event {
            Event::Apply(object) | Event::InitApply(object) | Event::Delete(object) => Some(object),
            Event::Init | Event::InitDone => None,
        })
    })
}

/// Objects whose `state` changed, and those that are gone.
pub(crate) fn changed<K>(api: Api<K>, config: watcher::Config, state: fn(&K) -> u64) -> impl Stream<Item = K> + Send
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let mut seen: HashMap<(Option<String>, String), u64> = HashMap::new();
    events(api, config).filter_map(move |event| {
        future::ready(match event {
            Event::Apply(object) | Event::InitApply(object) => {
                let now = state(&object);
                (seen.insert(key(&object), now) != Some(now)).then_some(object)
            }
            Event::Delete(object) => {
                seen.remove(&key(&object));
                Some(object)
            }
            Event::Init | Event::InitDone => None,
        })
    })
}

/// A watch that is tried again with a backoff of its own. kube's controller pauses all of its watches for an error of any:
/// after a restart of the API server, which fails each of them twice, that came to minutes of deafness.
fn events<K>(api: Api<K>, config: watcher::Config) -> impl Stream<Item = Event<K>> + Send
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let path = api.resource_url().to_owned();
    watcher(api, config).default_backoff().filter_map(move |event| {
        if let Err(error) = &event {
            tracing::warn!(path, %error, "a watch failed and is tried again");
        }
        future::ready(event.ok())
    })
}

fn key<K: Resource>(object: &K) -> (Option<String>, String) {
    (object.namespace(), object.name_any())
}

/// What of a node matters: labels, taints, whether it is cordoned and ready, and what it offers.
pub(crate) fn node_state(node: &Node) -> u64 {
    let spec = node.spec.as_ref();
    let status = node.status.as_ref();
    let ready = status
        .and_then(|s| s.conditions.as_ref())
        .is_some_and(|all| all.iter().any(|c| c.type_ == "Ready" && c.status == "True"));
    let offered = status.and_then(|s| s.allocatable.as_ref());
    let offered: Vec<_> = offered.into_iter().flatten().filter(|(name, _)| name.contains('/')).collect();
    let taints = spec.and_then(|s| s.taints.as_ref());
    hash(&(node.labels(), text(&taints), spec.and_then(|s| s.unschedulable), ready, text(&offered)))
}

/// What of a ResourceSlice matters: all of it, and it changes rarely.
pub(crate) fn slice_state(slice: &ResourceSlice) -> u64 {
    hash(&text(&slice.spec))
}

/// What of a claim matters: which devices it was given.
pub(crate) fn claim_state(claim: &ResourceClaim) -> u64 {
    hash(&text(&claim.status.as_ref().and_then(|s| s.allocation.as_ref()).and_then(|a| a.devices.as_ref())))
}

/// What of a hold matters to other clusters: whose it is.
pub(crate) fn hold_state(hold: &GpuHold) -> u64 {
    hash(&hold.spec.holder.uid)
}

/// What of a foreign pod matters: where it runs and whether it has ended.
pub(crate) fn pod_state(pod: &Pod) -> u64 {
    hash(&(pod.spec.as_ref().and_then(|s| s.node_name.as_ref()), ended(pod)))
}

/// Whether a pod is not ours and asks for an extended resource, such as a GPU of a device plugin.
pub(crate) fn is_foreign(pod: &Pod) -> bool {
    !pod.labels().contains_key(label::CLUSTER) && uses_devices(pod)
}

fn uses_devices(pod: &Pod) -> bool {
    let containers = pod.spec.iter().flat_map(|s| s.containers.iter().chain(s.init_containers.iter().flatten()));
    let mut limits = containers.filter_map(|c| c.resources.as_ref()?.limits.as_ref());
    limits.any(|limits| limits.keys().any(|name| name.contains('/')))
}

fn text<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

fn hash<T: Hash>(value: &T) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn node(heartbeat: &str, gpus: &str) -> Node {
        serde_json::from_value(json!({"metadata": {"name": "n"}, "status": {
            "allocatable": {"cpu": heartbeat.len().to_string(), "nvidia.com/gpu": gpus},
            "conditions": [{"type": "Ready", "status": "True", "lastHeartbeatTime": heartbeat}]}}))
        .unwrap()
    }

    #[test]
    fn a_heartbeat_wakes_nobody_and_a_gpu_that_goes_does() {
        assert_eq!(node_state(&node("2026-11-24T12:00:00Z", "2")), node_state(&node("2026-11-24T12:05:00Z", "2")));
        assert_ne!(node_state(&node("2026-11-24T12:00:00Z", "2")), node_state(&node("2026-11-24T12:00:00Z", "1")));
    }

    #[test]
    fn a_foreign_pod_matters_by_its_node_and_its_end() {
        let pod = |phase: &str, restarts: i32| -> Pod {
            serde_json::from_value(json!({"metadata": {"name": "p", "resourceVersion": restarts.to_string()}, "status": {"phase": phase},
                "spec": {"nodeName": "n", "containers": [{"name": "c", "resources": {"limits": {"nvidia.com/gpu": "1"}}}]}}))
            .unwrap()
        };
        assert_eq!(pod_state(&pod("Running", 1)), pod_state(&pod("Running", 2)));
        assert_ne!(pod_state(&pod("Running", 1)), pod_state(&pod("Succeeded", 1)));
        assert!(is_foreign(&pod("Running", 1)));
    }
}
