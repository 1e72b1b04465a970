//! Which devices a group may take, and if there is none, why.
//!
//! Nodes and devices are narrowed step by step; the step after which nothing is left gives the reason.

mod words;

use crate::{
    Mib,
    fleet::{Access, DeviceId, Fleet, Holder, Node},
    group::Group,
    intent::{ClusterId, DeviceChoice, Intent, Placement},
    outcome::Code,
    slot::CPU,
};
use std::collections::{BTreeMap, BTreeSet};

/// A device with what decides about it.
pub(crate) struct Place<'a> {
    pub(crate) id: DeviceId,
    /// Position among the node's devices; none once it is withdrawn.
    pub(crate) index: Option<usize>,
    pub(crate) node: &'a Node,
    pub(crate) product: &'a str,
    /// Memory to count on: under the device plugin the kubelet picks, so the smallest of the node's.
    pub(crate) memory: Mib,
    pub(crate) holder: &'a Holder,
}

impl Place<'_> {
    /// How a pod gets the device. On a node whose GPUs are published twice, what runs stays as it was placed.
    pub(crate) fn access(&self) -> Access {
        match self.node.access {
            Access::Twice if self.id.ordinal().is_some() => Access::DevicePlugin,
            Access::Twice => Access::Dra,
            access => access,
        }
    }
}

/// All devices in the order of node name and index.
pub(crate) fn inventory(fleet: &Fleet) -> Vec<Place<'_>> {
    let mut places = Vec::new();
    for (name, node) in &fleet.nodes {
        let smallest = devices(node).map(|(_, d)| d.memory).min().unwrap_or_default();
        let offered = devices(node).map(|(index, device)| (Some(index), device));
        places.extend(offered.chain(node.withdrawn.iter().map(|device| (None, device))).map(|(index, device)| Place {
            id: DeviceId { node: name.clone(), uuid: device.uuid.clone() },
            index,
            node,
            product: &device.product,
            memory: if node.access == Access::DevicePlugin { smallest } else { device.memory },
            holder: &device.holder,
        }));
    }
    places
}

/// Devices of a node that compute: the stand-in of CPU mode is none.
fn devices(node: &Node) -> impl Iterator<Item = (usize, &crate::fleet::Device)> {
    node.devices.iter().enumerate().filter(|(_, d)| d.uuid != CPU)
}

/// Devices that a group may take, best first, or why there is none.
pub(crate) struct Choice {
    /// Positions in the inventory: smallest memory first, then node name and index.
    pub(crate) places: Vec<usize>,
    /// Why `places` is empty: a word, and a sentence without its subject, "needs …".
    pub(crate) none: Option<(Code, String)>,
}

/// What a choice is made from.
pub(crate) struct Scene<'a> {
    pub(crate) intent: &'a Intent,
    pub(crate) fleet: &'a Fleet,
    pub(crate) places: Vec<Place<'a>>,
    pub(crate) groups: Vec<Group<'a>>,
}

impl<'a> Scene<'a> {
    /// Devices that group `number` may take.
    pub(crate) fn choose(&self, number: usize) -> Choice {
        match self.narrow(number) {
            Ok(mut places) => {
                places.sort_by_key(|p| (self.places[*p].memory, *p));
                Choice { places, none: None }
            }
            Err(none) => Choice { places: Vec::new(), none: Some(none) },
        }
    }

    fn narrow(&self, number: usize) -> Result<Vec<usize>, (Code, String)> {
        let group = &self.groups[number];
        let matching = self.matching_nodes(group);
        if matching.is_empty() {
            return Err(words::no_matching_node(group));
        }
        let usable: BTreeSet<&str> = matching.iter().filter(|(_, n)| n.usable).map(|(name, _)| *name).collect();
        if usable.is_empty() {
            return Err(words::node_not_usable(group, matching.len()));
        }
        let on_nodes = self.keep(0..self.places.len(), |p| {
            p.index.is_some() && usable.contains(p.id.node.as_str()) && p.node.access != Access::None
        });
        if on_nodes.is_empty() {
            return Err(words::no_gpu(group));
        }
        // What runs on a node whose GPUs came to be published twice keeps its device.
        let once = self.keep(on_nodes, |p| p.node.access != Access::Twice || self.has_hold(group, p));
        if once.is_empty() {
            return Err(words::published_twice(group));
        }
        let choosable = self.choosable(group, &once);
        if choosable.is_empty() {
            return Err(words::not_choosable(group));
        }
        let chosen = self.keep(choosable, |p| group.roles.iter().all(|m| self.is_chosen(group, &m.role.placement, p)));
        if chosen.is_empty() {
            return Err(words::not_there(group, &once.iter().map(|p| &self.places[*p]).collect::<Vec<_>>()));
        }
        self.fitting_and_free(group, chosen)
    }

