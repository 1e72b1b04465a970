//! The fleet as the planner sees it: made from what the API server listed, by a pure function.

use super::{holds::Holds, nodes, slices};
pub(crate) use crate::stores::ended;
use cherokee_api::{
    accelerator::{Accelerator, Access as Wanted},
    names::label,
};
use cherokee_plan::{Access, CPU, ClusterId, Device, DeviceId, Fleet, Holder, Mib, Node as Planned};
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{Node, Pod, Toleration},
    resource::v1::{DeviceClass, ResourceClaim, ResourceSlice},
};
use std::{collections::BTreeMap, sync::Arc};

/// What was listed, cluster-wide.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// All nodes.
    pub nodes: Vec<Arc<Node>>,
    /// All ResourceSlices.
    pub slices: Vec<Arc<ResourceSlice>>,
    /// The DeviceClass of the accelerator, if it exists.
    pub class: Option<Arc<DeviceClass>>,
    /// All ResourceClaims.
    pub claims: Vec<Arc<ResourceClaim>>,
    /// Pods that may use the extended resource; empty where no node offers it.
    pub pods: Vec<Arc<Pod>>,
    /// Slot Deployments of all CherokeeClusters.
    pub slots: Vec<Arc<Deployment>>,
    /// All CherokeeClusters by UID.
    pub clusters: BTreeMap<String, ClusterId>,
}

/// Nodes, their devices, how pods get them and who holds them.
///
/// Holds of CherokeeClusters come from the annotation of live slot Deployments; where two clusters claim one device the
/// older one holds it. What is left and in use is foreign.
pub fn fleet(sources: &Sources, accelerator: &Accelerator, tolerations: &[Toleration]) -> Fleet {
    let driver = slices::driver_of(sources.class.as_deref(), &accelerator.device_class_name);
    let mut published = slices::published(&sources.slices, &driver);
    let foreign = slices::foreign(&sources.claims, &driver);
    let holds = Holds::of(&sources.slots, &sources.clusters);
    let mut fleet = Fleet::default();
    for node in &sources.nodes {
        let Some(name) = node.metadata.name.clone() else { continue };
        let labels = nodes::labels(node);
        let pooled = published.remove(&name).unwrap_or_default();
        let plugged = nodes::allocatable(node, &accelerator.resource_name);
        let offered = access(accelerator.access, !pooled.is_empty(), plugged > 0);
        let simulated =
            labels.get(label::SIMULATED_GPUS).is_some_and(|v| v == "true") || pooled.iter().any(|d| d.simulated);
        let devices = match offered {
            Access::None => Vec::new(),
            Access::Dra | Access::Twice => pooled
                .into_iter()
                .map(|p| {
                    let taken = foreign.contains(&(p.pool, p.name));
                    held(p.device, &name, &holds, taken)
                })
                .collect(),
            Access::DevicePlugin => {
                plugin_devices(&name, plugged, &labels, &accelerator.resource_name, &holds, &sources.pods)
            }
        };
        let withdrawn = withdrawn(&name, &devices, &holds);
        // A node that offers nothing at the moment still gives its running pods what they were given.
        let access = match withdrawn.first() {
            Some(device) if offered == Access::None && is_stand_in(&name, &device.uuid) => Access::DevicePlugin,
            Some(_) if offered == Access::None => Access::Dra,
            _ => offered,
        };
        let usable = nodes::usable(node, tolerations);
        fleet.nodes.insert(name, Planned { labels, usable, access, devices, withdrawn, simulated });
    }
    fleet
}

/// The fleet without the devices that are simulated.
#[must_use]
pub fn real(mut fleet: Fleet) -> Fleet {
    for node in fleet.nodes.values_mut().filter(|node| node.simulated) {
        node.devices.clear();
        node.withdrawn.clear();
        node.access = Access::None;
    }
    fleet
}

