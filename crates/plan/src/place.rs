//! All steps in turn.

use crate::{
    Fleet, Holder, Intent, Plan, Slot, Transition, advice,
    assign::Assignment,
    calendar,
    choice::{self, Choice, Scene},
    fleet::{Access, DeviceId},
    group::{self, Group},
    outcome::{Code, RoleOutcome, RoleState, Waits},
    sizing,
    slot::CPU,
    timeline,
};
use chrono::{DateTime, Utc};
use std::collections::BTreeSet;

/// The first instant of the year 1, UTC.
const FIRST: DateTime<Utc> = DateTime::from_timestamp(-62_135_596_800, 0).expect("a time that chrono has");
/// The first instant of the year 9900, UTC.
const LAST: DateTime<Utc> = DateTime::from_timestamp(250_246_627_200, 0).expect("a time that chrono has");

/// Decides who of a cluster sits on which device, who is awake, who waits and why, and until when that holds.
///
/// A device has one role, or roles joined by `shareWith`, awake or asleep. What a role holds stays its own unless its
/// placement changed, the device has gone, or the memory no longer fits; a role whose place is told more precisely may make
/// another change its device, but never lose it. As many roles as possible get a device, in this order: device named, node
/// named, labels named, the rest; within these by layer, largest need and name. Each takes the smallest device that fits,
/// then the lower node name and index. Placement does not depend on `now`.
///
/// In CPU mode roles of one model on one node are one process with the sum of their sequences. Its node is the one named,
/// the usable one with the labels that the live layout names, or else the first, or, with neither, empty for any.
///
/// Before the year 1 and after the year 9900 it is the plan of that year's first instant: no rule of a time zone reaches further.
pub fn plan(intent: &Intent, fleet: &Fleet, now: DateTime<Utc>) -> Plan {
    let now = now.clamp(FIRST, LAST);
    let calendars = calendar::of(intent);
    let formed = group::form(intent, &calendars);
    let mut plan = Plan::default();
    for (role, waits) in formed.waits {
        plan.roles.insert(role.into(), waiting(waits));
    }
    let scene = Scene { intent, fleet, places: choice::inventory(fleet), groups: formed.groups };
    let choices: Vec<Choice> =
        if intent.cpu_only { Vec::new() } else { (0..scene.groups.len()).map(|g| scene.choose(g)).collect() };
    let assignment = assign(&scene, &choices);
    let mut changes = Vec::new();
    for (number, group) in scene.groups.iter().enumerate() {
        let place = if intent.cpu_only {
            choice::cpu_node(&scene, group).map(|node| (DeviceId { node, uuid: CPU.into() }, Access::None))
        } else {
            match assignment.device(number) {
                Some(device) => Ok((scene.places[device].id.clone(), scene.places[device].access())),
                None => Err(refusal(&scene, number, &choices[number], &assignment)),
            }
        };
        match place {
            Ok((device, access)) => changes.extend(settle(&mut plan, intent, group, &device, access, now)),
            Err((code, why)) => {
                for member in &group.roles {
                    let message = format!("role `{}` {why}", member.name);
                    plan.roles.insert(member.name.into(), waiting(Waits { code, message }));
                }
            }
        }
    }
    // Of several changes at once the one of the lower name is told.
    plan.next = changes.into_iter().min_by(|a, b| (a.at, &a.role).cmp(&(b.at, &b.role)));
    plan.advice = advice::give(intent, &calendars, fleet, &plan);
    plan
}

fn waiting(waits: Waits) -> RoleOutcome {
    RoleOutcome { state: RoleState::Waiting, until: None, slots: BTreeSet::new(), waits: Some(waits) }
}

