//! Who holds which device, from live slot Deployments.

use crate::time;
use cherokee_api::{
    CherokeeCluster,
    names::{annotation, label},
};
use cherokee_plan::{ClusterId, DeviceId, Holder};
use k8s_openapi::{api::apps::v1::Deployment, apimachinery::pkg::apis::meta::v1::OwnerReference};
use kube::{Resource, ResourceExt, core::ObjectMeta};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Devices that slots of CherokeeClusters hold.
pub(crate) struct Holds {
    by: BTreeMap<DeviceId, Holder>,
    /// Of these, those on which a worker is ready.
    running: BTreeSet<DeviceId>,
}

impl Holds {
    /// Reads the annotation [`annotation::DEVICE`]. Where two clusters claim a device, the older one, then the lower UID,
    /// holds it.
    pub(crate) fn of(slots: &[Arc<Deployment>], clusters: &BTreeMap<String, ClusterId>) -> Self {
        let mut claims: BTreeMap<DeviceId, BTreeMap<ClusterId, Vec<String>>> = BTreeMap::new();
        let mut running = BTreeSet::new();
        for slot in slots {
            let (Some(device), Some(cluster)) = (device(slot), owner(slot, clusters)) else { continue };
            if slot.status.as_ref().and_then(|s| s.ready_replicas).unwrap_or(0) > 0 {
                running.insert(device.clone());
            }
            claims.entry(device).or_default().entry(cluster).or_default().push(slot.name_any());
        }
        Self { by: claims.into_iter().filter_map(|(device, by)| Some((device, first(by)?))).collect(), running }
    }

    pub(crate) fn get(&self, device: &DeviceId) -> Option<&Holder> {
        self.by.get(device)
    }

    /// Devices of a node on which a worker is ready, and whose it is.
    pub(crate) fn running(&self, node: &str) -> impl Iterator<Item = (&str, &Holder)> {
        let here = self.running.iter().filter(move |device| device.node == node);
        here.filter_map(|device| Some((device.uuid.as_str(), self.by.get(device)?)))
    }
}

fn first(mut by: BTreeMap<ClusterId, Vec<String>>) -> Option<Holder> {
    let (cluster, mut slots) = by.pop_first()?;
    slots.sort();
    Some(Holder::Slots { cluster, slots })
}

/// The device that a slot's Deployment says it holds.
pub(crate) fn device(slot: &Deployment) -> Option<DeviceId> {
    let (node, uuid) = slot.annotations().get(annotation::DEVICE)?.split_once('/')?;
    Some(DeviceId { node: node.to_owned(), uuid: uuid.to_owned() })
}

/// The cluster of a slot: by its owner's UID, else, where the owner is being deleted, by its labels. None for what only
/// looks like a slot: a Deployment without such an owner, or with one of another namespace.
fn owner(slot: &Deployment, clusters: &BTreeMap<String, ClusterId>) -> Option<ClusterId> {
    let owned = |o: &&OwnerReference| o.controller == Some(true) && o.kind == CherokeeCluster::kind(&());
    let uid = slot.owner_references().iter().find(owned)?.uid.clone();
    let namespace = slot.namespace()?;
    match clusters.get(&uid) {
        Some(known) => (known.namespace == namespace).then(|| known.clone()),
        None => Some(ClusterId {
            created: slot.metadata.creation_timestamp.as_ref().map(time::from_k8s)?,
            uid,
            namespace,
            name: slot.labels().get(label::CLUSTER)?.clone(),
        }),
    }
}

/// A cluster's place in the queue, from its metadata.
pub fn cluster_id(meta: &ObjectMeta) -> ClusterId {
    ClusterId {
        created: meta.creation_timestamp.as_ref().map(time::from_k8s).unwrap_or_default(),
        uid: meta.uid.clone().unwrap_or_default(),
        namespace: meta.namespace.clone().unwrap_or_default(),
        name: meta.name.clone().unwrap_or_default(),
    }
}
