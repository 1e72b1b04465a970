//! The status from the facts: pure, and the same bytes for the same facts.

use super::{
    Facts, bounds,
    conditions::{self, Verdict},
    slots::{self, Seen},
};
use crate::{holds::PLAN_VERSION, time};
use cherokee_api::{
    CherokeeClusterStatus,
    names::{child, condition, reason},
    status::{Advice, MemoryStatus, RoleState, RoleStatus, Transition},
};
use chrono::{DateTime, TimeDelta, Utc};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use std::collections::{BTreeMap, BTreeSet};

/// What is to be stored, and until when it stays the same if only time goes on.
pub(crate) fn status(facts: &Facts<'_>) -> (CherokeeClusterStatus, Option<DateTime<Utc>>) {
    let seen = slots::all(facts);
    let parts = conditions::parts(facts, &seen);
    let overall = conditions::overall(&parts);
    let mut verdicts = vec![overall.clone(), conditions::available(facts, &seen, &parts)];
    verdicts.extend(parts);
    verdicts.extend(conditions::while_true(facts, &overall));
    let generation = facts.cluster.metadata.generation.unwrap_or(0);
    let status = CherokeeClusterStatus {
        observed_generation: generation,
        plan_version: Some(PLAN_VERSION),
        strategy: Some(facts.strategy),
        auto: facts.auto.cloned(),
        conditions: stamp(verdicts, facts.cluster.status.as_ref(), generation, facts.now),
        roles_summary: Some(roles_summary(facts, &seen)),
        gpus_summary: (!facts.intent.cpu_only).then(|| gpus_summary(facts)),
        next: facts.plan.next.as_ref().map(|next| in_words(facts, &next.role, next.to, next.at)),
        next_transition: facts.plan.next.as_ref().map(|next| Transition {
            time: time::to_k8s(next.at),
            role: next.role.clone(),
            to: next.to,
        }),
        slots: slots::status(facts, &seen),
        roles: roles(facts),
        advice: advice(facts),
        muscle_memory: facts.memory.map(|m| MemoryStatus {
            hit_percent: m.hit_percent.unwrap_or(0).into(),
            entries: i64::try_from(m.entries).unwrap_or(i64::MAX),
        }),
        url: Some(format!("http://{}.{}.svc/v1", child::gateway(&facts.name), facts.namespace)),
    };
    (bounds::bounded(status), seen.values().filter_map(|s| s.until).min())
}

/// A status that keeps what it said of what runs, and says that the spec or the cluster stands in the way.
pub(crate) fn stopped(
    old: Option<&CherokeeClusterStatus>,
    generation: i64,
    verdicts: Vec<Verdict>,
    now: DateTime<Utc>,
) -> CherokeeClusterStatus {
    let mut status = old.cloned().unwrap_or_default();
    let replaced: BTreeSet<&str> = verdicts.iter().map(|v| v.kind).collect();
    let passing = [condition::RECONCILING, condition::STALLED];
    let kept = status
        .conditions
        .iter()
        .filter(|c| !replaced.contains(c.type_.as_str()) && !passing.contains(&c.type_.as_str()));
    let mut conditions = stamp(verdicts, old, generation, now);
    conditions.extend(kept.cloned());
    status.conditions = conditions;
    status.observed_generation = generation;
    bounds::bounded(status)
}

/// Gives verdicts their times: a condition's time changes only with its status word.
fn stamp(
    verdicts: Vec<Verdict>,
    old: Option<&CherokeeClusterStatus>,
    generation: i64,
    now: DateTime<Utc>,
) -> Vec<Condition> {
    let before: BTreeMap<&str, &Condition> =
        old.into_iter().flat_map(|s| &s.conditions).map(|c| (c.type_.as_str(), c)).collect();
    verdicts
        .into_iter()
        .map(|v| {
            let word = word(&v);
            let kept = before.get(v.kind).filter(|c| c.status == word).map(|c| c.last_transition_time.clone());
            Condition {
                type_: v.kind.to_owned(),
                status: word.to_owned(),
                reason: v.reason.to_owned(),
                message: v.message,
                observed_generation: Some(generation),
                last_transition_time: kept.unwrap_or_else(|| time::to_k8s(now)),
            }
        })
        .collect()
}

fn word(verdict: &Verdict) -> &'static str {
    match (verdict.good, verdict.reason) {
        (false, reason::SUSPENDED | reason::HOLDS_MISSING) => "Unknown",
        (true, _) => "True",
        (false, _) => "False",
    }
}

