//! What each slot's process does, from its Deployment and pods: pure.

use super::{Facts, downloads};
use crate::{
    observe::{
        live::{ready, replicas, unavailable_since},
        trouble::{self, Trouble},
    },
    render::{self, Kind},
    time,
};
use cherokee_api::{
    names::{label, reason},
    status::{SlotMemory, SlotState, SlotStatus},
};
use cherokee_plan::{Code, Slot, intent::Activation};
use chrono::{DateTime, TimeDelta, Utc};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use std::{collections::BTreeMap, time::Duration};

/// Time beside leadTime that a window's worker may take before it counts as late.
const BUDGET: TimeDelta = TimeDelta::minutes(2);

/// One slot as it is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Seen {
    pub(crate) state: SlotState,
    /// Why it is not ready though it should be.
    pub(crate) trouble: Option<Trouble>,
    /// It was turned on by the calendar and is not late yet.
    pub(crate) in_budget: bool,
    /// When the judgement above changes if nothing else does.
    pub(crate) until: Option<DateTime<Utc>>,
}

impl Seen {
    /// It answers queries.
    pub(crate) fn serves(&self) -> bool {
        self.state == SlotState::Serving
    }
}

/// All slots of the plan.
pub(crate) fn all(facts: &Facts<'_>) -> BTreeMap<String, Seen> {
    facts.plan.slots.iter().map(|(name, slot)| (name.clone(), one(facts, name, slot))).collect()
}

fn one(facts: &Facts<'_>, name: &str, slot: &Slot) -> Seen {
    let live = facts.live.get(Kind::Deployment, name);
    let pods: Vec<&Pod> =
        facts.pods.iter().filter(|p| p.labels().get(label::SLOT).is_some_and(|s| s == name)).collect();
    let since = trouble::since(live.and_then(|d| d.pointer("/metadata/annotations"))).unwrap_or(facts.now);
    let serving = live.is_some_and(|d| replicas(d) > 0 && ready(d) > 0);
    if !slot.on {
        let state = if pods.is_empty() { SlotState::Stopped } else { SlotState::Stopping };
        return Seen { state, trouble: None, in_budget: false, until: None };
    }
    if serving {
        return Seen { state: SlotState::Serving, trouble: None, in_budget: false, until: None };
    }
    let said = trouble::worst(pods, facts.now);
    // On a lost node pods say what they said last, and the scheduler only that it finds no other place.
    let lost = || lost(facts, name, slot).filter(|_| said.as_ref().is_none_or(|t| t.reason == reason::UNSCHEDULABLE));
    let podless = || live.and_then(trouble::of_deployment);
    let trouble = refused(facts, name).or_else(lost).or(said).or_else(podless);
    // A worker that died is as new as one that was turned on.
    let away = live.and_then(unavailable_since).map_or(since, |away| away.max(since));
    let late = away + TimeDelta::seconds(render::start_seconds(facts.cluster, slot).into());
    let trouble = trouble.or_else(|| (facts.now >= late).then(|| timed_out(name, late - away)));
    let budget = since + lead_time(facts) + BUDGET;
    let by_calendar =
        slot.roles.iter().all(|r| facts.intent.roles.get(r).is_some_and(|r| r.activation != Activation::Always));
    // What has never run is awaited as at any first start.
    let turned = live.and_then(created).is_some_and(|created| since > created);
    let terminal = trouble.as_ref().is_some_and(|t| t.terminal);
    let until = [budget, late].into_iter().filter(|edge| *edge > facts.now).min();
    Seen {
        state: if terminal { SlotState::Failed } else { SlotState::Starting },
        in_budget: by_calendar && turned && !terminal && facts.now < budget,
        trouble,
        until,
    }
}

fn created(body: &serde_json::Value) -> Option<DateTime<Utc>> {
    time::read(body.pointer("/metadata/creationTimestamp")?.as_str()?)
}

fn lead_time(facts: &Facts<'_>) -> TimeDelta {
    TimeDelta::from_std(Duration::from(facts.cluster.spec.workers.lead_time)).unwrap_or_default()
}

fn timed_out(name: &str, after: TimeDelta) -> Trouble {
    let message = format!("slot `{name}` has not been ready for {} s: see the log of its pod", after.num_seconds());
    Trouble { reason: reason::START_TIMED_OUT, message, terminal: true }
}

/// What may be wrong with a node.
pub(crate) const UNUSABLE: &str = "which is gone, not ready, cordoned, or has a taint that workers do not tolerate";

fn lost(facts: &Facts<'_>, name: &str, slot: &Slot) -> Option<Trouble> {
    let node = &slot.device.node;
    let usable = facts.fleet.nodes.get(node).is_some_and(|n| n.usable);
    let message = format!("slot `{name}` is on node `{node}`, {UNUSABLE}");
    // In CPU mode no node may be named: the scheduler chooses.
    (!usable && !node.is_empty()).then(|| Trouble { reason: Code::NodeNotUsable.word(), message, terminal: false })
}

fn refused(facts: &Facts<'_>, name: &str) -> Option<Trouble> {
    let of_slot = |r: &&crate::apply::Refused| {
        r.name == name || (r.kind == Kind::ResourceClaimTemplate && r.name.starts_with(name))
    };
    let refused = facts.refused.iter().find(of_slot)?;
    Some(Trouble { reason: refused.reason, message: refused.message.clone(), terminal: true })
}

/// Slots as status shows them.
pub(crate) fn status(facts: &Facts<'_>, seen: &BTreeMap<String, Seen>) -> Vec<SlotStatus> {
    let shown = facts.plan.slots.iter().filter_map(|(name, slot)| Some((name, slot, seen.get(name)?)));
    shown
        .map(|(name, slot, seen)| SlotStatus {
            name: name.clone(),
            node: slot.device.node.clone(),
            device: slot.device.uuid.clone(),
            models: slot.models.iter().cloned().collect(),
            state: seen.state,
            memory: SlotMemory {
                weights: format!("{}Mi", slot.memory.weights.0),
                kv_cache: format!("{}Mi", slot.memory.kv_cache.0),
                reserve: format!("{}Mi", slot.memory.reserve.0),
                total: format!("{}Mi", slot.memory.total.0),
            },
            message: seen
                .trouble
                .as_ref()
                .map(|t| t.message.clone())
                .or_else(|| facts.downloads.get(name)?.as_ref().map(downloads::words)),
        })
        .collect()
}
