//! One kind of object in memory: as its watch delivered it, with our own writes on top.

use crate::name::Name;
use cherokee_api::names::label;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};
use tokio::sync::watch;

/// What a store needs to know of what it keeps.
pub(crate) trait Kept: Send + Sync + 'static {
    /// With name, namespace, UID, version and labels.
    fn meta(&self) -> &ObjectMeta;
}

impl<K: Resource + Send + Sync + 'static> Kept for K {
    fn meta(&self) -> &ObjectMeta {
        Resource::meta(self)
    }
}

/// How much a store knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum State {
    /// Nothing yet.
    #[default]
    Unlisted,
    /// All objects.
    Listed,
    /// The API server does not have this kind.
    Absent,
    /// The API server does not let us list this kind.
    Refused,
}

/// One object that changed: what it was and what it is.
#[derive(Debug)]
pub(crate) struct Turn<T> {
    pub(crate) old: Option<Arc<T>>,
    pub(crate) new: Option<Arc<T>>,
}

/// All objects of one kind.
#[derive(Debug)]
pub(crate) struct Store<T> {
    inner: RwLock<Inner<T>>,
    state: watch::Sender<State>,
}

#[derive(Debug)]
struct Inner<T> {
    objects: BTreeMap<Name, Entry<T>>,
    /// Names by namespace and label [`label::CLUSTER`].
    owned: BTreeMap<Name, BTreeSet<String>>,
    /// UIDs of what we deleted, until the watch has seen the end of it, with the list at which we did.
    deleted: BTreeMap<Name, (String, u64)>,
    /// Counts lists.
    list: u64,
}

#[derive(Debug)]
struct Entry<T> {
    object: Arc<T>,
    /// The list at which it was last delivered.
    list: u64,
    /// It is our own write, at this list, and the watch has not delivered it yet.
    own: Option<u64>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum From {
    List,
    Watch,
    Own,
}

impl<T> Default for Store<T> {
    fn default() -> Self {
        let inner = Inner { objects: BTreeMap::new(), owned: BTreeMap::new(), deleted: BTreeMap::new(), list: 0 };
        Self { inner: RwLock::new(inner), state: watch::Sender::default() }
    }
}

impl<T: Kept> Store<T> {
    /// One object.
    pub(crate) fn get(&self, name: &Name) -> Option<Arc<T>> {
        self.read().objects.get(name).map(|entry| entry.object.clone())
    }

    /// All objects, by namespace and name.
    pub(crate) fn all(&self) -> Vec<Arc<T>> {
        self.read().objects.values().map(|entry| entry.object.clone()).collect()
    }

    /// Those that carry the label of the CherokeeCluster `owner`, in its namespace.
    pub(crate) fn owned_by(&self, owner: &Name) -> Vec<Arc<T>> {
        let inner = self.read();
        let names = inner.owned.get(owner).into_iter().flatten();
        names
            .filter_map(|name| inner.objects.get(&Name::new(&owner.namespace, name)))
            .map(|e| e.object.clone())
            .collect()
    }

    /// How much is known.
    pub(crate) fn state(&self) -> State {
        *self.state.borrow()
    }

    /// Waits until the state is one of these.
    pub(crate) async fn settled(&self, states: &[State]) {
        // The sender lives in `self`: this cannot fail.
        _ = self.state.subscribe().wait_for(|state| states.contains(state)).await;
    }

    /// A list begins.
    pub(super) fn begin(&self) {
        self.write().list += 1;
    }

    /// An object of the list that runs.
    pub(super) fn listed(&self, object: T) -> Option<Turn<T>> {
        self.write().put(object, From::List)
    }

    /// The watch says that an object is new or changed.
    pub(super) fn applied(&self, object: T) -> Option<Turn<T>> {
        self.write().put(object, From::Watch)
    }

    /// The watch says that an object is gone, or is none that is kept. Without a UID: whatever has that name.
    pub(super) fn gone(&self, name: &Name, uid: Option<&str>) -> Option<Turn<T>> {
        let mut inner = self.write();
        if inner.deleted.get(name).is_some_and(|(deleted, _)| Some(deleted.as_str()) == uid) {
            inner.deleted.remove(name);
        }
        inner.take(name, uid)
    }

