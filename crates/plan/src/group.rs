//! Which roles share a device, and in how many processes.
//!
//! Roles joined by `shareWith` form a group, and a group has one device. Inside it roles of one model are one process (a
//! [`Part`]), roles of different models take turns. Two roles that are awake at the same time by their windows do not fit
//! one group: the one of lower priority waits.

use crate::{
    Mib,
    calendar::{Calendar, Calendars},
    fleet::DeviceId,
    intent::{Intent, Memory, Model, Role},
    outcome::{Code, Waits},
    sizing, slot_name,
};
use std::collections::BTreeMap;

/// Roles that have one device together.
pub(crate) struct Group<'a> {
    /// By priority, highest first.
    pub(crate) roles: Vec<Member<'a>>,
    /// Processes, of which one runs at a time.
    pub(crate) parts: Vec<Part<'a>>,
}

/// A role of a group.
pub(crate) struct Member<'a> {
    pub(crate) name: &'a str,
    pub(crate) role: &'a Role,
    pub(crate) calendar: &'a Calendar,
    /// Position of its process in [`Group::parts`].
    pub(crate) part: usize,
}

/// A process that has no device yet.
pub(crate) struct Part<'a> {
    pub(crate) model: (&'a str, &'a Model),
    pub(crate) max_sequences: u32,
    pub(crate) memory: Memory,
}

impl Part<'_> {
    /// Name of its slot on `device`.
    pub(crate) fn slot(&self, cluster: &str, device: &DeviceId) -> String {
        slot_name(cluster, device, &[(self.model.0, self.model.1.revision.as_str())])
    }
}

impl Group<'_> {
    /// Memory that the device must have: parts take turns, so the largest counts.
    pub(crate) fn largest(&self) -> Memory {
        self.parts.iter().map(|p| p.memory).max_by_key(|m| m.total).unwrap_or_default()
    }

    /// How precisely the place is told; the more precise chooses first.
    pub(crate) fn rank(&self) -> u8 {
        let rank = |role: &Role| {
            let p = &role.placement;
            match (&p.device, &p.node) {
                (Some(_), _) => 0,
                (None, Some(_)) => 1,
                (None, None) if !p.node_selector.is_empty() => 2,
                (None, None) => 3,
            }
        };
        self.roles.iter().map(|m| rank(m.role)).min().unwrap_or(3)
    }

    /// Order in which groups choose: place told most precisely, then layer, then largest need, then name.
    fn key(&self) -> impl Ord + use<> {
        let first = self.roles.first();
        let layer = first.map(|m| m.role.layer);
        (self.rank(), layer, std::cmp::Reverse(self.largest().total), first.map(|m| m.name.to_owned()))
    }
}

/// Groups in the order in which they choose, and roles that fit none.
pub(crate) struct Formed<'a> {
    pub(crate) groups: Vec<Group<'a>>,
    pub(crate) waits: BTreeMap<&'a str, Waits>,
}

/// Sorts roles into groups. In CPU mode each role is a group of its own: there is no device to share.
pub(crate) fn form<'a>(intent: &'a Intent, calendars: &'a Calendars<'a>) -> Formed<'a> {
    let mut waits = BTreeMap::new();
    let mut by_label: BTreeMap<&str, Vec<(&str, &Role)>> = BTreeMap::new();
    let labels = labels(intent);
    for (name, role) in &intent.roles {
        match too_small(intent, name, role) {
            Some(why) => drop(waits.insert(name.as_str(), why)),
            None => by_label.entry(labels[name.as_str()]).or_default().push((name.as_str(), role)),
        }
    }
    let mut groups: Vec<Group<'_>> = by_label
        .into_values()
        .map(|mut roles| {
            roles.sort_by_key(|(name, role)| (role.layer, *name));
            gather(intent, calendars, &roles, &mut waits)
        })
        .collect();
    groups.sort_by_cached_key(Group::key);
    Formed { groups, waits }
}

/// Name of the group of each role: the first role that it is joined with by any chain of `shareWith`.
fn labels(intent: &Intent) -> BTreeMap<&str, &str> {
    let mut labels: BTreeMap<&str, &str> = intent.roles.keys().map(|n| (n.as_str(), n.as_str())).collect();
    if intent.cpu_only {
        return labels;
    }
    for (name, role) in &intent.roles {
        for other in &role.placement.share_with {
            let Some(&theirs) = labels.get(other.as_str()) else { continue };
            let ours = labels[name.as_str()];
            let (keep, drop) = (ours.min(theirs), ours.max(theirs));
            labels.values_mut().filter(|l| **l == drop).for_each(|l| *l = keep);
        }
    }
    labels
}

