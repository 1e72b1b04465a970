//! The fleet for a program without stores, as the plugin of kubectl: all lists, once.

use super::{fleet::fleet, sources::Sources};
use crate::{
    error::{Doing, Error},
    stores::Known,
};
use cherokee_api::{CherokeeCluster, GpuHold, names::label};
use cherokee_plan::Fleet;
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{Node, Pod},
    resource::v1::{DeviceClass, ResourceClaim, ResourceSlice},
};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{DynamicObject, ListParams},
    core::ApiResource,
};
use serde::de::DeserializeOwned;
use std::{fmt::Debug, sync::Arc};

/// The fleet as it is now, simulated devices included.
pub async fn fleet_now(client: &Client, cluster: &CherokeeCluster) -> Result<Fleet, Error> {
    let accelerator = &cluster.spec.accelerator;
    let clusters = async {
        let api: Api<DynamicObject> = Api::all_with(client.clone(), &ApiResource::erase::<CherokeeCluster>(&()));
        // Untyped: another tenant's object may be unreadable.
        api.list(&ListParams::default()).await.doing("list CherokeeClusters")
    };
    // A cluster older than DRA lacks some of these APIs; then nobody publishes devices by it either.
    let (nodes, slices, classes, claims, slots, holds, clusters) = futures::try_join!(
        all::<Node>(client, ListParams::default()),
        all::<ResourceSlice>(client, ListParams::default()),
        all::<DeviceClass>(client, ListParams::default()),
        all::<ResourceClaim>(client, ListParams::default()),
        all::<Deployment>(client, ListParams::default().labels(label::SLOT)),
        all::<GpuHold>(client, ListParams::default()),
        clusters,
    )?;
    let plugged = nodes.iter().any(|node| super::nodes::allocatable(node, &accelerator.resource_name) > 0);
    // Only the device plugin needs them, and a slightly old list does: the kubelet has the last word.
    let pods = if plugged { all::<Pod>(client, ListParams::default().match_any()).await? } else { Vec::new() };
    let clusters = clusters.items.iter().filter_map(|object| Some((object.uid()?, Known::of(object)))).collect();
    let sources = Sources { nodes, slices, classes, claims, pods, slots, holds: Some(holds), clusters };
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
