//! A model that changes gives all of its slots new names. Here the running slots are changed one after another, so that
//! somebody answers throughout and a model that does not start takes down one slot only. Pure.

use crate::{
    children::Kind,
    observe::live::{Live, ready, ready_of_newest, replicas},
};
use cherokee_plan::{Fleet, Holder, Intent, Plan, Slot};
use cherokee_wire::layout::Layout;
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

/// Gives each new slot but one the name of its predecessor: the running slot of the same models on the same device, which
/// stays as it is. Returns the plan and the predecessors that stay. All stay while a new slot is not ready.
pub(crate) fn stage(
    mut plan: Plan,
    intent: &Intent,
    fleet: &Fleet,
    live: &Live,
    layout: Option<&Layout>,
) -> (Plan, BTreeSet<String>) {
    let Some(layout) = layout else { return (plan, BTreeSet::new()) };
    let mut pairs: Vec<(String, String)> = plan
        .slots
        .iter()
        .filter(|(name, slot)| slot.on && live.get(Kind::Deployment, name).is_none())
        .filter_map(|(name, slot)| Some((name.clone(), predecessor(&plan, slot, fleet, live, layout)?)))
        .collect();
    // The least urgent first, as with any other change.
    pairs.sort_by_cached_key(|(name, _)| (Reverse(plan.slots[name].most_urgent(intent)), name.clone()));
    let models: BTreeSet<&String> = pairs.iter().flat_map(|(name, _)| &plan.slots[name].models).collect();
    let proves_itself = |(name, slot): (&String, &Slot)| {
        let usable = fleet.nodes.get(&slot.device.node).is_some_and(|node| node.usable);
        let coming = live.get(Kind::Deployment, name).is_some_and(|d| replicas(d) > 0 && ready_of_newest(d) == 0);
        coming && usable && slot.on && slot.models.iter().any(|model| models.contains(model))
    };
    let changed_now = usize::from(!plan.slots.iter().any(proves_itself));
    let held: BTreeMap<String, String> = pairs.into_iter().skip(changed_now).collect();
    for (new, old) in &held {
        if let Some(slot) = plan.slots.remove(new) {
            plan.slots.insert(old.clone(), slot);
        }
        for outcome in plan.roles.values_mut() {
            if outcome.slots.remove(new) {
                outcome.slots.insert(old.clone());
            }
        }
    }
    (plan, held.into_values().collect())
}

