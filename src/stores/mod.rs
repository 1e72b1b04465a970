//! What the API server's watches deliver, in memory: one watch a kind for the whole operator, and for children one a kind
//! and namespace where the operator looks after some namespaces only. A pass reads here. Secrets and claims on volumes are
//! never listed: [`named`] gets them by name.

mod changes;
mod clusters;
mod follow;
pub(crate) mod named;
mod project;
mod store;

pub use clusters::{Known, cluster_id};
pub(crate) use project::{Packed, Seen, ended};
pub(crate) use store::{Kept, State, Store};

use crate::{
    children::Kind,
    error::Error,
    name::Name,
    wakes::{Change, Wakes},
};
use cherokee_api::{
    CherokeeCluster, GpuHold,
    names::{self, label},
};
use follow::follow;
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{Node, Pod},
    resource::v1::{DeviceClass, ResourceClaim, ResourceSlice},
};
use kube::{
    Api, Client, Resource,
    api::{DynamicObject, TypeMeta},
    core::ApiResource,
    runtime::watcher,
};
use named::Named;
use prometheus_client::metrics::counter::Counter;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Debug,
    sync::Arc,
};
use store::Turn;
use tokio::task::JoinSet;

/// Children of one kind, by the namespace that is watched; none: all.
type Children = BTreeMap<(Kind, Option<String>), Arc<Store<Packed>>>;

/// All stores of one operator.
pub(crate) struct Stores {
    /// CherokeeClusters of all namespaces.
    pub(crate) clusters: Arc<Store<Seen>>,
    /// All nodes.
    pub(crate) nodes: Arc<Store<Node>>,
    /// All ResourceSlices.
    pub(crate) slices: Arc<Store<ResourceSlice>>,
    /// All classes of devices.
    pub(crate) classes: Arc<Store<DeviceClass>>,
    /// All ResourceClaims.
    pub(crate) claims: Arc<Store<ResourceClaim>>,
    /// Pods of CherokeeClusters, and those that use devices.
    pub(crate) pods: Arc<Store<Pod>>,
    /// Slot Deployments of all namespaces.
    pub(crate) slots: Arc<Store<Deployment>>,
    /// All holds of devices.
    pub(crate) holds: Arc<Store<GpuHold>>,
    children: Children,
    /// What is got by name.
    pub(crate) named: Named,
    wakes: Arc<Wakes>,
}

impl Stores {
    /// Empty stores for an operator of these namespaces; none: all.
    pub(crate) fn new(namespaces: &[String], wakes: Arc<Wakes>, reads: Counter) -> Arc<Self> {
        let scopes: Vec<Option<String>> = match namespaces {
            [] => vec![None],
            some => some.iter().cloned().map(Some).collect(),
        };
        let children = Kind::ALL.into_iter().flat_map(|kind| scopes.iter().map(move |scope| (kind, scope.clone())));
        Arc::new(Self {
            clusters: Arc::default(),
            nodes: Arc::default(),
            slices: Arc::default(),
            classes: Arc::default(),
            claims: Arc::default(),
            pods: Arc::default(),
            slots: Arc::default(),
            holds: Arc::default(),
            children: children.map(|key| (key, Arc::default())).collect(),
            named: Named::new(reads),
            wakes,
        })
    }

    /// Starts all watches; they end with the set.
    pub(crate) fn watch(self: &Arc<Self>, client: &Client) -> JoinSet<()> {
        let mut set = JoinSet::new();
        let all = watcher::Config::default;
        let pools = self.slices.clone();
        let nodes = move |pool: &str| {
            let slices = pools.all();
            let published = slices.iter().filter(|slice| slice.spec.pool.name == pool);
            published.flat_map(|slice| changes::nodes_of(slice)).collect::<BTreeSet<_>>()
        };
        let slots = all().labels(label::SLOT);
        self.one(
            &mut set,
            Api::<DynamicObject>::all_with(client.clone(), &ApiResource::erase::<CherokeeCluster>(&())),
            all(),
            &self.clusters,
            |c| Some(project::cluster(c)),
            changes::cluster,
        );
        self.one(
            &mut set,
            Api::<Node>::all(client.clone()),
            all(),
            &self.nodes,
            |n| Some(project::node(n)),
            changes::node,
        );
        self.one(&mut set, Api::<ResourceSlice>::all(client.clone()), all(), &self.slices, Some, changes::slice);
        self.one(&mut set, Api::<DeviceClass>::all(client.clone()), all(), &self.classes, Some, changes::class);
        self.one(
            &mut set,
            Api::<ResourceClaim>::all(client.clone()),
            all(),
            &self.claims,
            |c| Some(project::claim(c)),
            move |turn| changes::claim(turn, &nodes),
        );
        self.one(&mut set, Api::<Pod>::all(client.clone()), all(), &self.pods, project::pod, changes::pod);
        self.one(
            &mut set,
            Api::<Deployment>::all(client.clone()),
            slots,
            &self.slots,
            |s| Some(project::slot(s)),
            |_| None,
        );
        self.one(&mut set, Api::<GpuHold>::all(client.clone()), all(), &self.holds, Some, changes::hold);
        for ((kind, scope), store) in &self.children {
            let (resource, types) = (kind.resource(), types(*kind));
            let api: Api<DynamicObject> = match scope {
                Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
                None => Api::all_with(client.clone(), &resource),
            };
            let ours = all().labels(&format!("{}={}", label::MANAGED_BY, names::MANAGED_BY));
            self.one(&mut set, api, ours, store, move |c| Some(Packed::of(c, types.clone())), changes::own);
        }
        set
    }

