//! Which GpuHolds are to be made, changed and deleted: pure. [`keeper`] writes them.
//!
//! The order of a change: new hold, new child, old child to 0, pods gone, child pruned, old hold deleted. A device without a hold
//! on which a cluster runs gets one before anybody plans; a hold is never taken from a cluster whose plan uses it.

mod keeper;
#[cfg(test)]
mod tests;

pub(crate) use keeper::{Keeper, Taking};

use crate::{
    children::Kind,
    observe::{
        Known, Live, Sources,
        holds::{Bound, device_id, held_device, in_use},
    },
    time,
};
use cherokee_api::{
    CherokeeCluster, GpuHold,
    hold::{GpuHoldSpec, HeldDevice, HeldSlot, HoldingCluster},
    names::label,
};
use cherokee_plan::{Access, ClusterId, DeviceId, Plan};
use chrono::{DateTime, Utc};
use k8s_openapi::{api::core::v1::Pod, apimachinery::pkg::apis::meta::v1::Time};
use kube::ResourceExt;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Version of the rules by which GPUs are taken, as status carries it.
pub(crate) const PLAN_VERSION: i64 = 1;

/// A hold as it is to be created.
fn hold(device: HeldDevice, cluster: &ClusterId, slots: Vec<HeldSlot>, since: Time) -> GpuHold {
    let holder =
        HoldingCluster { uid: cluster.uid.clone(), namespace: cluster.namespace.clone(), name: cluster.name.clone() };
    GpuHold::new(&device.hold_name(), GpuHoldSpec { device, holder, slots, since })
}

/// Holds for devices on which clusters run and which have none: a version before left them, or somebody deleted the hold. A cluster
/// with a pod on the device comes before one whose status names it, then the older one.
pub(crate) fn missing(sources: &Sources, now: DateTime<Utc>) -> Vec<GpuHold> {
    let held: BTreeSet<DeviceId> = sources.holds.iter().flatten().map(|hold| device_id(&hold.spec.device)).collect();
    let mut claims: BTreeMap<DeviceId, Vec<(bool, &Known)>> = BTreeMap::new();
    let mut drivers: BTreeMap<String, Bound> = BTreeMap::new();
    for known in sources.clusters.values() {
        let driver = sources.driver(&known.class);
        let bound = drivers.entry(driver).or_insert_with_key(|driver| Bound::of(driver, sources)).by(&known.id);
        for device in known.devices.union(&bound).filter(|device| !held.contains(*device)) {
            claims.entry(device.clone()).or_default().push((!bound.contains(device), known));
        }
    }
    let first = |mut of: Vec<(bool, &Known)>| {
        of.sort_by(|(a, x), (b, y)| (a, &x.id).cmp(&(b, &y.id)));
        of.first().map(|(_, known)| (*known).clone())
    };
    claims
        .into_iter()
        .filter_map(|(device, of)| {
            let known = first(of)?;
            let device = held_device(&device, &sources.driver(&known.class), &known.resource);
            Some(hold(device, &known.id, Vec::new(), time::to_k8s(now)))
        })
        .collect()
}

/// Holds of clusters that are not listed any more and whose devices are not in use. The caller looks once more whether they are gone.
pub(crate) fn of_nobody(sources: &Sources) -> Vec<&Arc<GpuHold>> {
    let gone = |hold: &&Arc<GpuHold>| !sources.clusters.contains_key(&hold.spec.holder.uid) && !in_use(hold, sources);
    sources.holds.iter().flatten().filter(gone).collect()
}

/// Holds that a cluster had before a version without holds managed it, and that neither its status nor its pods confirm.
pub(crate) fn outdated<'s>(cluster: &ClusterId, sources: &'s Sources) -> Vec<&'s Arc<GpuHold>> {
    let Some(known) = sources.clusters.get(&cluster.uid).filter(|known| known.before_holds) else { return Vec::new() };
    let bound = Bound::of(&sources.driver(&known.class), sources).by(cluster);
    let confirmed = |device: &DeviceId| known.devices.contains(device) || bound.contains(device);
    of(cluster, sources).filter(|hold| !confirmed(&device_id(&hold.spec.device))).collect()
}

/// Holds of one cluster.
fn of<'s>(cluster: &ClusterId, sources: &'s Sources) -> impl Iterator<Item = &'s Arc<GpuHold>> + use<'s> {
    let uid = cluster.uid.clone();
    sources.holds.iter().flatten().filter(move |hold| hold.spec.holder.uid == uid)
}

/// The holds that a plan needs. Slots that have left the plan stay named while their Deployment is there.
pub(crate) fn wanted(
    plan: &Plan,
    cluster: &CherokeeCluster,
    id: &ClusterId,
    sources: &Sources,
    live: &Live,
    now: DateTime<Utc>,
) -> Vec<GpuHold> {
    let accelerator = &cluster.spec.accelerator;
    let driver = sources.driver(&accelerator.device_class_name);
    let mut slots: BTreeMap<&DeviceId, Vec<HeldSlot>> = BTreeMap::new();
    for (name, slot) in plan.slots.iter().filter(|(_, slot)| slot.access != Access::None) {
        slots.entry(&slot.device).or_default().push(HeldSlot {
            name: name.clone(),
            roles: slot.roles.iter().cloned().collect(),
            models: slot.models.iter().cloned().collect(),
        });
    }
    let before: BTreeMap<DeviceId, &Arc<GpuHold>> = of(id, sources).map(|h| (device_id(&h.spec.device), h)).collect();
    slots
        .into_iter()
        .map(|(device, mut slots)| {
            let old = before.get(device);
            let leaving = old.into_iter().flat_map(|hold| &hold.spec.slots);
            slots.extend(
                leaving
                    .filter(|slot| !plan.slots.contains_key(&slot.name))
                    .filter(|slot| live.get(Kind::Deployment, &slot.name).is_some())
                    .cloned(),
            );
            slots.sort_by(|a, b| a.name.cmp(&b.name));
            let held = held_device(device, &driver, &accelerator.resource_name);
            let since = old.map_or_else(|| time::to_k8s(now), |hold| hold.spec.since.clone());
            hold(held, id, slots, since)
        })
        .collect()
}

/// Holds of a cluster that it no longer uses: the plan lacks the device, no Deployment and no pod of the hold's slots is left, and
/// nobody has been given the device.
pub(crate) fn released<'s>(
    plan: &Plan,
    id: &ClusterId,
    sources: &'s Sources,
    live: &Live,
    pods: &[Pod],
) -> Vec<&'s Arc<GpuHold>> {
    let used: BTreeSet<&DeviceId> = plan.slots.values().map(|slot| &slot.device).collect();
    let is_there = |slot: &HeldSlot| {
        live.get(Kind::Deployment, &slot.name).is_some()
            || pods.iter().any(|pod| pod.labels().get(label::SLOT) == Some(&slot.name))
    };
    of(id, sources)
        .filter(|hold| !used.contains(&device_id(&hold.spec.device)))
        .filter(|hold| !hold.spec.slots.iter().any(is_there) && !in_use(hold, sources))
        .collect()
}
