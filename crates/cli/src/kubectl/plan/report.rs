//! A plan as people and programs read it.

use crate::kubectl::{
    caret::one_line,
    printer::{Table, columns},
};
use cherokee_api::{Strategy, role::Role};
use cherokee_operator::time;
use cherokee_plan::{Advice, Fleet, Intent, Memory, Plan, RoleState, Zone};
use chrono::{DateTime, Utc};
use serde::Serialize;

/// What would be placed where.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    cluster: String,
    strategy: &'static str,
    /// The moment that the plan is for, RFC 3339.
    at: String,
    time_zone: String,
    roles: Vec<Line>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<Next>,
    /// Up to when nothing changes by the calendar, RFC 3339; absent: for ever.
    #[serde(skip_serializing_if = "Option::is_none")]
    valid_until: Option<String>,
    advice: Vec<Advice>,
    #[serde(skip)]
    zone: Zone,
    #[serde(skip)]
    now: DateTime<Utc>,
}

/// One role.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    name: String,
    layer: String,
    model: String,
    state: String,
    /// When the state changes by the calendar, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<String>,
    slots: Vec<Place>,
    #[serde(skip_serializing_if = "Option::is_none")]
    waits: Option<Waits>,
    #[serde(skip)]
    end: Option<DateTime<Utc>>,
}

/// A slot that serves a role.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Place {
    name: String,
    node: String,
    device: String,
    /// Position of the device on its node.
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<usize>,
    /// Whether it wants its replica now.
    on: bool,
    memory: Sizes,
}

/// Device memory, in MiB.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "machines read the unit from the key")]
struct Sizes {
    weights_mib: u64,
    kv_cache_mib: u64,
    reserve_mib: u64,
    total_mib: u64,
}

/// Why a role waits.
#[derive(Debug, Serialize)]
struct Waits {
    code: &'static str,
    message: String,
}

/// What changes next.
#[derive(Debug, Serialize)]
struct Next {
    at: String,
    role: String,
    to: String,
    #[serde(skip)]
    moment: DateTime<Utc>,
}

impl Report {
    /// Roles in the order of the spec.
    pub(crate) fn new(
        strategy: Strategy,
        roles: &[Role],
        intent: &Intent,
        fleet: &Fleet,
        plan: &Plan,
        now: DateTime<Utc>,
    ) -> Self {
        let line = |role: &Role| {
            let outcome = plan.roles.get(&role.name)?;
            Some(Line {
                name: role.name.clone(),
                layer: format!("{:?}", role.layer),
                model: role.model.clone(),
                state: word(outcome.state),
                until: outcome.until.map(time::text),
                slots: outcome.slots.iter().filter_map(|slot| place(slot, plan, fleet)).collect(),
                waits: outcome.waits.as_ref().map(|w| Waits { code: w.code.word(), message: w.message.clone() }),
                end: outcome.until,
            })
        };
        Self {
            cluster: intent.cluster.name.clone(),
            strategy: strategy.word(),
            at: time::text(now),
            time_zone: intent.time_zone.name().to_owned(),
            roles: roles.iter().filter_map(line).collect(),
            next: plan.next.as_ref().map(|next| Next {
                at: time::text(next.at),
                role: next.role.clone(),
                to: word(next.to),
                moment: next.at,
            }),
            valid_until: plan.valid_until.map(time::text),
            advice: plan.advice.clone(),
            zone: intent.time_zone.clone(),
            now,
        }
    }

    /// Whether some role has no place.
    pub(crate) fn waits(&self) -> bool {
        self.roles.iter().any(|role| role.waits.is_some())
    }

    fn clock(&self, moment: DateTime<Utc>) -> String {
        let (now, then) = (self.zone.local(self.now), self.zone.local(moment));
        let form = if now.date() == then.date() { "%H:%M" } else { "%a %H:%M" };
        then.format(form).to_string()
    }

    fn row(&self, role: &Line) -> [String; 8] {
        let each = |of: &dyn Fn(&Place) -> String| role.slots.iter().map(of).collect::<Vec<_>>().join(",");
        [
            role.name.clone(),
            role.layer.clone(),
            role.state.clone(),
            role.end.map(|end| self.clock(end)).unwrap_or_default(),
            each(&|slot| slot.node.clone()),
            each(&|slot| slot.index.map_or_else(|| slot.device.clone(), |index| format!("{index} ({})", slot.device))),
            each(&|slot| format!("{} MiB", slot.memory.total_mib)),
            each(&|slot| format!("{} {}", slot.name, if slot.on { "on" } else { "off" })),
        ]
    }
}

fn place(name: &str, plan: &Plan, fleet: &Fleet) -> Option<Place> {
    let slot = plan.slots.get(name)?;
    let devices = fleet.nodes.get(&slot.device.node).map(|node| node.devices.as_slice()).unwrap_or_default();
    let Memory { weights, kv_cache, reserve, total } = slot.memory;
    Some(Place {
        name: name.to_owned(),
        node: slot.device.node.clone(),
        device: slot.device.uuid.clone(),
        index: devices.iter().position(|device| device.uuid == slot.device.uuid),
        on: slot.on,
        memory: Sizes { weights_mib: weights.0, kv_cache_mib: kv_cache.0, reserve_mib: reserve.0, total_mib: total.0 },
    })
}

fn word(state: RoleState) -> String {
    format!("{state:?}")
}

impl Table for Report {
    fn table(&self) -> String {
        let now = format!("{} {}", self.zone.local(self.now).format("%F %H:%M"), self.zone.abbreviation(self.now));
        let mut text = format!("{}: strategy {}, at {now} ({})\n\n", self.cluster, self.strategy, self.time_zone);
        let head = ["ROLE", "LAYER", "STATE", "UNTIL", "NODE", "DEVICE", "MEMORY", "SLOT"];
        text += &columns(head, self.roles.iter().map(|role| self.row(role)));
        for role in &self.roles {
            if let Some(waits) = &role.waits {
                text += &format!("\n{} waits, {}: {}\n", role.name, waits.code, one_line(&waits.message));
            }
        }
        text += &match &self.next {
            Some(next) => format!("\nnext: {} becomes {} at {}\n", next.role, next.to, self.clock(next.moment)),
            None => "\nnext: nothing changes by the calendar\n".to_owned(),
        };
        for advice in &self.advice {
            text += &format!("advice {}: {}\n", advice.code, one_line(&advice.message));
        }
        text
    }
}
