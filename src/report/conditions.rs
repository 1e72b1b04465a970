//! One constructor a condition, pure. `Ready` is the worst of its parts.

use super::{
    Facts,
    arrival::{self, count},
    slots::{Seen, UNUSABLE},
};
use crate::{
    observe::{
        Missing, Use,
        live::{ready, replicas},
        trouble::{self, Trouble},
    },
    render::{Component, Kind},
};
use cherokee_api::{
    memory::MemoryMode,
    names::{child, condition, label, reason},
};
use cherokee_plan::{Code, RoleState};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use std::collections::BTreeMap;

/// One condition before it gets its times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) kind: &'static str,
    pub(crate) good: bool,
    pub(crate) reason: &'static str,
    pub(crate) message: String,
    /// It will not become good without a change by somebody.
    pub(crate) terminal: bool,
}

impl Verdict {
    fn good(kind: &'static str, reason: &'static str, message: impl Into<String>) -> Self {
        Self { kind, good: true, reason, message: message.into(), terminal: false }
    }
    fn bad(kind: &'static str, reason: &'static str, message: impl Into<String>, terminal: bool) -> Self {
        Self { kind, good: false, reason, message: message.into(), terminal }
    }
    fn troubled(kind: &'static str, trouble: &Trouble) -> Self {
        Self::bad(kind, trouble.reason, trouble.message.clone(), trouble.terminal)
    }
}

/// All conditions but `Ready`, `Available` and those that are there only while true.
pub(crate) fn parts(facts: &Facts<'_>, slots: &BTreeMap<String, Seen>) -> Vec<Verdict> {
    vec![
        Verdict::good(condition::ACCEPTED, reason::VALID, "the spec is accepted"),
        placed(facts),
        refused(facts, Component::Worker, condition::WORKERS_READY).unwrap_or_else(|| workers(facts, slots)),
        refused(facts, Component::Memory, condition::CACHE_READY).unwrap_or_else(|| cache(facts)),
        refused(facts, Component::Autonomic, condition::DAEMONS_READY).unwrap_or_else(|| daemons(facts)),
        refused(facts, Component::Gateway, condition::GATEWAY_READY).unwrap_or_else(|| gateway(facts)),
    ]
}

/// Children of a part that are not as they should be: all are named, the worst first with what was said.
fn refused(facts: &Facts<'_>, part: Component, kind: &'static str) -> Option<Verdict> {
    let of_part = || facts.refused.iter().filter(|r| r.part == part);
    let worst = of_part().find(|r| r.terminal).or_else(|| of_part().next())?;
    let others: Vec<_> = of_part().filter(|r| r.object != worst.object).map(|r| r.object.as_str()).collect();
    let mut message: String = worst.message.chars().take(TOLD).collect();
    if !others.is_empty() {
        message.push_str("; so are ");
        message.push_str(&others.join(", "));
    }
    Some(Verdict::bad(kind, worst.reason, message, worst.terminal))
}

/// Most characters of one refusal, so that the names of the other children still fit into the message.
const TOLD: usize = 600;

fn placed(facts: &Facts<'_>) -> Verdict {
    let waiting: Vec<_> =
        facts.roles.iter().filter_map(|role| facts.plan.roles.get(&role.name)?.waits.as_ref()).collect();
    match waiting.first() {
        None => Verdict::good(condition::PLACED, reason::PLACED, "every role has its device"),
        Some(waits) => {
            let more = match waiting.len() - 1 {
                0 => String::new(),
                1 => " (1 more role waits)".to_owned(),
                n => format!(" ({n} more roles wait)"),
            };
            Verdict::bad(condition::PLACED, waits.code.word(), format!("{}{more}", waits.message), true)
        }
    }
}

