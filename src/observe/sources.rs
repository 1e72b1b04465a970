//! What a fleet is made from, as the API server listed it.

use super::slices;
use crate::stores::Known;
use cherokee_api::GpuHold;
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{Node, Pod},
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
    /// All DeviceClasses.
    pub classes: Vec<Arc<DeviceClass>>,
    /// All ResourceClaims.
    pub claims: Vec<Arc<ResourceClaim>>,
    /// Pods that may use the extended resource; empty where no node offers it.
    pub pods: Vec<Arc<Pod>>,
    /// Slot Deployments: of a device that its node offers no more they tell whether a worker still runs there.
    pub slots: Vec<Arc<Deployment>>,
    /// All holds; none if their API is missing, which does not mean that all devices are free.
    pub holds: Option<Vec<Arc<GpuHold>>>,
    /// All CherokeeClusters by UID.
    pub clusters: BTreeMap<String, Known>,
}

impl Sources {
    /// The DRA driver that a DeviceClass stands for.
    pub(crate) fn driver(&self, class: &str) -> String {
        let found = self.classes.iter().find(|c| c.metadata.name.as_deref() == Some(class));
        slices::driver_of(found.map(Arc::as_ref), class)
    }
}