    /// Of devices that a group may name, those with the memory that nobody else holds.
    fn fitting_and_free(&self, group: &Group<'_>, chosen: Vec<usize>) -> Result<Vec<usize>, (Code, String)> {
        let largest = chosen.iter().map(|p| self.places[*p].memory).max().unwrap_or_default();
        let fitting = self.keep(chosen, |p| p.memory >= group.largest().total);
        if fitting.is_empty() {
            return Err(words::too_small(group, largest));
        }
        let holders: BTreeSet<bool> =
            fitting.iter().map(|p| matches!(self.places[*p].holder, Holder::Foreign)).collect();
        let (count, first) = (fitting.len(), fitting[0]);
        let free = self.keep(fitting, |p| !self.is_held_by_others(p));
        if free.is_empty() {
            return Err(words::taken(group, &self.places[first], count, &holders));
        }
        Ok(free)
    }

    /// A withdrawn device on which the group runs: the worker there answers, and a move would end it.
    pub(crate) fn runs_on(&self, number: usize) -> Option<usize> {
        let group = &self.groups[number];
        let matching = self.matching_nodes(group);
        let places = self.keep(0..self.places.len(), |p| {
            p.index.is_none()
                && matching.contains_key(p.id.node.as_str())
                && group.roles.iter().all(|m| self.is_chosen(group, &m.role.placement, p))
                && self.serves(group, p)
        });
        places.first().copied()
    }

    /// Devices of nodes that can't be used now, on which the group already sits: what may still run there is left alone
    /// while there is no other place.
    pub(crate) fn last_resort(&self, number: usize) -> Option<usize> {
        let group = &self.groups[number];
        let matching = self.matching_nodes(group);
        let places = self.keep(0..self.places.len(), |p| {
            p.index.is_some()
                && !p.node.usable
                && (!matches!(p.node.access, Access::None | Access::Twice) || self.has_hold(group, p))
                && matching.contains_key(p.id.node.as_str())
                && group.roles.iter().all(|m| self.is_chosen(group, &m.role.placement, p))
                && p.memory >= group.largest().total
                && !self.is_held_by_others(p)
                && self.holds(group, p)
        });
        places.first().copied()
    }

