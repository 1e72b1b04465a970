//! The fleet as the planner sees it: made from what the API server listed, by a pure function.

use super::{holds::Holds, nodes, requests::Used, slices, sources::Sources};
use cherokee_api::{
    accelerator::{Accelerator, Access as Wanted},
    names::label,
};
use cherokee_plan::{Access, CPU, Device, DeviceId, Fleet, Holder, Mib, Node as Planned};
use k8s_openapi::api::core::v1::Toleration;
use std::collections::BTreeMap;

/// Nodes, their devices, how pods get them and who holds them.
///
/// Holds of CherokeeClusters come from GpuHolds. A device without a hold that is in use is foreign, whatever the labels of its
/// user say. Where a node publishes its GPUs twice, as many devices are foreign in one form as are used in the other.
pub fn fleet(sources: &Sources, accelerator: &Accelerator, tolerations: &[Toleration]) -> Fleet {
    let driver = sources.driver(&accelerator.device_class_name);
    let mut published = slices::published(&sources.slices, &driver);
    let taken = slices::taken(&sources.claims, &driver);
    let holds = Holds::of(sources, &accelerator.resource_name);
    let used = Used::of(&sources.pods, &accelerator.resource_name);
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
            Access::Dra | Access::Twice => {
                let by_uuid = pooled.into_iter().map(|p| {
                    let taken = taken.contains(&(p.pool, p.name));
                    held(p.device, &name, &holds, taken)
                });
                let mut devices = by_uuid.collect::<Vec<_>>();
                take_last(&mut devices, holds.ordinals(&name));
                devices
            }
            Access::DevicePlugin => {
                let by_uuid = pooled.into_iter().filter(|p| {
                    let id = DeviceId { node: name.clone(), uuid: p.device.uuid.clone() };
                    holds.get(&id).is_some() || taken.contains(&(p.pool.clone(), p.name.clone()))
                });
                let by_uuid = by_uuid.count();
                let foreign = usize::try_from(holds.foreign_use(&name, &used)).unwrap_or(usize::MAX);
                let foreign = foreign.saturating_add(by_uuid);
                plugin_devices(&name, plugged, &labels, &accelerator.resource_name, &holds, foreign)
            }
        };
        let withdrawn = withdrawn(&name, &devices, &holds);
        // A node that offers nothing at the moment still gives its running pods what they were given.
        let access = match withdrawn.first() {
            Some(device) if offered == Access::None => {
                let id = DeviceId { node: name.clone(), uuid: device.uuid.clone() };
                if id.ordinal().is_some() { Access::DevicePlugin } else { Access::Dra }
            }
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

/// The devices of a node with a device plugin, which publishes only a count: UUIDs are synthetic. `foreign` of them are used by
/// others, and count as the last that nobody holds.
fn plugin_devices(
    node: &str,
    count: usize,
    labels: &BTreeMap<String, String>,
    resource: &str,
    holds: &Holds,
    foreign: usize,
) -> Vec<Device> {
    let domain = resource.split('/').next().unwrap_or_default();
    let product = labels.get(&format!("{domain}/gpu.product")).cloned().unwrap_or_default();
    let memory = labels.get(&format!("{domain}/gpu.memory")).and_then(|m| m.parse().ok()).unwrap_or(0);
    let mut devices: Vec<Device> = (0..count)
        .map(|index| Device {
            uuid: DeviceId::of_ordinal(node, index).uuid,
            product: product.clone(),
            memory: Mib(memory),
            holder: Holder::Free,
        })
        .map(|device| held(device, node, holds, false))
        .collect();
    take_last(&mut devices, foreign);
    devices
}

/// Makes the last `count` devices that nobody holds foreign: how many are used is known, which is not.
fn take_last(devices: &mut [Device], count: usize) {
    for device in devices.iter_mut().rev().filter(|device| device.holder == Holder::Free).take(count) {
        device.holder = Holder::Foreign;
    }
}

#[cfg(test)]
#[path = "fleet_tests.rs"]
mod tests;
