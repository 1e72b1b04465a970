//! Who holds which device, from GpuHolds, and which of these devices pods use. Labels, annotations, owner references and status
//! decide nothing about other clusters here.

use super::{
    requests::{Used, is_on, requested},
    slices,
    sources::Sources,
};
use crate::time;
use cherokee_api::{GpuHold, hold::HeldDevice, names::label};
use cherokee_plan::{ClusterId, DeviceId, Holder};
use k8s_openapi::api::apps::v1::Deployment;
use kube::ResourceExt;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Devices that CherokeeClusters hold.
pub(crate) struct Holds {
    by: BTreeMap<DeviceId, Holder>,
    /// Of these, those on which a worker is ready.
    running: BTreeSet<DeviceId>,
    /// Nodes and the number of their devices that are held by ordinal of any extended resource.
    ordinals: BTreeMap<String, usize>,
    /// Nodes and namespaces, and how many devices each namespace holds there by ordinal of the resource asked for.
    by_namespace: BTreeMap<(String, String), u64>,
}

impl Holds {
    /// The holds of devices that are reached by any DRA driver or by the extended resource `resource`.
    ///
    /// A hold whose name is not that of its device counts as taken too, but never above one with the right name.
    pub(crate) fn of(sources: &Sources, resource: &str) -> Self {
        let ready: BTreeSet<(&str, &str, &str)> = sources.slots.iter().flat_map(|slot| ready(slot)).collect();
        let mut all: Vec<&Arc<GpuHold>> = sources.holds.iter().flatten().collect();
        all.sort_by_key(|hold| (hold.name_any() == hold.spec.device.hold_name(), hold.name_any()));
        let mut holds = Self {
            by: BTreeMap::new(),
            running: BTreeSet::new(),
            ordinals: BTreeMap::new(),
            by_namespace: BTreeMap::new(),
        };
        for hold in all {
            let device = &hold.spec.device;
            if device.ordinal.is_some() {
                *holds.ordinals.entry(device.node.clone()).or_default() += 1;
                if device.resource_name.as_deref() != Some(resource) {
                    continue;
                }
                let place = (device.node.clone(), hold.spec.holder.namespace.clone());
                *holds.by_namespace.entry(place).or_default() += 1;
            }
            let id = device_id(device);
            let holder = holder(hold, sources);
            let of = &hold.spec.holder;
            if hold.spec.slots.iter().any(|slot| ready.contains(&(&of.namespace, &slot.name, &of.uid))) {
                holds.running.insert(id.clone());
            }
            holds.by.insert(id, holder);
        }
        holds
    }

    pub(crate) fn get(&self, device: &DeviceId) -> Option<&Holder> {
        self.by.get(device)
    }

    /// Devices of a node on which a worker is ready, and whose it is.
    pub(crate) fn running(&self, node: &str) -> impl Iterator<Item = (&str, &Holder)> {
        let first = DeviceId { node: node.to_owned(), uuid: String::new() };
        let here = self.running.range(first..).take_while(move |device| device.node == node);
        here.filter_map(|device| Some((device.uuid.as_str(), self.by.get(device)?)))
    }

    /// How many devices of a node are held by ordinal, by any extended resource.
    pub(crate) fn ordinals(&self, node: &str) -> usize {
        self.ordinals.get(node).copied().unwrap_or(0)
    }

    /// How many devices pods use on a node beyond those that their namespaces hold there.
    pub(crate) fn foreign_use(&self, node: &str, used: &Used) -> u64 {
        let held =
            |namespace: &str| self.by_namespace.get(&(node.to_owned(), namespace.to_owned())).copied().unwrap_or(0);
        used.on(node).map(|(namespace, used)| used.saturating_sub(held(namespace))).fold(0, u64::saturating_add)
    }
}

/// A held device as the planner names it.
pub(crate) fn device_id(device: &HeldDevice) -> DeviceId {
    match (&device.uuid, device.ordinal) {
        (Some(uuid), _) => DeviceId { node: device.node.clone(), uuid: uuid.clone() },
        (None, ordinal) => DeviceId::of_ordinal(&device.node, usize::try_from(ordinal.unwrap_or(0)).unwrap_or(0)),
    }
}

/// A device of the planner as a hold names it; `driver` and `resource` are those of the cluster that uses it.
pub(crate) fn held_device(device: &DeviceId, driver: &str, resource: &str) -> HeldDevice {
    match device.ordinal().and_then(|ordinal| i32::try_from(ordinal).ok()) {
        Some(ordinal) => HeldDevice::plugin(&device.node, resource, ordinal),
        None => HeldDevice::dra(&device.node, driver, &device.uuid),
    }
}