    fn keep(&self, places: impl IntoIterator<Item = usize>, rule: impl Fn(&Place<'a>) -> bool) -> Vec<usize> {
        places.into_iter().filter(|p| rule(&self.places[*p])).collect()
    }

    fn matching_nodes(&self, group: &Group<'_>) -> BTreeMap<&'a str, &'a Node> {
        let fits = |name: &str, node: &Node| group.roles.iter().all(|m| node_matches(&m.role.placement, name, node));
        self.fleet
            .nodes
            .iter()
            .filter(|(name, node)| fits(name, node))
            .map(|(name, node)| (name.as_str(), node))
            .collect()
    }

    /// Of devices in the order of the inventory, those of nodes on which the group may name what it names. Each node is looked at
    /// once, so that the cost grows with the devices and not with their square.
    fn choosable(&self, group: &Group<'_>, places: &[usize]) -> Vec<usize> {
        let nodes = places.chunk_by(|a, b| self.places[*a].id.node == self.places[*b].id.node);
        nodes.filter(|here| self.may_choose(group, &self.places[here[0]])).flatten().copied().collect()
    }

    /// Under the device plugin the kubelet picks: a device may be named only where this cluster takes all of the node, and a
    /// product only where all are alike. Says the same of each device of a node.
    fn may_choose(&self, group: &Group<'_>, place: &Place<'_>) -> bool {
        if place.node.access != Access::DevicePlugin {
            return true;
        }
        let node = &place.id.node;
        let here: Vec<&Place<'_>> = self.on_node(node).iter().filter(|p| p.index.is_some()).collect();
        group.roles.iter().all(|m| match &m.role.placement.device {
            None => true,
            Some(DeviceChoice::Product(_)) => here.iter().all(|p| p.product == place.product),
            Some(DeviceChoice::Index(_) | DeviceChoice::Uuid(_)) => {
                let pinned =
                    self.groups.iter().filter(|g| g.roles.iter().any(|m| m.role.placement.node.as_ref() == Some(node)));
                pinned.count() >= here.len() && !here.iter().any(|p| self.is_held_by_others(p))
            }
        })
    }

    /// The devices of a node, which stand together in the inventory.
    fn on_node(&self, node: &str) -> &[Place<'a>] {
        let from = self.places.partition_point(|p| p.id.node.as_str() < node);
        let until = self.places.partition_point(|p| p.id.node.as_str() <= node);
        &self.places[from..until]
    }

    fn is_chosen(&self, group: &Group<'_>, placement: &Placement, place: &Place<'_>) -> bool {
        match &placement.device {
            None => true,
            Some(DeviceChoice::Uuid(uuid)) => *uuid == place.id.uuid,
            // What was withdrawn has neither product nor index any more.
            Some(_) if place.index.is_none() => self.serves(group, place),
            Some(DeviceChoice::Product(product)) => product == place.product,
            Some(DeviceChoice::Index(index)) => {
                let index = usize::try_from(*index).unwrap_or(usize::MAX);
                // A device of a lower index that vanished moves the others up: who sits on one of them stays.
                let vanished = place.node.devices.len() <= index && self.serves(group, place);
                place.index == Some(index) || vanished
            }
        }
    }

    /// Whether somebody who is not this cluster holds it.
    fn is_held_by_others(&self, place: &Place<'_>) -> bool {
        match place.holder {
            Holder::Free => false,
            Holder::Foreign => true,
            Holder::Slots { cluster, .. } => !is_same(cluster, &self.intent.cluster),
        }
    }

    /// Whether a live slot on the device may be the group's: its name is that of one of the group's processes there.
    pub(crate) fn holds(&self, group: &Group<'_>, place: &Place<'_>) -> bool {
        let Holder::Slots { cluster, slots } = place.holder else { return self.serves(group, place) };
        let name = &self.intent.cluster.name;
        is_same(cluster, &self.intent.cluster) && group.parts.iter().any(|p| slots.contains(&p.slot(name, &place.id)))
    }

    /// Whether this cluster holds the device for one of the group's processes.
    fn has_hold(&self, group: &Group<'_>, place: &Place<'_>) -> bool {
        matches!(place.holder, Holder::Slots { .. }) && self.holds(group, place)
    }

    /// Whether the live layout says that a role of the group sits on the device.
    pub(crate) fn serves(&self, group: &Group<'_>, place: &Place<'_>) -> bool {
        let name = &self.intent.cluster.name;
        !self.is_held_by_others(place)
            && group.roles.iter().any(|m| {
                let slots = self.intent.serving.get(m.name);
                slots.is_some_and(|s| s.contains(&group.parts[m.part].slot(name, &place.id)))
            })
    }

    /// Why a group that has candidates got none of them: other roles of this cluster sit there.
    pub(crate) fn all_in_use(&self, group: &Group<'_>, candidates: &[usize], by: &[&str]) -> (Code, String) {
        let first = &self.places[candidates[0]];
        // Fewer devices than indexes named on the node: one that was there has gone, or never was.
        let named = self.indexes_named(&first.id.node);
        let there = self.on_node(&first.id.node).iter().filter(|p| p.index.is_some()).count();
        let by_index = group.roles.iter().any(|m| matches!(m.role.placement.device, Some(DeviceChoice::Index(_))));
        if by_index && named > there {
            return words::fewer_than_named(group, &first.id.node, there, by);
        }
        words::in_use(group, candidates.len(), by)
    }

    fn indexes_named(&self, node: &str) -> usize {
        let indexes: BTreeSet<u32> = self
            .groups
            .iter()
            .flat_map(|g| &g.roles)
            .filter(|m| m.role.placement.node.as_deref() == Some(node))
            .filter_map(|m| match m.role.placement.device {
                Some(DeviceChoice::Index(index)) => Some(index),
                _ => None,
            })
            .collect();
        indexes.len()
    }
}

/// Whether a node is one that a placement names.
fn node_matches(placement: &Placement, name: &str, node: &Node) -> bool {
    placement.node.as_deref().is_none_or(|n| n == name)
        && placement.node_selector.iter().all(|(key, value)| node.labels.get(key) == Some(value))
}

/// The node of a process in CPU mode; empty: any.
pub(crate) fn cpu_node(scene: &Scene<'_>, group: &Group<'_>) -> Result<String, (Code, String)> {
    let anywhere = |p: &Placement| p.node.is_none() && p.node_selector.is_empty();
    if group.roles.iter().all(|m| anywhere(&m.role.placement)) {
        return Ok(String::new());
    }
    let matching = scene.matching_nodes(group);
    if matching.is_empty() {
        return Err(words::no_matching_node(group));
    }
    let holds = |node: &str| {
        let id = DeviceId { node: node.to_owned(), uuid: CPU.into() };
        let name = group.parts.first().map(|p| p.slot(&scene.intent.cluster.name, &id));
        group
            .roles
            .iter()
            .any(|m| scene.intent.serving.get(m.name).is_some_and(|s| name.as_ref().is_some_and(|n| s.contains(n))))
    };
    let usable: Vec<&str> = matching.iter().filter(|(_, n)| n.usable).map(|(name, _)| *name).collect();
    match usable.iter().find(|n| holds(n)).or(usable.first()) {
        Some(node) => Ok((*node).to_owned()),
        None => Err(words::node_not_usable(group, matching.len())),
    }
}

fn is_same(a: &ClusterId, b: &ClusterId) -> bool {
    (&a.uid, &a.namespace, &a.name) == (&b.uid, &b.namespace, &b.name)
}