fn workers(facts: &Facts<'_>, slots: &BTreeMap<String, Seen>) -> Verdict {
    let kind = condition::WORKERS_READY;
    let wanted: Vec<_> = slots.iter().filter(|(name, _)| facts.plan.slots.get(*name).is_some_and(|s| s.on)).collect();
    let is_on = |name: &String| wanted.iter().any(|(on, _)| *on == name);
    let missing: Vec<_> = slots.iter().filter(|(name, seen)| !seen.arrived || is_on(name) && !seen.serves()).collect();
    if missing.is_empty()
        && let Some((slot, ahead)) = facts.later.first_key_value()
    {
        let waits = match ahead.as_ref().filter(|ahead| *ahead != slot) {
            Some(ahead) => format!("it waits until `{ahead}` is ready"),
            None => "slots are changed one after another".to_owned(),
        };
        let message = format!("`{slot}` runs as it was before the last change: {waits}");
        return Verdict::bad(kind, reason::STARTING, message, false);
    }
    if missing.is_empty() {
        let message = if wanted.is_empty() {
            "no slot is to run now".to_owned()
        } else {
            format!("{} of {} slots are ready", wanted.len(), wanted.len())
        };
        return Verdict::good(kind, reason::READY, message);
    }
    if let Some(lacks) = lacks(facts, Use::Model, kind) {
        return lacks;
    }
    let names = missing.iter().map(|(name, _)| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    if missing.iter().all(|(_, seen)| seen.in_budget) {
        return Verdict::good(kind, reason::TRANSITIONING, format!("{names} starts for its window"));
    }
    let late = missing.iter().filter(|(_, seen)| !seen.in_budget);
    match late.filter_map(|(_, seen)| seen.trouble.as_ref()).max_by_key(|t| t.terminal) {
        Some(trouble) => Verdict::troubled(kind, trouble),
        None => Verdict::bad(kind, reason::STARTING, format!("{names} not ready yet"), false),
    }
}

/// Something that the spec names for a part and that is not there.
fn lacks(facts: &Facts<'_>, part: Use, kind: &'static str) -> Option<Verdict> {
    let Missing { object, key, .. } = facts.missing.iter().find(|missing| missing.part == part)?;
    let what = match part {
        Use::ApiKeys => " with the API keys",
        Use::Connection => " with the address of the Redis",
        Use::Model => "",
    };
    let (reason, lack) = match key {
        Some(key) => (reason::SECRET_KEY_MISSING, format!("does not have {key}: add it")),
        None => (reason::REFERENCE_NOT_FOUND, "does not exist: create it".to_owned()),
    };
    Some(Verdict::bad(kind, reason, format!("{object}{what} {lack}"), true))
}

fn cache(facts: &Facts<'_>) -> Verdict {
    let kind = condition::CACHE_READY;
    match facts.cluster.spec.muscle_memory.mode {
        MemoryMode::Disabled => Verdict::good(kind, reason::DISABLED, "spec.muscleMemory.mode is Disabled"),
        MemoryMode::External => lacks(facts, Use::Connection, kind).unwrap_or_else(|| external(facts)),
        MemoryMode::Managed => part(facts, kind, Kind::StatefulSet, &child::memory(&facts.name), Component::Memory),
    }
}

/// A Redis of the user is known by the daemon alone: that is ready while it can work with it.
fn external(facts: &Facts<'_>) -> Verdict {
    let kind = condition::CACHE_READY;
    let name = child::autonomic(&facts.name);
    if facts.live.get(Kind::Deployment, &name).is_some_and(|body| ready(body) > 0) {
        return Verdict::good(kind, reason::READY, "the daemon works with the Redis of spec.muscleMemory");
    }
    let of_daemon = |p: &&Pod| p.labels().get(label::COMPONENT).is_some_and(|c| c == Component::Autonomic.word());
    let pods = || facts.pods.iter().filter(of_daemon);
    let down = trouble::down_since(pods().filter(|pod| trouble::is_running(pod)));
    if down.is_some_and(|since| facts.now - since > UNREACHABLE) {
        let message = format!(
            "the daemon runs and cannot work with the Redis of spec.muscleMemory.connectionSecretRef: correct its url, or look at that Redis (the log of Deployment `{name}` has the cause)"
        );
        return Verdict::bad(kind, reason::CACHE_UNREACHABLE, message, false);
    }
    let message = format!("not known yet: Deployment `{name}`, which asks the Redis, is not ready");
    Verdict::bad(kind, reason::STARTING, message, false)
}

/// How long a daemon may run without being ready before its Redis is said to be out of reach.
const UNREACHABLE: chrono::TimeDelta = chrono::TimeDelta::seconds(20);

fn daemons(facts: &Facts<'_>) -> Verdict {
    let kind = condition::DAEMONS_READY;
    if facts.cluster.spec.muscle_memory.mode == MemoryMode::Disabled {
        return Verdict::good(kind, reason::DISABLED, "without muscle memory there is nothing to tend");
    }
    part(facts, kind, Kind::Deployment, &child::autonomic(&facts.name), Component::Autonomic)
}

fn gateway(facts: &Facts<'_>) -> Verdict {
    let kind = condition::GATEWAY_READY;
    if let Some(lacks) = lacks(facts, Use::ApiKeys, kind) {
        return lacks;
    }
    part(facts, kind, Kind::Deployment, &child::gateway(&facts.name), Component::Gateway)
}

/// A part is ready when one of its pods is.
fn part(facts: &Facts<'_>, condition: &'static str, kind: Kind, name: &str, component: Component) -> Verdict {
    let live = facts.live.get(kind, name);
    let (ready, wanted) = live.map_or((0, 1), |body| (ready(body), replicas(body)));
    let pending = live.and_then(|body| arrival::pending(kind, name, body));
    if ready > 0 && pending.is_none() {
        return Verdict::good(condition, reason::READY, format!("{ready} of {wanted} ready"));
    }
    let pods = facts.pods.iter().filter(|p| p.labels().get(label::COMPONENT).is_some_and(|c| c == component.word()));
    let lost = || pods.clone().find_map(|pod| on_lost_node(facts, pod));
    let podless = || live.and_then(trouble::of_deployment);
    if let Some(trouble) = trouble::worst(pods.clone(), facts.now).or_else(lost).or_else(podless) {
        return Verdict::troubled(condition, &trouble);
    }
    let starting = || format!("{kind} `{name}`: {} of {wanted} is ready", count(ready));
    Verdict::bad(condition, reason::STARTING, pending.unwrap_or_else(starting), false)
}

/// On a lost node a pod says what it said last.
fn on_lost_node(facts: &Facts<'_>, pod: &Pod) -> Option<Trouble> {
    let node = pod.spec.as_ref()?.node_name.as_ref()?;
    let usable = facts.fleet.nodes.get(node).is_some_and(|n| n.usable);
    let message = format!("pod `{}` is on node `{node}`, {UNUSABLE}", pod.name_any());
    (!usable).then(|| Trouble { reason: Code::NodeNotUsable.word(), message, terminal: false })
}

/// Someone answers the default route now: the role itself, who backs it, or who takes overflow.
pub(crate) fn available(facts: &Facts<'_>, slots: &BTreeMap<String, Seen>, parts: &[Verdict]) -> Verdict {
    let kind = condition::AVAILABLE;
    let Some((default, _)) = facts.intent.roles.iter().find(|(_, role)| role.default_route) else {
        return Verdict::bad(
            kind,
            reason::NO_WORKER,
            "no role takes the default route: set spec.roles[].routing.default",
            true,
        );
    };
    let may = |role: &&cherokee_api::role::Role| {
        role.name == *default
            || role.backs.contains(default)
            || facts.intent.roles.get(&role.name).is_some_and(|r| r.overflow)
    };
    let state = |name: &str| facts.plan.roles.get(name).map(|outcome| outcome.state);
    let awake: Vec<_> = facts.roles.iter().filter(may).filter(|r| state(&r.name) == Some(RoleState::Awake)).collect();
    let serves = |name: &str| {
        facts.plan.roles.get(name).is_some_and(|o| o.slots.iter().any(|s| slots.get(s).is_some_and(Seen::serves)))
    };
    let address = format!("{} `{}`", Kind::Service, child::gateway(&facts.name));
    if let Some(refused) = facts.refused.iter().find(|r| r.object == address) {
        return Verdict::bad(kind, refused.reason, refused.message.clone(), refused.terminal);
    }
    let gateway = facts.live.get(Kind::Deployment, &child::gateway(&facts.name)).map_or(0, ready);
    if gateway == 0
        && let Some(part) = parts.iter().find(|v| v.kind == condition::GATEWAY_READY && !v.good)
    {
        return Verdict::bad(kind, part.reason, part.message.clone(), part.terminal);
    }
    if let Some(role) = awake.iter().find(|role| serves(&role.name)) {
        return Verdict::good(kind, reason::SERVING, format!("`{}` answers", role.name));
    }
    if awake.is_empty() && state(default) == Some(RoleState::Draining) {
        let message = format!("the window of `{default}` ends: it finishes its answers and takes no new queries");
        return Verdict::bad(kind, reason::ASLEEP, message, false);
    }
    if awake.is_empty() && state(default) == Some(RoleState::Asleep) {
        let until =
            facts.plan.roles.get(default).and_then(|o| o.until).map(|t| format!(" until {}", crate::time::text(t)));
        return Verdict::bad(
            kind,
            reason::ASLEEP,
            format!("by the calendar `{default}` sleeps{}", until.unwrap_or_default()),
            false,
        );
    }
    Verdict::bad(
        kind,
        reason::NO_WORKER,
        format!("`{default}` should answer, and no worker of it or of a backup is ready"),
        false,
    )
}

/// The worst of the parts: terminal before passing, then in their order. A part that is good but on its way to another
/// state shows through.
pub(crate) fn overall(parts: &[Verdict]) -> Verdict {
    let bad = parts.iter().filter(|v| !v.good);
    let worst = bad.clone().find(|v| v.terminal).or_else(|| bad.clone().next());
    match worst {
        Some(worst) => Verdict { kind: condition::READY, ..worst.clone() },
        None => match parts.iter().find(|v| v.reason == reason::TRANSITIONING) {
            Some(part) => Verdict { kind: condition::READY, ..part.clone() },
            None => Verdict::good(condition::READY, reason::READY, "all that should run runs"),
        },
    }
}

/// Conditions that are there only while true.
pub(crate) fn while_true(facts: &Facts<'_>, overall: &Verdict) -> Vec<Verdict> {
    let mut all = Vec::new();
    if !overall.good {
        let kind = if overall.terminal { condition::STALLED } else { condition::RECONCILING };
        all.push(Verdict { kind, good: true, ..overall.clone() });
    }
    let mut nodes: Vec<_> = facts.plan.slots.values().map(|slot| slot.device.node.as_str()).collect();
    nodes.dedup();
    nodes.retain(|node| facts.fleet.nodes.get(*node).is_some_and(|n| n.simulated) && !facts.intent.cpu_only);
    nodes.sort_unstable();
    nodes.dedup();
    if !nodes.is_empty() {
        let message = format!("the GPUs of {} are simulated: the CPU computes", nodes.join(", "));
        all.push(Verdict::good(condition::SIMULATED, reason::SIMULATED_GPUS, message));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_is_the_worst_of_its_parts_and_terminal_is_worse_than_starting() {
        let starting = Verdict::bad(condition::WORKERS_READY, reason::STARTING, "s", false);
        let stuck = Verdict::bad(condition::GATEWAY_READY, reason::POD_FAILING, "p", true);
        let fine = Verdict::good(condition::PLACED, reason::PLACED, "x");
        let ready = overall(&[fine.clone(), starting, stuck]);
        assert_eq!((ready.kind, ready.good, ready.reason), (condition::READY, false, reason::POD_FAILING));
        assert_eq!(overall(&[fine]).reason, reason::READY);
    }

    #[test]
    fn a_window_edge_inside_its_budget_keeps_ready_true() {
        let edge = Verdict::good(condition::WORKERS_READY, reason::TRANSITIONING, "starts");
        let ready = overall(&[Verdict::good(condition::PLACED, reason::PLACED, "x"), edge]);
        assert_eq!((ready.good, ready.reason), (true, reason::TRANSITIONING));
    }
}
