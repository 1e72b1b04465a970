//! Whom a change concerns: a pure function of the change and of what each cluster's last pass used.

use crate::name::Name;
use std::collections::{BTreeMap, BTreeSet};

/// What changed, as far as it matters to passes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// A CherokeeCluster.
    Cluster(Name),
    /// A child, a pod or a claim of a CherokeeCluster.
    Own(Name),
    /// Devices of these nodes, or who uses them. Without resources: whatever pods ask for there.
    Devices {
        /// Where.
        nodes: BTreeSet<String>,
        /// Extended resources or drivers.
        resources: BTreeSet<String>,
    },
    /// A device is held no more by this CherokeeCluster.
    Released(Name),
    /// A DeviceClass, by name.
    Class(String),
}

/// What a cluster's last pass used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Uses {
    /// Nodes of its slots.
    pub(crate) nodes: BTreeSet<String>,
    /// Some role waits for a device.
    pub(crate) waits: bool,
    /// Extended resource and driver by which it gets devices.
    pub(crate) resources: BTreeSet<String>,
    /// Its DeviceClass.
    pub(crate) class: String,
}

/// What each cluster that this operator looks after uses. None: a pass that runs, or failed, has not told yet, so that
/// whatever happens to devices may concern it.
#[derive(Debug, Default)]
pub(crate) struct Index(BTreeMap<Name, Option<Uses>>);

impl Index {
    pub(crate) fn insert(&mut self, name: Name, uses: Option<Uses>) {
        self.0.insert(name, uses);
    }

    pub(crate) fn remove(&mut self, name: &Name) {
        self.0.remove(name);
    }

    /// Whether the cluster is known.
    pub(crate) fn has(&self, name: &Name) -> bool {
        self.0.contains_key(name)
    }

    /// The clusters that a change concerns.
    pub(crate) fn concerned(&self, change: &Change) -> Vec<Name> {
        let of = |concerns: &dyn Fn(&Uses) -> bool| {
            let all = self.0.iter().filter(|(_, uses)| uses.as_ref().is_none_or(concerns));
            all.map(|(name, _)| name.clone()).collect()
        };
        match change {
            Change::Cluster(name) => vec![name.clone()],
            Change::Own(name) if self.has(name) => vec![name.clone()],
            // What is left of a cluster that is gone, or that another operator looks after, may have been all that kept a device.
            Change::Own(_) => of(&|uses| uses.waits),
            Change::Devices { nodes, resources } => of(&|uses| {
                let used = resources.is_empty() || !uses.resources.is_disjoint(resources);
                used && (uses.waits || !uses.nodes.is_disjoint(nodes))
            }),
            // Who waits may take it; whose it was makes its hold anew if it still uses the device.
            Change::Released(holder) => {
                let mut woken: Vec<Name> = of(&|uses| uses.waits);
                woken.extend(self.0.get_key_value(holder).map(|(name, _)| name.clone()).filter(|n| !woken.contains(n)));
                woken
            }
            Change::Class(class) => of(&|uses| uses.class == *class),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GPU: &str = "nvidia.com/gpu";

    fn name(of: &str) -> Name {
        Name::new("ns", of)
    }
    fn set(of: &[&str]) -> BTreeSet<String> {
        of.iter().map(|s| (*s).to_owned()).collect()
    }
    /// `a` has a slot on node `red`, `b` on `blue`, `waits` has none and wants one, `other` uses another resource on `red`.
    fn index() -> Index {
        let mut index = Index::default();
        let uses = |nodes: &[&str], waits, resource: &str| {
            Some(Uses { nodes: set(nodes), waits, resources: set(&[resource]), class: resource.to_owned() })
        };
        index.insert(name("a"), uses(&["red"], false, GPU));
        index.insert(name("b"), uses(&["blue"], false, GPU));
        index.insert(name("waits"), uses(&[], true, GPU));
        index.insert(name("other"), uses(&["red"], false, "example.com/npu"));
        index
    }
    fn woken(change: Change) -> Vec<String> {
        index().concerned(&change).into_iter().map(|name| name.name).collect()
    }
    fn devices(nodes: &[&str], resources: &[&str]) -> Change {
        Change::Devices { nodes: set(nodes), resources: set(resources) }
    }

    #[test]
    fn what_is_a_clusters_own_wakes_its_owner_alone_and_who_waits_where_there_is_no_owner() {
        assert_eq!(woken(Change::Own(name("a"))), ["a"]);
        assert_eq!(woken(Change::Own(name("gone"))), ["waits"]);
        assert_eq!(woken(Change::Own(Name::new("elsewhere", "a"))), ["waits"]);
        assert_eq!(woken(Change::Cluster(name("new"))), ["new"]);
    }

    #[test]
    fn devices_wake_who_sits_on_their_node_and_who_waits() {
        assert_eq!(woken(devices(&["red"], &[GPU])), ["a", "waits"]);
        assert_eq!(woken(devices(&["green"], &[GPU])), ["waits"]);
        // A node may concern whoever is there, whatever he uses.
        assert_eq!(woken(devices(&["red"], &[])), ["a", "other", "waits"]);
    }

    #[test]
    fn a_resource_that_no_cluster_uses_wakes_nobody() {
        assert!(woken(devices(&["red", "blue"], &["example.com/nic"])).is_empty());
    }

    #[test]
    fn a_device_that_is_given_up_wakes_who_waits() {
        assert_eq!(woken(Change::Released(name("gone"))), ["waits"]);
        assert_eq!(woken(Change::Released(name("a"))), ["waits", "a"], "its own may use the device yet");
        assert_eq!(woken(Change::Class("example.com/npu".into())), ["other"]);
    }

    #[test]
    fn during_its_pass_whatever_happens_to_devices_concerns_a_cluster() {
        let mut index = index();
        index.insert(name("b"), None);
        let names = index.concerned(&Change::Released(name("gone"))).into_iter().map(|name| name.name);
        assert_eq!(names.collect::<Vec<_>>(), ["b", "waits"]);
    }
}