fn holder(hold: &GpuHold, sources: &Sources) -> Holder {
    let of = &hold.spec.holder;
    let known = sources.clusters.get(&of.uid).filter(|known| known.id.namespace == of.namespace);
    let cluster = known.map_or_else(
        || ClusterId {
            created: time::from_k8s(&hold.spec.since),
            uid: of.uid.clone(),
            namespace: of.namespace.clone(),
            name: of.name.clone(),
        },
        |known| known.id.clone(),
    );
    Holder::Slots { cluster, slots: hold.spec.slots.iter().map(|slot| slot.name.clone()).collect() }
}

/// Namespace and name of a Deployment with a ready worker, with the UID of each cluster that controls it.
fn ready(slot: &Deployment) -> impl Iterator<Item = (&str, &str, &str)> {
    let ready = slot.status.as_ref().and_then(|s| s.ready_replicas).unwrap_or(0) > 0;
    let meta = &slot.metadata;
    let name = meta.namespace.as_deref().zip(meta.name.as_deref()).filter(|_| ready);
    let owners = slot.owner_references().iter().filter(|owner| owner.controller == Some(true));
    name.into_iter().flat_map(move |(space, name)| owners.clone().map(move |owner| (space, name, owner.uid.as_str())))
}

/// Whether the scheduler or the kubelet has given the device of a hold to a pod of its holder that has not ended.
///
/// Under DRA that is an allocation of the very device; where the node publishes the device no more, a claim of one of the hold's
/// slots. Under the device plugin it is a bound pod of one of the hold's slots.
pub(crate) fn in_use(hold: &GpuHold, sources: &Sources) -> bool {
    let device = &hold.spec.device;
    match (&device.driver, &device.resource_name) {
        (Some(driver), _) => {
            let published = slices::published(&sources.slices, driver);
            let place = published.get(&device.node).into_iter().flatten();
            let place = place.into_iter().find(|p| Some(&p.device.uuid) == device.uuid.as_ref());
            sources.claims.iter().any(|claim| match place {
                Some(place) => {
                    slices::allocated(claim, driver).any(|(pool, name)| (pool, name) == (&place.pool, &place.name))
                }
                None => slices::allocated(claim, driver).next().is_some() && is_of_slot(claim.as_ref(), hold),
            })
        }
        (None, resource) => {
            let resource = resource.as_deref().unwrap_or_default();
            let mut here = sources.pods.iter().filter(|pod| is_on(pod, &device.node) && is_of_slot(pod.as_ref(), hold));
            here.any(|pod| requested(pod, resource) > 0)
        }
    }
}

/// Whether an object of the holder's namespace carries the name of one of the hold's slots.
fn is_of_slot<K: ResourceExt>(object: &K, hold: &GpuHold) -> bool {
    object.namespace().as_deref() == Some(&hold.spec.holder.namespace)
        && object.labels().get(label::SLOT).is_some_and(|slot| hold.spec.slots.iter().any(|held| held.name == *slot))
}

/// Devices that claims have been given for pods, by namespace and name of the cluster whose label the claims carry. The label
/// of a claim decides about clusters of its own namespace only.
pub(crate) struct Bound(BTreeMap<(String, String), BTreeSet<DeviceId>>);

impl Bound {
    /// What claims have of the devices of one DRA driver.
    pub(crate) fn of(driver: &str, sources: &Sources) -> Self {
        let published = slices::published(&sources.slices, driver);
        let places: BTreeMap<(&str, &str), (&str, &str)> = published
            .iter()
            .flat_map(|(node, devices)| devices.iter().map(move |d| (node, d)))
            .map(|(node, d)| ((d.pool.as_str(), d.name.as_str()), (node.as_str(), d.device.uuid.as_str())))
            .collect();
        let mut bound: BTreeMap<(String, String), BTreeSet<DeviceId>> = BTreeMap::new();
        for claim in &sources.claims {
            let reserved = claim.status.as_ref().and_then(|s| s.reserved_for.as_ref()).is_some_and(|p| !p.is_empty());
            let cluster = claim.labels().get(label::CLUSTER).filter(|_| reserved);
            let Some(owner) = claim.namespace().zip(cluster.cloned()) else { continue };
            for (pool, name) in slices::allocated(claim, driver) {
                if let Some((node, uuid)) = places.get(&(pool.as_str(), name.as_str())) {
                    let device = DeviceId { node: (*node).to_owned(), uuid: (*uuid).to_owned() };
                    bound.entry(owner.clone()).or_default().insert(device);
                }
            }
        }
        Self(bound)
    }

    /// Devices of one cluster.
    pub(crate) fn by(&self, cluster: &ClusterId) -> BTreeSet<DeviceId> {
        self.0.get(&(cluster.namespace.clone(), cluster.name.clone())).cloned().unwrap_or_default()
    }
}