/// First who sits where by the live layout, then who may by the holds, then the rest.
fn assign(scene: &Scene<'_>, choices: &[Choice]) -> Assignment {
    let edges: Vec<Vec<usize>> = choices.iter().map(|c| c.places.clone()).collect();
    let mut assignment = Assignment::new(edges.len(), scene.places.len());
    for (number, group) in scene.groups.iter().enumerate().take(edges.len()) {
        let own =
            edges[number].iter().find(|d| assignment.group(**d).is_none() && scene.serves(group, &scene.places[**d]));
        let own = own.copied().or_else(|| scene.runs_on(number).filter(|d| assignment.group(*d).is_none()));
        if let Some(device) = own {
            assignment.take(number, device);
        }
    }
    let held: Vec<Vec<usize>> = scene
        .groups
        .iter()
        .zip(&edges)
        .map(|(group, list)| list.iter().copied().filter(|d| scene.holds(group, &scene.places[*d])).collect())
        .collect();
    let mut stays: Vec<bool> = (0..edges.len()).map(|g| assignment.device(g).is_some()).collect();
    let settled = stays.clone();
    for number in 0..edges.len() {
        stays[number] = settled[number] || assignment.place(number, &held, &|other| !settled[other]);
    }
    for number in 0..edges.len() {
        let rank = scene.groups[number].rank();
        if assignment.device(number).is_none()
            && !assignment.place(number, &edges, &|other| !stays[other])
            && !assignment.place(number, &edges, &|other| !stays[other] || scene.groups[other].rank() > rank)
            && let Some(device) = scene.last_resort(number).filter(|d| assignment.group(*d).is_none())
        {
            assignment.take(number, device);
        }
    }
    assignment
}

/// Why a group has no device.
fn refusal(scene: &Scene<'_>, number: usize, choice: &Choice, assignment: &Assignment) -> (Code, String) {
    if let Some(none) = &choice.none {
        return none.clone();
    }
    let in_the_way = choice.places.iter().filter_map(|d| assignment.group(*d));
    let by: Vec<&str> = in_the_way.flat_map(|g| &scene.groups[g].roles).map(|m| m.name).collect();
    scene.all_in_use(&scene.groups[number], &choice.places, &by)
}

/// Writes down the slots and roles of a group that has a place; returns what changes next.
fn settle(
    plan: &mut Plan,
    intent: &Intent,
    group: &Group<'_>,
    device: &DeviceId,
    access: Access,
    now: DateTime<Utc>,
) -> Vec<Transition> {
    let answer = timeline::look(group, intent, now);
    let names: Vec<String> = group.parts.iter().map(|p| p.slot(&intent.cluster.name, device)).collect();
    for ((part, name), on) in group.parts.iter().zip(&names).zip(answer.on) {
        let slot = Slot {
            device: device.clone(),
            access,
            models: BTreeSet::from([part.model.0.to_owned()]),
            roles: BTreeSet::new(),
            max_sequences: part.max_sequences,
            memory: part.memory,
            on,
        };
        match plan.slots.get_mut(name) {
            // Only in CPU mode, where every role comes by itself.
            Some(same) => {
                same.max_sequences = same.max_sequences.saturating_add(part.max_sequences);
                let budget = same.memory.total + part.memory.total;
                let memory = sizing::memory(part.model.1, same.max_sequences, None);
                same.memory = sizing::memory(part.model.1, same.max_sequences, Some(budget.max(memory.total)));
                same.on |= on;
            }
            None => drop(plan.slots.insert(name.clone(), slot)),
        }
    }
    let mut changes = Vec::new();
    for (member, phase) in group.roles.iter().zip(answer.roles) {
        let name = &names[member.part];
        if let Some(slot) = plan.slots.get_mut(name) {
            slot.roles.insert(member.name.into());
        }
        let slots = BTreeSet::from([name.clone()]);
        let until = phase.next.map(|(at, _)| at);
        plan.roles.insert(member.name.into(), RoleOutcome { state: phase.state, until, slots, waits: None });
        changes.extend(phase.next.map(|(at, to)| Transition { at, role: member.name.into(), to }));
    }
    plan.valid_until = plan.valid_until.into_iter().chain(answer.until).min();
    changes
}

/// Devices that the fleet has for a cluster: neither a foreign pod nor another cluster holds them.
pub fn devices_free_for(fleet: &Fleet, cluster: &crate::ClusterId) -> usize {
    let mine = |holder: &Holder| match holder {
        Holder::Free => true,
        Holder::Foreign => false,
        Holder::Slots { cluster: owner, .. } => owner.uid == cluster.uid,
    };
    let usable = fleet.nodes.values().filter(|n| n.usable);
    usable.flat_map(|n| &n.devices).filter(|d| d.uuid != CPU && mine(&d.holder)).count()
}