/// Devices on which slots run and which the node does not list: its device plugin restarts, its pool is being published
/// anew, or the device has a taint.
fn withdrawn(node: &str, offered: &[Device], holds: &Holds) -> Vec<Device> {
    let gone = holds.running(node).filter(|(uuid, _)| *uuid != CPU && offered.iter().all(|d| d.uuid != *uuid));
    gone.map(|(uuid, holder)| Device {
        uuid: uuid.to_owned(),
        product: String::new(),
        memory: Mib(0),
        holder: holder.clone(),
    })
    .collect()
}

/// How pods get a node's devices, from what the resource wants and what the node offers.
fn access(wanted: Wanted, dra: bool, plugin: bool) -> Access {
    match (wanted, dra, plugin) {
        (Wanted::Auto, true, true) => Access::Twice,
        (Wanted::Auto | Wanted::DynamicResourceAllocation, true, _) => Access::Dra,
        (Wanted::Auto | Wanted::DevicePlugin, _, true) => Access::DevicePlugin,
        _ => Access::None,
    }
}

fn held(mut device: Device, node: &str, holds: &Holds, taken: bool) -> Device {
    let id = DeviceId { node: node.to_owned(), uuid: device.uuid.clone() };
    device.holder = match holds.get(&id) {
        Some(holder) => holder.clone(),
        None if taken => Holder::Foreign,
        None => Holder::Free,
    };
    device
}

/// The devices of a node with a device plugin, which says no more than their number: UUIDs are stand-ins. Foreign pods
/// are counted, and take the last ones that nobody else holds.
fn plugin_devices(
    node: &str,
    count: usize,
    labels: &BTreeMap<String, String>,
    resource: &str,
    holds: &Holds,
    pods: &[Arc<Pod>],
) -> Vec<Device> {
    let domain = resource.split('/').next().unwrap_or_default();
    let product = labels.get(&format!("{domain}/gpu.product")).cloned().unwrap_or_default();
    let memory = labels.get(&format!("{domain}/gpu.memory")).and_then(|m| m.parse().ok()).unwrap_or(0);
    let mut taken = foreign_use(node, resource, pods);
    let mut devices: Vec<Device> = (0..count)
        .map(|index| Device {
            uuid: stand_in(node, index),
            product: product.clone(),
            memory: Mib(memory),
            holder: Holder::Free,
        })
        .map(|device| held(device, node, holds, false))
        .collect();
    for device in devices.iter_mut().rev().filter(|d| d.holder == Holder::Free) {
        if taken == 0 {
            break;
        }
        device.holder = Holder::Foreign;
        taken -= 1;
    }
    devices
}

fn stand_in(node: &str, index: usize) -> String {
    format!("{node}-{index}")
}

fn is_stand_in(node: &str, uuid: &str) -> bool {
    uuid.rsplit_once('-').is_some_and(|(of, index)| of == node && index.parse::<usize>().is_ok())
}

/// How many of an extended resource pods that are not ours have on a node.
fn foreign_use(node: &str, resource: &str, pods: &[Arc<Pod>]) -> u64 {
    pods.iter()
        .filter(|p| p.spec.as_ref().is_some_and(|s| s.node_name.as_deref() == Some(node)))
        .filter(|p| !p.metadata.labels.as_ref().is_some_and(|l| l.contains_key(label::SLOT)))
        .map(|p| requested(p, resource))
        .sum()
}

/// How many of an extended resource a pod has; none once it has ended.
pub(crate) fn requested(pod: &Pod, resource: &str) -> u64 {
    let (Some(spec), false) = (pod.spec.as_ref(), ended(pod)) else { return 0 };
    let of = |containers: &[k8s_openapi::api::core::v1::Container]| -> Vec<u64> {
        containers
            .iter()
            .filter_map(|c| crate::quantity::bytes(&c.resources.as_ref()?.limits.as_ref()?.get(resource)?.0))
            .collect()
    };
    let starting = of(spec.init_containers.as_deref().unwrap_or_default()).into_iter().max().unwrap_or(0);
    of(&spec.containers).into_iter().sum::<u64>().max(starting)
}

#[cfg(test)]
#[path = "fleet_tests.rs"]
mod tests;
