//! One snapshot a pass: the resource, the fleet, the cluster's own children and pods, hints and password. Reads only.

pub mod clusters;
pub(crate) mod downloads;
pub mod fleet;
pub(crate) mod holds;
pub(crate) mod live;
mod nodes;
mod references;
pub(crate) mod requests;
mod slices;
mod sources;
pub(crate) mod trouble;

pub use clusters::{Known, cluster_id};
pub use fleet::fleet;
pub use live::Live;
pub use references::{Missing, Use};
pub use sources::Sources;
pub use trouble::Trouble;

use crate::{
    error::{Doing, Error},
    render::{Kind, Password},
};
use cherokee_api::{
    CherokeeCluster, GpuHold,
    memory::MemoryMode,
    names::{child, label},
};
use cherokee_plan::{ClusterId, Fleet};
use cherokee_wire::{
    hints::{self, Hints, MemoryReport},
    layout::{self, Layout},
    worker::Download,
};
use chrono::{DateTime, Utc};
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{ConfigMap, Node, Pod, Secret},
    resource::v1::{DeviceClass, ResourceClaim, ResourceSlice},
};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{DynamicObject, ListParams},
    core::{ApiResource, DeserializeGuard},
};
use serde::de::DeserializeOwned;
use std::{collections::BTreeMap, fmt::Debug, sync::Arc};

/// What one pass knows. After it nobody reads the API server again in this pass, unless another cluster takes a device first.
#[derive(Clone, Debug)]
pub struct Observed {
    /// When.
    pub now: DateTime<Utc>,
    /// The resource.
    pub cluster: Arc<CherokeeCluster>,
    /// Its place in the queue for devices.
    pub id: ClusterId,
    /// What was listed of the whole cluster.
    pub sources: Sources,
    /// Nodes, devices, holds: made from `sources`.
    pub fleet: Fleet,
    /// What the daemon asks for; none if its document can't be read.
    pub hints: Hints,
    /// What the daemon says of the muscle memory.
    pub memory: Option<MemoryReport>,
    /// The layout document as it is stored; none if there is none or it can't be read.
    pub layout: Option<Layout>,
    /// The cluster's children.
    pub live: Live,
    /// The cluster's pods.
    pub pods: Vec<Pod>,
    /// Slots whose worker is starting and may be downloading, each with what it says.
    pub downloads: BTreeMap<String, Option<Download>>,
    /// The password of the managed Redis.
    pub password: Password,
    /// What the spec names and what is not there.
    pub missing: Vec<Missing>,
}

/// Takes the snapshot. `None`: the cluster is gone or going.
pub async fn observe(
    client: &Client,
    now: DateTime<Utc>,
    namespace: &str,
    name: &str,
) -> Result<Option<Observed>, Error> {
    let api: Api<DeserializeGuard<CherokeeCluster>> = Api::namespaced(client.clone(), namespace);
    let found = api.get_opt(name).await.doing(format!("read CherokeeCluster `{name}`"))?;
    // An object that became unreadable since its wake-up comes back by its own wake-up.
    let Some(cluster) = found.and_then(|guard| guard.0.ok()) else { return Ok(None) };
    if cluster.metadata.deletion_timestamp.is_some() {
        return Ok(None);
    }
    let cluster = Arc::new(cluster);
    let (sources, live, pods, (hints, memory), password, missing) = futures::try_join!(
        sources(client, &cluster),
        Live::read(client, namespace, name),
        own_pods(client, namespace, name),
        read_hints(client, namespace, name),
        read_password(client, &cluster, namespace, name),
        references::missing(client, &cluster, namespace),
    )?;
    let fleet = fleet(&sources, &cluster.spec.accelerator, &cluster.spec.workers.tolerations);
    let id = cluster_id(&cluster.metadata);
    let layout = document(live.get(Kind::ConfigMap, &child::layout(name)), layout::KEY);
    let downloads = downloads::downloads(&cluster, &pods).await;
    Ok(Some(Observed {
        now,
        cluster,
        id,
        sources,
        fleet,
        hints,
        memory,
        layout,
        live,
        pods,
        downloads,
        password,
        missing,
    }))
}

/// The fleet as it is now, simulated devices included.
pub async fn fleet_now(client: &Client, cluster: &CherokeeCluster) -> Result<Fleet, Error> {
    let sources = sources(client, cluster).await?;
    Ok(fleet(&sources, &cluster.spec.accelerator, &cluster.spec.workers.tolerations))
}