/// Why a role fits nowhere, whatever devices there are.
fn too_small(intent: &Intent, name: &str, role: &Role) -> Option<Waits> {
    let wait = |message| Some(Waits { code: Code::NotEnoughGpuMemory, message });
    let Some(model) = intent.models.get(&role.model) else {
        return wait(format!(
            "role `{name}` has the model `{}`, which `spec.models` does not list: add it",
            role.model
        ));
    };
    let memory = sizing::memory(model, role.max_sequences, role.budget);
    let need = sizing::need(&memory);
    (need > memory.total).then(|| Waits {
        code: Code::NotEnoughGpuMemory,
        message: format!(
            "role `{name}` needs {need} ({}), its `gpuMemory` is {}: raise it, or lower `maxSequences` or `contextTokens`",
            parts(&memory),
            memory.total
        ),
    })
}

/// The parts of a need in words.
pub(crate) fn parts(memory: &Memory) -> String {
    format!("weights {}, KV cache {}, reserve {}", memory.weights.0, memory.kv_cache.0, memory.reserve.0)
}

/// Takes the roles in order of priority; one that does not get on with those before it waits.
fn gather<'a>(
    intent: &'a Intent,
    calendars: &'a Calendars<'a>,
    roles: &[(&'a str, &'a Role)],
    waits: &mut BTreeMap<&'a str, Waits>,
) -> Group<'a> {
    let mut group = Group { roles: Vec::new(), parts: Vec::new() };
    for &(name, role) in roles {
        let Some(calendar) = calendars.get(name) else { continue };
        let clash = group.roles.iter().find_map(|m| clash((name, role, calendar), m));
        if let Some(why) = clash {
            waits.insert(name, why);
            continue;
        }
        let Some((key, model)) = intent.models.get_key_value(&role.model) else { continue };
        let key = key.as_str();
        let part = group.parts.iter().position(|p| p.model.0 == key).unwrap_or_else(|| {
            let memory = sizing::memory(model, role.max_sequences, role.budget);
            group.parts.push(Part { model: (key, model), max_sequences: role.max_sequences, memory });
            group.parts.len() - 1
        });
        group.roles.push(Member { name, role, calendar, part });
        let together: Vec<&Role> = group.roles.iter().filter(|m| m.part == part).map(|m| m.role).collect();
        let (max_sequences, memory) = together_in_one(model, &together);
        group.parts[part] = Part { model: (key, model), max_sequences, memory };
    }
    group
}

/// Sequences and memory of a process for roles of which one is awake at a time. A role without a budget asks for what
/// sizing says.
fn together_in_one(model: &Model, roles: &[&Role]) -> (u32, Memory) {
    let max_sequences = roles.iter().map(|r| r.max_sequences).max().unwrap_or(1);
    let asked = roles.iter().map(|r| sizing::memory(model, r.max_sequences, r.budget).total).max();
    let budget = asked.filter(|_| roles.iter().any(|r| r.budget.is_some()));
    let least = sizing::memory(model, max_sequences, None).total;
    (max_sequences, sizing::memory(model, max_sequences, budget.map(|b: Mib| b.max(least))))
}

/// Why two roles joined by `shareWith` can't have one device.
fn clash((name, role, calendar): (&str, &Role, &Calendar), member: &Member<'_>) -> Option<Waits> {
    let (other, theirs) = (member.name, member.role);
    if role.placement.apart_from.contains(other) || theirs.placement.apart_from.contains(name) {
        return Some(Waits {
            code: Code::NotEnoughGpus,
            message: format!(
                "role `{name}` must be apart from `{other}` and shares its GPU by `shareWith`: remove one of the two"
            ),
        });
    }
    calendar.meets(member.calendar).then(|| Waits {
        code: Code::SharedAwake,
        message: format!(
            "role `{name}` shares a GPU with `{other}` and is awake at the same time, which a later version serves: change \
             their windows so that they never meet, or drop `shareWith`"
        ),
    })
}
