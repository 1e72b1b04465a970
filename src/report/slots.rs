//! What each slot's process does, from its Deployment and pods: pure.

use super::{Facts, arrival, downloads};
use crate::{
    observe::{
        live::{ready, replicas},
        trouble::{self, Trouble},
    },
    render::{self, Kind},
    time,
};
use cherokee_api::{
    names::{condition, label, reason},
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
    /// Every pod of it is of the newest spec, as far as it is to have any.
    pub(crate) arrived: bool,
    /// It was turned on or off by the calendar and is not late yet.
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
    let budget = since + lead_time(facts) + BUDGET;
    let by_calendar =
        slot.roles.iter().all(|r| facts.intent.roles.get(r).is_some_and(|r| r.activation != Activation::Always));
    // A slot's first start is not judged by the window budget, nor is a spec that has not been served yet.
    let turned = live.and_then(created).is_some_and(|created| since > created) && was_ready(facts);
    let in_budget = by_calendar && turned && facts.now < budget;
    let refused = refused(facts, name);
    let pending = live.and_then(|body| arrival::pending(Kind::Deployment, name, body));
    let arrived = live.is_some() && pending.is_none() && refused.is_none();
    let starting = || pending.clone().map(|message| Trouble { reason: reason::STARTING, message, terminal: false });
    if !slot.on {
        let state = if pods.is_empty() { SlotState::Stopped } else { SlotState::Stopping };
        let until = (!arrived && budget > facts.now).then_some(budget);
        return Seen { state, trouble: refused.or_else(starting), arrived, in_budget, until };
    }
    if serving {
        let said = || trouble::worst(pods.iter().copied(), facts.now).filter(|_| !arrived);
        let trouble = refused.or_else(said).or_else(starting);
        return Seen { state: SlotState::Serving, trouble, arrived, in_budget: false, until: None };
    }
    // A worker that died is as new as one that was turned on.
    let away = trouble::down_since(pods.iter().copied()).map_or(since, |away| away.max(since));
    let has_pods = !pods.is_empty();
    let said = trouble::worst(pods, facts.now);
    // On a lost node pods say what they said last, and the scheduler only that it finds no other place.
    let lost = || lost(facts, name, slot).filter(|_| said.as_ref().is_none_or(|t| t.reason == reason::UNSCHEDULABLE));
    let podless = || live.and_then(trouble::of_deployment);
    let trouble = refused.or_else(lost).or(said).or_else(podless);
    let late = away + TimeDelta::seconds(render::start_seconds(facts.cluster, slot).into());
    let trouble = trouble.or_else(|| (has_pods && facts.now >= late).then(|| timed_out(name, late - away)));
    let terminal = trouble.as_ref().is_some_and(|t| t.terminal);
    let until = [budget, late].into_iter().filter(|edge| *edge > facts.now).min();
    Seen {
        state: if terminal { SlotState::Failed } else { SlotState::Starting },
        in_budget: in_budget && !terminal,
        trouble,
        arrived,
        until,
    }
}

/// Whether the status already called this generation of the spec ready. A new one has to be served once before a window's
/// edge may keep it so.
fn was_ready(facts: &Facts<'_>) -> bool {
    let Some(status) = &facts.cluster.status else { return true };
    let ready = status.conditions.iter().find(|c| c.type_ == condition::READY);
    ready.is_some_and(|c| c.status == "True" && c.observed_generation == facts.cluster.metadata.generation)
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
    let of_slot = facts.refused.iter().filter(|r| r.slot.as_deref() == Some(name));
    let worst = of_slot.max_by_key(|r| r.terminal)?;
    Some(Trouble { reason: worst.reason, message: worst.message.clone(), terminal: worst.terminal })
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