/// What the fleet of a cluster is made from, as it is now.
pub(crate) async fn sources(client: &Client, cluster: &CherokeeCluster) -> Result<Sources, Error> {
    let (nodes, slices, classes, claims, slots, holds, clusters) = futures::try_join!(
        all::<Node>(client, ListParams::default()),
        // A cluster older than DRA has no such APIs; then nobody publishes devices by it either.
        all_or_none::<ResourceSlice>(client),
        all_or_none::<DeviceClass>(client),
        all_or_none::<ResourceClaim>(client),
        all::<Deployment>(client, ListParams::default().labels(label::SLOT)),
        all_or_none::<GpuHold>(client),
        clusters(client),
    )?;
    let plugged = nodes.iter().any(|node| nodes::allocatable(node, &cluster.spec.accelerator.resource_name) > 0);
    let by_ordinal = holds.iter().flatten().any(|hold| hold.spec.device.ordinal.is_some());
    // Only the device plugin needs them, and a slightly old list does: the kubelet has the last word.
    let pods =
        if plugged || by_ordinal { all::<Pod>(client, ListParams::default().match_any()).await? } else { Vec::new() };
    let (slices, classes, claims) =
        (slices.unwrap_or_default(), classes.unwrap_or_default(), claims.unwrap_or_default());
    Ok(Sources { nodes, slices, classes, claims, pods, slots, holds, clusters })
}

async fn clusters(client: &Client) -> Result<BTreeMap<String, Known>, Error> {
    // Untyped: another tenant's object may be unreadable.
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &ApiResource::erase::<CherokeeCluster>(&()));
    let list = api.list(&ListParams::default()).await.doing("list CherokeeClusters")?;
    Ok(list.items.iter().filter_map(|object| Some((object.uid()?, Known::of(object)))).collect())
}

async fn all<K>(client: &Client, params: ListParams) -> Result<Vec<K>, Error>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    let list = Api::<K>::all(client.clone()).list(&params).await;
    Ok(list.doing(format!("list {}", K::plural(&())))?.items)
}

/// All objects of a kind; none if the API server does not know it.
async fn all_or_none<K>(client: &Client) -> Result<Option<Vec<K>>, Error>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    let list = Api::<K>::all(client.clone()).list(&ListParams::default()).await;
    let list = list.map(|list| Some(list.items)).or_else(absent_api);
    list.doing(format!("list {}", K::plural(&())))
}

fn absent_api<T>(error: kube::Error) -> Result<Option<T>, kube::Error> {
    match error {
        kube::Error::Api(status) if status.code == 404 => Ok(None),
        other => Err(other),
    }
}

async fn own_pods(client: &Client, namespace: &str, name: &str) -> Result<Vec<Pod>, Error> {
    let params = ListParams::default().labels(&format!("{}={name}", label::CLUSTER));
    let list = Api::<Pod>::namespaced(client.clone(), namespace).list(&params).await;
    let mut pods = list.doing(format!("list pods in namespace `{namespace}`"))?.items;
    // An evicted pod stays as a record for long, and runs nothing.
    pods.retain(|pod| !requests::ended(pod));
    Ok(pods)
}

/// The daemon's documents; what can't be read counts as absent, for it will be written anew.
async fn read_hints(client: &Client, namespace: &str, name: &str) -> Result<(Hints, Option<MemoryReport>), Error> {
    let map = Api::<ConfigMap>::namespaced(client.clone(), namespace).get_opt(&child::hints(name)).await;
    let data = map.doing("read the hints")?.and_then(|m| m.data).unwrap_or_default();
    let hints = data.get(hints::KEY).and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    Ok((hints, data.get(MemoryReport::KEY).and_then(|text| serde_json::from_str(text).ok())))
}

fn document<T: DeserializeOwned>(map: Option<&serde_json::Value>, key: &str) -> Option<T> {
    serde_json::from_str(map?.get("data")?.get(key)?.as_str()?).ok()
}

async fn read_password(
    client: &Client,
    cluster: &CherokeeCluster,
    namespace: &str,
    name: &str,
) -> Result<Password, Error> {
    if cluster.spec.muscle_memory.mode != MemoryMode::Managed {
        return Ok(Password::default());
    }
    let secret = Api::<Secret>::namespaced(client.clone(), namespace).get_opt(&child::memory_password(name)).await;
    let found = secret.doing("read the password of the muscle memory")?;
    match found {
        Some(found) => match crate::render::stored_password(&found) {
            Some(secret) => Ok(Password { secret, stored: true }),
            None => Err(Error::Password { secret: child::memory_password(name) }),
        },
        None => Ok(Password {
            secret: format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple()),
            stored: false,
        }),
    }
}