    /// The list is complete: what it lacked was deleted unseen.
    pub(super) fn complete(&self) -> Vec<Turn<T>> {
        let mut inner = self.write();
        let list = inner.list;
        inner.deleted.retain(|_, (_, at)| *at == list);
        let stale = inner.objects.iter().filter(|(_, entry)| entry.list != list && entry.own != Some(list));
        let stale: Vec<Name> = stale.map(|(name, _)| name.clone()).collect();
        let turns = stale.iter().filter_map(|name| inner.take(name, None)).collect();
        drop(inner);
        self.state.send_replace(State::Listed);
        turns
    }

    /// The kind is absent: so are its objects.
    pub(super) fn absent(&self) -> Vec<Turn<T>> {
        let mut inner = self.write();
        let names: Vec<Name> = inner.objects.keys().cloned().collect();
        let turns = names.iter().filter_map(|name| inner.take(name, None)).collect();
        drop(inner);
        self.state.send_replace(State::Absent);
        turns
    }

    /// The API server refuses the list. What was known stays.
    pub(super) fn refused(&self) {
        self.state.send_replace(State::Refused);
    }

    // Read-your-writes: the answer to our own write goes into the store at once, and until the watch delivers that version
    // or a later one, earlier ones are dropped. Versions compare as numbers, as KEP-5504 allows; others are taken as they come.
    /// Notes what the API server answered to a write of ours.
    pub(crate) fn wrote(&self, object: T) -> Option<Turn<T>> {
        self.write().put(object, From::Own)
    }

    /// Notes that we deleted the object of this UID.
    pub(crate) fn deleted(&self, name: &Name, uid: &str) -> Option<Turn<T>> {
        let mut inner = self.write();
        let list = inner.list;
        inner.deleted.insert(name.clone(), (uid.to_owned(), list));
        inner.take(name, Some(uid))
    }