/// What was ignored, then what the planner advises.
fn advice(facts: &Facts<'_>) -> Vec<Advice> {
    let ignored = facts.notes.iter().map(|note| Advice { code: reason::IGNORED.to_owned(), message: note.clone() });
    let unowned = facts.unowned.iter().map(|object| Advice {
        code: reason::UNOWNED.to_owned(),
        message: format!("{object} has the labels of this cluster, no owner, and no place in it: delete it"),
    });
    let foreign = facts.foreign.iter().map(|(object, field)| Advice {
        code: reason::FOREIGN_FIELDS.to_owned(),
        message: format!(
            "{object}: `{}` was set by `{}` and is left: remove it if it is not wanted",
            field.path, field.manager
        ),
    });
    ignored
        .chain(unowned)
        .chain(foreign)
        .chain(facts.plan.advice.iter().map(|a| Advice { code: a.code.clone(), message: a.message.clone() }))
        .collect()
}

fn roles(facts: &Facts<'_>) -> Vec<RoleStatus> {
    let outcomes = facts.roles.iter().filter_map(|role| Some((role, facts.plan.roles.get(&role.name)?)));
    outcomes
        .map(|(role, outcome)| RoleStatus {
            name: role.name.clone(),
            state: outcome.state,
            until: outcome.until.map(time::to_k8s),
            slots: outcome.slots.iter().cloned().collect(),
            code: outcome.waits.as_ref().map(|w| w.code.word().to_owned()),
            message: outcome.waits.as_ref().map(|w| w.message.clone()),
        })
        .collect()
}

/// Roles that are as they should be, of all: one that sleeps by its calendar is.
fn roles_summary(facts: &Facts<'_>, seen: &BTreeMap<String, Seen>) -> String {
    let fine = facts.plan.roles.values().filter(|outcome| match outcome.state {
        RoleState::Awake => outcome.slots.iter().any(|s| seen.get(s).is_some_and(Seen::serves)),
        RoleState::Draining | RoleState::Asleep => outcome.waits.is_none(),
        RoleState::Waiting => false,
    });
    format!("{}/{}", fine.count(), facts.plan.roles.len())
}

/// GPUs that slots hold, of those they want.
fn gpus_summary(facts: &Facts<'_>) -> String {
    let held: BTreeSet<_> = facts.plan.slots.values().map(|slot| &slot.device).collect();
    let waiting = facts.plan.roles.values().filter(|outcome| outcome.waits.is_some()).count();
    format!("{}/{}", held.len(), held.len() + waiting)
}

/// `conscious sleeps 22:00`, in the cluster's zone; with the weekday where it is not within a day.
fn in_words(facts: &Facts<'_>, role: &str, to: RoleState, at: DateTime<Utc>) -> String {
    let verb = match to {
        RoleState::Awake => "wakes",
        RoleState::Draining => "drains",
        RoleState::Asleep => "sleeps",
        RoleState::Waiting => "waits",
    };
    let local = facts.intent.time_zone.local(at);
    let format = if at - facts.now < TimeDelta::hours(20) { "%H:%M" } else { "%a %H:%M" };
    format!("{role} {verb} {}", local.format(format))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(good: bool, reason: &'static str) -> Verdict {
        Verdict { kind: condition::READY, good, reason, message: String::new(), terminal: false }
    }
    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(second, 0).unwrap()
    }

    #[test]
    fn a_conditions_time_changes_only_with_its_status() {
        let first = stopped(None, 1, vec![verdict(false, "A")], at(10));
        let same = stopped(Some(&first), 1, vec![verdict(false, "B")], at(20));
        assert_eq!(same.conditions[0].last_transition_time, first.conditions[0].last_transition_time);
        assert_eq!(same.conditions[0].reason, "B");
        let turned = stopped(Some(&same), 1, vec![verdict(true, "C")], at(30));
        assert_eq!(turned.conditions[0].last_transition_time, time::to_k8s(at(30)));
    }

    #[test]
    fn a_spec_that_is_refused_keeps_what_was_said_of_what_runs() {
        let mut old = stopped(None, 1, vec![verdict(true, "Ready")], at(10));
        old.roles_summary = Some("3/3".into());
        let accepted = Verdict { kind: condition::ACCEPTED, ..verdict(false, reason::INVALID_SPEC) };
        let status = stopped(Some(&old), 2, vec![accepted], at(20));
        assert_eq!(
            (status.roles_summary.as_deref(), status.observed_generation, status.conditions.len()),
            (Some("3/3"), 2, 2)
        );
    }
}
