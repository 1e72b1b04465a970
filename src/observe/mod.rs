//! One snapshot a pass: the resource, the fleet, the cluster's own children and pods, hints and password. Made from the
//! stores; only what the spec names is got by name, and workers that download are asked.

pub(crate) mod downloads;
pub mod fleet;
pub(crate) mod holds;
mod listed;
pub(crate) mod live;
mod nodes;
mod requests;
mod slices;
mod sources;
pub(crate) mod trouble;

pub use crate::stores::{
    Known, cluster_id,
    named::{Missing, Use},
};
pub use fleet::fleet;
pub use listed::fleet_now;
pub use live::Live;
pub use sources::Sources;
pub use trouble::Trouble;

use crate::{
    children::{self, Kind, Password},
    error::Error,
    name::Name,
    stores::{
        State, Stores, ended,
        named::{self, Found, Object},
    },
    thread::compute,
};
use cherokee_api::{CherokeeCluster, gateway::AuthMode, memory::MemoryMode, names::child};
use cherokee_plan::{ClusterId, Fleet};
use cherokee_wire::{
    hints::{self, Hints, MemoryReport},
    layout::{self, Layout},
    worker::Download,
};
use chrono::{DateTime, Utc};
use k8s_openapi::api::core::v1::Pod;
use kube::{Client, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// What one pass knows. After it nobody reads again in this pass, unless another cluster takes a device first.
#[derive(Clone, Debug)]
pub struct Observed {
    /// When.
    pub now: DateTime<Utc>,
    /// The resource.
    pub cluster: Arc<CherokeeCluster>,
    /// Its place in the queue for devices.
    pub id: ClusterId,
    /// What is known of the whole cluster.
    pub sources: Arc<Sources>,
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
    /// When the next look at objects that the spec names is due.
    pub look: Option<DateTime<Utc>>,
}

/// Takes the snapshot. `None`: the cluster is gone or going.
pub(crate) async fn observe(
    client: &Client,
    stores: &Arc<Stores>,
    now: DateTime<Utc>,
    owner: &Name,
) -> Result<Option<Observed>, Error> {
    let seen = stores.clusters.get(owner);
    let Some(cluster) = seen.and_then(|seen| seen.read.as_ref().ok().cloned()) else { return Ok(None) };
    if cluster.metadata.deletion_timestamp.is_some() {
        return Ok(None);
    }
    let live = Live::read(stores, owner)?;
    let pods = own_pods(stores, owner);
    let data = live.get(Kind::ConfigMap, &child::hints(&owner.name));
    // What can't be read counts as absent: the daemon will write it anew.
    let hints = document(data, hints::KEY).unwrap_or_default();
    let memory = document(data, MemoryReport::KEY);
    let layout = document(live.get(Kind::ConfigMap, &child::layout(&owner.name)), layout::KEY);
    let failing = pods.iter().any(|pod| pod.status.as_ref().is_some_and(|s| s.phase.as_deref() == Some("Pending")))
        || trouble::worst(&pods, now).is_some();
    let readers = readers(&live, &owner.name);
    let looked = stores.named.look(client, owner, wanted(&cluster), failing, &readers, now);
    let asked = async { Ok(downloads::downloads(&cluster, &live, &pods).await) };
    let ((found, look), (sources, fleet), downloads) =
        futures::try_join!(looked, async { Ok(fleet_of(stores, &cluster).await) }, asked)?;
    let missing = found.iter().filter_map(|(object, found)| named::missing(object, found)).collect::<BTreeSet<_>>();
    let missing = missing.into_iter().collect();
    let password = password(&cluster, &found)?;
    let id = cluster_id(&cluster.metadata);
    let observed = Observed {
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
        look,
    };
    Ok(Some(observed))
}

/// What the stores have of the whole cluster now, and the fleet that a cluster makes of it, simulated devices included.
pub(crate) async fn fleet_of(stores: &Arc<Stores>, cluster: &Arc<CherokeeCluster>) -> (Arc<Sources>, Fleet) {
    let stores = stores.clone();
    let cluster = cluster.clone();
    compute(move || {
        let known = stores.clusters.all().into_iter().map(|seen| (seen.known.id.uid.clone(), seen.known.clone()));
        let sources = Sources {
            nodes: stores.nodes.all(),
            slices: stores.slices.all(),
            classes: stores.classes.all(),
            claims: stores.claims.all(),
            pods: stores.pods.all(),
            slots: stores.slots.all(),
            holds: (stores.holds.state() == State::Listed).then(|| stores.holds.all()),
            clusters: known.collect(),
        };
        let fleet = fleet(&sources, &cluster.spec.accelerator, &cluster.spec.workers.tolerations);
        (Arc::new(sources), fleet)
    })
    .await
}

/// The driver by which a cluster gets devices.
pub(crate) fn driver_of(stores: &Stores, cluster: &CherokeeCluster) -> String {
    let name = &cluster.spec.accelerator.device_class_name;
    slices::driver_of(stores.classes.get(&Name::new("", name)).as_deref(), name)
}

fn own_pods(stores: &Stores, owner: &Name) -> Vec<Pod> {
    let mut pods: Vec<Pod> = stores.pods.owned_by(owner).iter().map(|pod| pod.as_ref().clone()).collect();
    // An evicted pod stays as a record for long, and runs nothing.
    pods.retain(|pod| !ended(pod));
    pods
}

fn document<T: DeserializeOwned>(map: Option<&Value>, key: &str) -> Option<T> {
    serde_json::from_str(map?.get("data")?.get(key)?.as_str()?).ok()
}

/// Which objects read the generated password, so that a change of one is noticed: UID and generation of Redis and the gateway.
pub(crate) fn readers(live: &Live, cluster: &str) -> String {
    let of = |kind, name: String| {
        let meta = &live.get(kind, &name).unwrap_or(&Value::Null)["metadata"];
        format!("{} {};", meta["uid"], meta["generation"])
    };
    of(Kind::StatefulSet, child::memory(cluster)) + &of(Kind::Deployment, child::gateway(cluster))
}

/// Secrets and claims that the spec names, and the generated password.
fn wanted(cluster: &CherokeeCluster) -> BTreeSet<Object> {
    let spec = &cluster.spec;
    let keys = spec.gateway.auth.secret_ref.as_ref().filter(|_| spec.gateway.auth.mode == AuthMode::ApiKey);
    let keys = keys.map(|secret| (Use::ApiKeys, &secret.name, None));
    let connection = spec.muscle_memory.connection_secret_ref.as_ref();
    let connection = connection.map(|secret| (Use::Connection, &secret.name, Some("url")));
    let tokens = spec.models.iter().filter_map(|model| model.credentials_secret_ref.as_ref());
    let tokens = tokens.map(|secret| (Use::Model, &secret.name, Some("token")));
    let secrets = keys.into_iter().chain(connection).chain(tokens);
    let secrets = secrets.map(|(part, name, key)| Object::Secret { part, name: name.clone(), key });
    let claims = spec.models.iter().filter_map(|m| children::claim(&m.uri));
    let claims = claims.map(|(claim, _)| Object::Claim(claim.to_owned()));
    let managed = spec.muscle_memory.mode == MemoryMode::Managed;
    let password = managed.then(|| Object::Password(child::memory_password(&cluster.name_any())));
    secrets.chain(claims).chain(password).collect()
}

fn password(cluster: &CherokeeCluster, found: &BTreeMap<Object, Found>) -> Result<Password, Error> {
    let secret = child::memory_password(&cluster.name_any());
    match found.get(&Object::Password(secret.clone())) {
        None => Ok(Password::default()),
        Some(Found::Password(secret)) => Ok(Password { secret: secret.clone(), stored: true }),
        Some(Found::Unusable) => Err(Error::Password { secret }),
        Some(Found::Absent | Found::There | Found::Lacks(_)) => Ok(Password {
            secret: format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple()),
            stored: false,
        }),
    }
}