    fn one<K, T>(
        &self,
        set: &mut JoinSet<()>,
        api: Api<K>,
        config: watcher::Config,
        store: &Arc<Store<T>>,
        keep: impl Fn(K) -> Option<T> + Send + 'static,
        means: impl Fn(&Turn<T>) -> Option<Change> + Send + 'static,
    ) where
        K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
        T: Kept,
    {
        let wakes = self.wakes.clone();
        let told = move |turn: &Turn<T>| {
            if let Some(change) = means(turn) {
                wakes.change(&change);
            }
        };
        set.spawn(follow(api, config, store.clone(), keep, told));
    }

    /// Waits until every store has listed its kind, or knows that there is none. A namespace whose children may not be
    /// listed keeps nobody waiting: its own clusters are told so.
    pub(crate) async fn listed(&self) {
        const KNOWN: [State; 2] = [State::Listed, State::Absent];
        self.clusters.settled(&KNOWN[..1]).await;
        self.nodes.settled(&KNOWN[..1]).await;
        self.slices.settled(&KNOWN).await;
        self.classes.settled(&KNOWN).await;
        self.claims.settled(&KNOWN).await;
        self.pods.settled(&KNOWN[..1]).await;
        self.slots.settled(&KNOWN[..1]).await;
        self.holds.settled(&KNOWN).await;
        for ((_, scope), store) in &self.children {
            let settled = [State::Listed, State::Absent, State::Refused];
            store.settled(&settled[..if scope.is_some() { 3 } else { 2 }]).await;
        }
    }

    /// The children of one cluster.
    pub(crate) fn children(&self, owner: &Name) -> Result<Vec<(Kind, String, Value)>, Error> {
        let mut found = Vec::new();
        for kind in Kind::ALL {
            let store =
                self.of_kind(kind, &owner.namespace).filter(|s| [State::Listed, State::Absent].contains(&s.state()));
            // A cluster older than DRA has no claim templates, and no devices that need them.
            let Some(store) = store else { return Err(Error::Unlisted { kind, namespace: owner.namespace.clone() }) };
            let children = store.owned_by(owner).into_iter();
            found.extend(children.map(|child| (kind, child.meta().name.clone().unwrap_or_default(), child.value())));
        }
        Ok(found)
    }

    fn of_kind(&self, kind: Kind, namespace: &str) -> Option<&Arc<Store<Packed>>> {
        self.children.get(&(kind, Some(namespace.to_owned()))).or_else(|| self.children.get(&(kind, None)))
    }

    /// Notes a child that we wrote, as the API server answered.
    pub(crate) fn wrote(&self, kind: Kind, namespace: &str, body: &Value) {
        if let (Some(store), Ok(object)) = (self.of_kind(kind, namespace), serde_json::from_value(body.clone())) {
            store.wrote(Packed::of(object, types(kind)));
        }
        let slot = body.pointer("/metadata/labels").is_some_and(|labels| labels.get(label::SLOT).is_some());
        if let (Kind::Deployment, true, Ok(slot)) = (kind, slot, serde_json::from_value(body.clone())) {
            self.slots.wrote(project::slot(slot));
        }
    }

    /// Notes a child that we deleted.
    pub(crate) fn deleted(&self, kind: Kind, name: &Name, uid: &str) {
        if let Some(store) = self.of_kind(kind, &name.namespace) {
            store.deleted(name, uid);
        }
        if kind == Kind::Deployment && self.slots.get(name).is_some() {
            self.slots.deleted(name, uid);
        }
    }

    /// Notes a CherokeeCluster whose status we stored, as the API server answered.
    pub(crate) fn stored(&self, cluster: DynamicObject) {
        self.clusters.wrote(project::cluster(cluster));
    }

    /// Notes a hold that we deleted. The watch will not tell what we know: others may wait for the device.
    pub(crate) fn gave_up(&self, hold: &GpuHold) {
        let name = Name::of(&hold.metadata);
        let uid = hold.metadata.uid.as_deref().unwrap_or_default();
        if let Some(change) = self.holds.deleted(&name, uid).as_ref().and_then(changes::hold) {
            self.wakes.change(&change);
        }
    }
}

fn types(kind: Kind) -> TypeMeta {
    let resource = kind.resource();
    TypeMeta { api_version: resource.api_version, kind: resource.kind }
}
