//! The fleet for a program without stores, as the plugin of kubectl: all lists, once.

use super::fleet::{Sources, fleet};
use crate::error::{Doing, Error};
use cherokee_api::{CherokeeCluster, names::label};
use cherokee_plan::Fleet;
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{Node, Pod},
    resource::v1::{DeviceClass, ResourceClaim, ResourceSlice},
};
use kube::{Api, Client, Resource, ResourceExt, api::ListParams};
use serde::de::DeserializeOwned;
use std::{fmt::Debug, sync::Arc};

/// The fleet as it is now, simulated devices included.
pub async fn fleet_now(client: &Client, cluster: &CherokeeCluster) -> Result<Fleet, Error> {
    let accelerator = &cluster.spec.accelerator;
    let classes: Api<DeviceClass> = Api::all(client.clone());
    let class = async {
        let found = classes.get_opt(&accelerator.device_class_name).await;
        // A cluster older than DRA has no such API; then nobody publishes devices by it either.
        found.or_else(absent).doing("read the DeviceClass")
    };
    let clusters = async {
        let api: Api<CherokeeCluster> = Api::all(client.clone());
        // Metadata only: another tenant's object may be unreadable.
        api.list_metadata(&ListParams::default()).await.doing("list CherokeeClusters")
    };
    let (nodes, slices, class, claims, slots, clusters) = futures::try_join!(
        all::<Node>(client, ListParams::default()),
        all::<ResourceSlice>(client, ListParams::default()),
        class,
        all::<ResourceClaim>(client, ListParams::default()),
        all::<Deployment>(client, ListParams::default().labels(label::SLOT)),
        clusters,
    )?;
    let plugged = nodes.iter().any(|node| super::nodes::allocatable(node, &accelerator.resource_name) > 0);
    // Only the device plugin needs them, and a slightly old list does: the kubelet has the last word.
    let pods = if plugged { all::<Pod>(client, ListParams::default().match_any()).await? } else { Vec::new() };
    let clusters = clusters.into_iter().filter_map(|o| Some((o.uid()?, super::cluster_id(&o.metadata)))).collect();
    let sources = Sources { nodes, slices, class: class.map(Arc::new), claims, pods, slots, clusters };
    Ok(fleet(&sources, accelerator, &cluster.spec.workers.tolerations))
}

async fn all<K>(client: &Client, params: ListParams) -> Result<Vec<Arc<K>>, Error>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    let list = Api::<K>::all(client.clone()).list(&params).await;
    let list = list.map(|list| Some(list.items)).or_else(absent).doing(format!("list {}", K::plural(&())))?;
    Ok(list.unwrap_or_default().into_iter().map(Arc::new).collect())
}

fn absent<T>(error: kube::Error) -> Result<Option<T>, kube::Error> {
    match error {
        kube::Error::Api(status) if status.code == 404 => Ok(None),
        other => Err(other),
    }
}
