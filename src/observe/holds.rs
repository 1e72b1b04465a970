//! Who holds which device, from live slot Deployments.

use crate::time;
use cherokee_api::names::{annotation, label};
use cherokee_plan::{ClusterId, DeviceId, Holder};
use k8s_openapi::api::apps::v1::Deployment;
use kube::{ResourceExt, core::ObjectMeta};
use std::collections::BTreeMap;

/// Devices that slots of CherokeeClusters hold.
pub(crate) struct Holds(BTreeMap<DeviceId, Holder>);

impl Holds {
    /// Reads the annotation [`annotation::DEVICE`]. Where two clusters claim a device, the older one, then the lower UID,
    /// holds it.
    pub(crate) fn of(slots: &[Deployment], clusters: &BTreeMap<String, ClusterId>) -> Self {
        let mut claims: BTreeMap<DeviceId, BTreeMap<ClusterId, Vec<String>>> = BTreeMap::new();
        for slot in slots {
            let (Some(device), Some(cluster)) = (device(slot), owner(slot, clusters)) else { continue };
            claims.entry(device).or_default().entry(cluster).or_default().push(slot.name_any());
        }
        Self(claims.into_iter().filter_map(|(device, by)| Some((device, first(by)?))).collect())
    }

    pub(crate) fn get(&self, device: &DeviceId) -> Option<&Holder> {
        self.0.get(device)
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

/// The cluster of a slot: by its owner's UID, else, where the owner is being deleted, by its labels.
fn owner(slot: &Deployment, clusters: &BTreeMap<String, ClusterId>) -> Option<ClusterId> {
    let uid = slot.owner_references().iter().find(|o| o.controller == Some(true)).map(|o| o.uid.clone());
    let known = uid.as_ref().and_then(|uid| clusters.get(uid).cloned());
    known.or_else(|| {
        Some(ClusterId {
            created: slot.metadata.creation_timestamp.as_ref().map(time::from_k8s)?,
            uid: uid.unwrap_or_default(),
            namespace: slot.namespace()?,
            name: slot.labels().get(label::CLUSTER)?.clone(),
        })
    })
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