/// A slot of the device's hold that runs the same models and has left the plan.
fn predecessor(plan: &Plan, slot: &Slot, fleet: &Fleet, live: &Live, layout: &Layout) -> Option<String> {
    let node = fleet.nodes.get(&slot.device.node)?;
    let device = node.devices.iter().chain(&node.withdrawn).find(|device| device.uuid == slot.device.uuid)?;
    let Holder::Slots { slots, .. } = &device.holder else { return None };
    let is = |name: &&String| {
        let runs = live.get(Kind::Deployment, name).is_some_and(|body| replicas(body) > 0 && ready(body) > 0);
        let same_models = layout.slots.get(*name).is_some_and(|old| old.models.iter().eq(&slot.models));
        runs && same_models && !plan.slots.contains_key(*name)
    };
    slots.iter().find(is).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use cherokee_plan::{Access, Device, DeviceId, Layer, Memory, Node, RoleOutcome, RoleState};
    use cherokee_wire::layout;
    use serde_json::json;

    const ROLES: [(&str, Layer); 2] = [("talk", Layer::Conscious), ("backup", Layer::Backup)];

    fn device(index: usize) -> DeviceId {
        DeviceId { node: "redfin".into(), uuid: format!("GPU-{index}") }
    }

    /// `talk` on the slot `<revision>-0`, `backup` on `<revision>-1`.
    fn planned(revision: &str) -> Plan {
        let mut plan = Plan::default();
        for (index, (role, _)) in ROLES.iter().enumerate() {
            let name = format!("{revision}-{index}");
            let slot = Slot {
                device: device(index),
                access: Access::Dra,
                models: BTreeSet::from(["owl".to_owned()]),
                roles: BTreeSet::from([(*role).to_owned()]),
                max_sequences: 1,
                memory: Memory::default(),
                on: true,
            };
            plan.slots.insert(name.clone(), slot);
            let outcome =
                RoleOutcome { state: RoleState::Awake, until: None, slots: BTreeSet::from([name]), waits: None };
            plan.roles.insert((*role).to_owned(), outcome);
        }
        plan
    }

    fn intent() -> Intent {
        let roles = ROLES.iter().map(|(name, layer)| {
            json!({"name": name, "layer": format!("{layer:?}"), "model": "owl", "routing": {"default": *name == "talk"}})
        });
        let cluster = serde_json::from_value(json!({
            "apiVersion": "cherokee.ai/v1alpha1", "kind": "CherokeeCluster", "metadata": {"name": "c", "namespace": "n"},
            "spec": {"models": [{"name": "owl", "uri": "pvc://m/owl.gguf", "parameters": "1B"}], "roles": roles.collect::<Vec<_>>()}}))
        .unwrap();
        let now = "2026-11-24T12:00:00Z".parse().unwrap();
        crate::intent::understand(&cluster, &cherokee_wire::hints::Hints::default(), &fleet(), now).unwrap().intent
    }

    /// Both devices, held by the slots of the model as it was and as it is to be.
    fn fleet() -> Fleet {
        let held = |index: usize| Device {
            uuid: device(index).uuid,
            product: String::new(),
            memory: cherokee_plan::Mib(16303),
            holder: Holder::Slots {
                cluster: cherokee_plan::ClusterId::default(),
                slots: vec![format!("new-{index}"), format!("old-{index}")],
            },
        };
        let node = Node { usable: true, access: Access::Dra, devices: vec![held(0), held(1)], ..Node::default() };
        Fleet { nodes: [("redfin".to_owned(), node)].into() }
    }

    /// The layout of a plan, and its Deployments with so many ready pods.
    fn running(of: &[(&str, usize, i32)]) -> (Live, Layout) {
        let mut live = Live::default();
        let mut layout = Layout::default();
        for (name, index, ready) in of {
            let device = device(*index);
            let body = json!({"spec": {"replicas": 1}, "status": {"readyReplicas": ready, "updatedReplicas": ready}});
            live.insert(Kind::Deployment, name, body);
            let slot = layout::Slot {
                node: device.node,
                device: device.uuid,
                models: vec!["owl".into()],
                on: true,
                superseded: false,
            };
            layout.slots.insert((*name).to_owned(), slot);
        }
        (live, layout)
    }

    fn names(plan: &Plan) -> Vec<&str> {
        plan.slots.keys().map(String::as_str).collect()
    }

    fn staged(of: &[(&str, usize, i32)]) -> (Plan, BTreeSet<String>) {
        let (live, layout) = running(of);
        stage(planned("new"), &intent(), &fleet(), &live, Some(&layout))
    }

    #[test]
    fn of_two_running_slots_the_less_urgent_is_changed_first() {
        let (plan, held) = staged(&[("old-0", 0, 1), ("old-1", 1, 1)]);
        assert_eq!(names(&plan), ["new-1", "old-0"]);
        assert_eq!(held, BTreeSet::from(["old-0".to_owned()]));
        assert_eq!(plan.roles["talk"].slots, held);
        assert_eq!(plan.slots["old-0"].roles, BTreeSet::from(["talk".to_owned()]));
    }

    #[test]
    fn the_next_one_follows_when_the_first_is_ready_and_never_if_it_does_not_start() {
        let (plan, held) = staged(&[("old-0", 0, 1), ("new-1", 1, 0)]);
        assert_eq!((names(&plan), held.len()), (vec!["new-1", "old-0"], 1));
        let (plan, held) = staged(&[("old-0", 0, 1), ("new-1", 1, 1)]);
        assert_eq!((names(&plan), held.len()), (vec!["new-0", "new-1"], 0));
    }

    #[test]
    fn what_does_not_run_is_changed_at_once() {
        let (plan, held) = staged(&[("old-0", 0, 0), ("old-1", 1, 1)]);
        // One has no answers to lose, and the other is the one that is changed now.
        assert_eq!((names(&plan), held.len()), (vec!["new-0", "new-1"], 0));
        assert_eq!(names(&stage(planned("new"), &intent(), &fleet(), &Live::default(), None).0), ["new-0", "new-1"]);
    }

    #[test]
    fn a_settled_plan_stays_as_it_is() {
        let (live, layout) = running(&[("new-0", 0, 1), ("new-1", 1, 1)]);
        let (plan, held) = stage(planned("new"), &intent(), &fleet(), &live, Some(&layout));
        assert_eq!((plan, held), (planned("new"), BTreeSet::new()));
    }
}