    fn read(&self) -> RwLockReadGuard<'_, Inner<T>> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Inner<T>> {
        self.inner.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Kept> Inner<T> {
    fn put(&mut self, object: T, from: From) -> Option<Turn<T>> {
        let meta = object.meta();
        let name = Name::of(meta);
        if let Some((uid, _)) = self.deleted.get(&name) {
            // With a finalizer it lives on, and says that it is being deleted.
            if meta.uid.as_ref() == Some(uid) && meta.deletion_timestamp.is_none() {
                return None;
            }
            self.deleted.remove(&name);
        }
        let list = self.list;
        if let Some(entry) = self.objects.get_mut(&name) {
            let known = entry.object.meta();
            entry.list = list;
            if known.uid == meta.uid
                && known.resource_version == meta.resource_version
                && known.resource_version.is_some()
            {
                entry.own = entry.own.filter(|_| from == From::Own);
                return None;
            }
            let guarded = match from {
                From::Own => true,
                From::Watch => entry.own.is_some(),
                // A list that began after our write has it.
                From::List => entry.own == Some(list),
            };
            if guarded && older(meta, known) {
                return None;
            }
        }
        let own = (from == From::Own).then_some(list);
        self.index(&name, object.meta().labels.as_ref().and_then(|l| l.get(label::CLUSTER)).cloned());
        let new = Arc::new(object);
        let old = self.objects.insert(name, Entry { object: new.clone(), list, own });
        Some(Turn { old: old.map(|entry| entry.object), new: Some(new) })
    }

    fn take(&mut self, name: &Name, uid: Option<&str>) -> Option<Turn<T>> {
        let known = self.objects.get(name)?.object.meta().uid.as_deref();
        if uid.is_some() && known.is_some() && uid != known {
            return None;
        }
        self.index(name, None);
        let old = self.objects.remove(name)?;
        Some(Turn { old: Some(old.object), new: None })
    }

    /// Notes the cluster of an object before it is replaced.
    fn index(&mut self, name: &Name, cluster: Option<String>) {
        let old = self.objects.get(name).and_then(|e| e.object.meta().labels.as_ref()?.get(label::CLUSTER).cloned());
        if old == cluster && old.is_some() {
            return;
        }
        if let Some(old) = old {
            let owner = Name::new(&name.namespace, &old);
            let left = self.owned.get_mut(&owner);
            if left.is_some_and(|names| names.remove(&name.name) && names.is_empty()) {
                self.owned.remove(&owner);
            }
        }
        if let Some(cluster) = cluster {
            self.owned.entry(Name::new(&name.namespace, &cluster)).or_default().insert(name.name.clone());
        }
    }
}

fn older(meta: &ObjectMeta, than: &ObjectMeta) -> bool {
    let number = |meta: &ObjectMeta| meta.resource_version.as_ref().and_then(|v| v.parse::<u64>().ok());
    matches!((number(meta), number(than)), (Some(one), Some(other)) if one < other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::ConfigMap;
    use serde_json::json;

    fn object(name: &str, version: u32, uid: &str) -> ConfigMap {
        let labels = json!({label::CLUSTER: "c"});
        let meta = json!({"namespace": "n", "name": name, "uid": uid, "resourceVersion": version.to_string(), "labels": labels});
        serde_json::from_value(json!({"metadata": meta})).unwrap()
    }
    fn versions(store: &Store<ConfigMap>) -> Vec<String> {
        store.all().iter().map(|o| o.metadata.resource_version.clone().unwrap()).collect()
    }
    fn names(objects: Vec<Arc<ConfigMap>>) -> Vec<String> {
        objects.iter().map(|o| o.metadata.name.clone().unwrap()).collect()
    }
    fn listed(of: &[&str]) -> Store<ConfigMap> {
        let store = Store::default();
        store.begin();
        for name in of {
            store.listed(object(name, 10, "u"));
        }
        assert!(store.complete().is_empty());
        store
    }

    #[test]
    fn what_a_later_list_lacks_is_gone_and_is_told() {
        let store = listed(&["a", "b"]);
        store.begin();
        assert!(store.listed(object("b", 10, "u")).is_none());
        let gone = store.complete();
        let gone: Vec<_> =
            gone.into_iter().map(|t| (t.old.unwrap().metadata.name.clone().unwrap(), t.new.is_none())).collect();
        assert_eq!(gone, [("a".to_owned(), true)]);
        assert_eq!(names(store.owned_by(&Name::new("n", "c"))), ["b"]);
    }

    #[test]
    fn an_absent_kind_is_not_an_empty_one() {
        let store = listed(&["a"]);
        assert_eq!(store.state(), State::Listed);
        assert_eq!((store.absent().len(), store.state(), store.all().len()), (1, State::Absent, 0));
        store.begin();
        assert_eq!((store.complete().len(), store.state()), (0, State::Listed));
    }

    #[test]
    fn our_own_write_is_seen_at_once_and_no_older_version_comes_back() {
        let store = listed(&["a"]);
        assert!(store.wrote(object("a", 14, "u")).is_some());
        assert!(store.applied(object("a", 12, "u")).is_none());
        assert_eq!(versions(&store), ["14"]);
        // Its own echo is no news; what comes after it is.
        assert!(store.applied(object("a", 14, "u")).is_none());
        assert!(store.applied(object("a", 15, "u")).is_some());
        // An answer that arrives after the watch was further is dropped.
        assert!(store.wrote(object("a", 14, "u")).is_none());
        assert_eq!(versions(&store), ["15"]);
    }

    #[test]
    fn what_we_create_during_a_list_survives_it_and_what_we_deleted_does_not_come_back() {
        let store = listed(&["a"]);
        store.begin();
        store.wrote(object("new", 20, "v"));
        assert!(store.deleted(&Name::new("n", "a"), "u").is_some());
        assert!(store.listed(object("a", 10, "u")).is_none());
        assert!(store.complete().is_empty());
        assert!(store.applied(object("a", 11, "u")).is_none());
        assert_eq!(names(store.all()), ["new"]);
        // Another object of that name is another object.
        assert!(store.applied(object("a", 30, "w")).is_some());
        assert!(store.gone(&Name::new("n", "a"), Some("u")).is_none());
        assert_eq!(names(store.all()), ["a", "new"]);
    }

    #[test]
    fn after_a_restore_of_the_api_server_a_list_with_lower_versions_counts() {
        let store = listed(&["a"]);
        store.wrote(object("a", 40, "u"));
        store.begin();
        store.listed(object("a", 7, "u"));
        store.complete();
        assert_eq!(versions(&store), ["7"]);
    }
}
