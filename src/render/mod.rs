//! From the plan to Kubernetes objects: pure, one file a part. Names come from the cluster and the slot, never from a role.

mod accounts;
mod autonomic;
mod child;
mod claim;
mod gateway;
mod layout;
mod memory;
mod model;
mod network;
mod pod;
mod slot;
#[cfg(test)]
mod tests;

pub use crate::children::Password;
pub(crate) use child::hash;
pub use child::{Child, Component, Kind};
pub(crate) use memory::secret as password_secret;
pub(crate) use slot::start_seconds;

use crate::args::Settings;
use cherokee_api::{CherokeeCluster, memory::MemoryMode, role::Role};
use cherokee_plan::{Fleet, Intent, Plan, Slot};
use child::Frame;
use std::collections::{BTreeMap, BTreeSet};

/// What the children are made from.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    /// The resource.
    pub cluster: &'a CherokeeCluster,
    /// Images and the like.
    pub settings: &'a Settings,
    /// Its roles, those of the strategy included, in the order in which status shows them.
    pub roles: &'a [Role],
    /// What it wants, in units.
    pub intent: &'a Intent,
    /// Who sits where.
    pub plan: &'a Plan,
    /// Slots of the plan that stay as they are, children and all.
    pub held: &'a BTreeSet<String>,
    /// The nodes, for what is simulated.
    pub fleet: &'a Fleet,
    /// The password of the managed Redis.
    pub password: &'a Password,
    /// When each slot was last turned on or off; slots turned in this pass carry its time.
    pub since: &'a BTreeMap<String, String>,
}

impl<'a> Scene<'a> {
    /// The slots whose children are made anew.
    fn changing(&self) -> impl Iterator<Item = (&'a String, &'a Slot)> + use<'a> {
        let held = self.held;
        self.plan.slots.iter().filter(move |(name, _)| !held.contains(*name))
    }
}

/// All children that a cluster is to have, in groups that are applied in this order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Desired {
    /// Created if absent and never changed after: others write them.
    pub created: Vec<Child>,
    /// ServiceAccounts and what they may do.
    pub accounts: Vec<Child>,
    /// ConfigMaps.
    pub config: Vec<Child>,
    /// Services and NetworkPolicies.
    pub network: Vec<Child>,
    /// The managed Redis.
    pub memory: Vec<Child>,
    /// Gateway and autonomic daemon.
    pub front: Vec<Child>,
    /// Claim templates of slots.
    pub claims: Vec<Child>,
    /// Deployments of slots, the least urgent first: that is the order in which running ones are changed.
    pub workers: Vec<Child>,
    /// The password, if it is not stored yet.
    pub password: Option<Password>,
    /// Slots whose children are not among these and stay.
    pub held: BTreeSet<String>,
}

impl Desired {
    /// Kind and name of every child.
    pub fn names(&self) -> BTreeSet<(Kind, &str)> {
        // Without `..`: a group that is added and forgotten here would be deleted as an orphan.
        let Self { created, accounts, config, network, memory, front, claims, workers, password: _, held: _ } = self;
        [created, accounts, config, network, memory, front, claims, workers]
            .into_iter()
            .flatten()
            .map(|child| (child.kind, child.name.as_str()))
            .collect()
    }
}

/// Makes the children of a plan.
pub fn render(scene: &Scene<'_>) -> Result<Desired, serde_json::Error> {
    let frame = Frame::new(scene.cluster, scene.settings);
    let managed = scene.cluster.spec.muscle_memory.mode == MemoryMode::Managed;
    let remembers = scene.cluster.spec.muscle_memory.mode != MemoryMode::Disabled;

    let mut accounts = accounts::worker(&frame);
    accounts.extend(accounts::gateway(&frame));
    let mut config = vec![layout::config_map(&frame, scene)?];
    let mut network = vec![gateway::service(&frame), network::workers(&frame)];
    let mut front = gateway::deployment(&frame, scene);
    let mut stateful = Vec::new();
    if managed {
        config.push(memory::config(&frame));
        network.extend([memory::service(&frame), network::memory(&frame)]);
        stateful.push(memory::stateful_set(&frame, scene));
    }
    if remembers {
        accounts.extend(accounts::autonomic(&frame));
        front.push(autonomic::deployment(&frame, scene));
    }
    network.extend(scene.changing().map(|(name, _)| network::slot_service(&frame, name)));
    Ok(Desired {
        created: vec![layout::hints(&frame)],
        accounts,
        config,
        network,
        memory: stateful,
        front,
        claims: scene.changing().filter_map(|(name, slot)| claim::template(&frame, name, slot)).collect(),
        workers: slot::deployments(&frame, scene),
        password: (managed && !scene.password.stored).then(|| scene.password.clone()),
        held: scene.held.clone(),
    })
}
