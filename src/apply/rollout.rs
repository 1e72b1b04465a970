//! Which slot may be changed now: one running slot at a time, so that an update never takes all answers away.

use super::{compare::settled, own};
use crate::{
    observe::{
        live::{Live, condition, ready, ready_of_newest, replicas},
        trouble,
    },
    render::Child,
    time,
};
use cherokee_api::names::label;
use chrono::{DateTime, TimeDelta, Utc};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use serde_json::Value;

/// How long a slot that is not ready keeps the others from being changed: as long as a start may take.
const PATIENCE: TimeDelta = TimeDelta::minutes(20);

/// What becomes of a slot's Deployment in this pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// It is as it should be.
    Keep,
    /// It is written now.
    Write,
    /// It waits until another slot, that is changing, is ready.
    Later,
}

/// What becomes of all slots' Deployments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rollout {
    /// One a Deployment, in the order given.
    pub(crate) steps: Vec<Step>,
    /// The slot for which the later ones wait.
    pub(crate) ahead: Option<String>,
}

/// Decides for each Deployment, in the order given.
///
/// At once: what is new, what is turned on or off, what does not run, and what runs but is not ready, because a change can
/// only mend it. Of the others one a pass, and none while another one is on its way to ready.
pub(crate) fn plan(workers: &[Child], live: &Live, pods: &[Pod], now: DateTime<Utc>) -> Rollout {
    let on_its_way = |worker: &&Child| live.get(worker.kind, &worker.name).is_some_and(|d| coming(d, pods, now));
    let mut ahead = workers.iter().find(on_its_way).map(|worker| worker.name.clone());
    let step = |worker: &Child| match live.get(worker.kind, &worker.name) {
        None => Step::Write,
        Some(found) if settled(worker.kind, found, &worker.body) => Step::Keep,
        Some(found) => {
            let turned = replicas(found) != replicas(&worker.body);
            if turned || replicas(found) == 0 || ready(found) == 0 {
                Step::Write
            } else if ahead.is_some() {
                Step::Later
            } else {
                ahead = Some(worker.name.clone());
                Step::Write
            }
        }
    };
    Rollout { steps: workers.iter().map(step).collect(), ahead }
}

/// Wanted, not ready yet, and able to become so soon.
///
/// A slot that ran with its template before and is down for a reason of its own says nothing about the change, so it holds
/// back nobody. One that proves a new template does until Kubernetes gives its rollout up.
fn coming(deployment: &Value, pods: &[Pod], now: DateTime<Utc>) -> bool {
    let name = deployment.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
    let mut pods = pods.iter().filter(|p| p.labels().get(label::SLOT).is_some_and(|slot| slot == name)).peekable();
    let progress = condition(deployment, "Progressing");
    let stuck = progress.is_some_and(|c| c["status"] == "False");
    let proven = progress.is_some_and(|c| c["reason"] == "NewReplicaSetAvailable");
    let since = match pods.peek() {
        Some(_) => trouble::down_since(pods.clone()),
        None => progress.and_then(|c| time::read(c["lastUpdateTime"].as_str()?)),
    };
    let hopeless = || proven && (trouble::worst(pods, now).is_some() || trouble::of_deployment(deployment).is_some());
    replicas(deployment) > 0
        && ready_of_newest(deployment) == 0
        && own::deleting(deployment).is_none()
        && !stuck
        && since.is_none_or(|since| now - since <= PATIENCE)
        && !hopeless()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::Kind;
    use serde_json::json;

    fn worker(name: &str, image: &str, replicas: i32) -> Child {
        Child {
            kind: Kind::Deployment,
            name: name.into(),
            body: json!({"spec": {"replicas": replicas, "image": image}}),
        }
    }
    fn seen(of: &[(&str, &str, i32, i32)]) -> Live {
        let mut live = Live::default();
        for (name, image, replicas, ready) in of {
            let status = json!({"readyReplicas": ready, "updatedReplicas": ready});
            live.insert(
                Kind::Deployment,
                name,
                json!({"spec": {"replicas": replicas, "image": image}, "status": status}),
            );
        }
        live
    }

    fn steps(workers: &[Child], live: &Live, now: DateTime<Utc>) -> Vec<Step> {
        plan(workers, live, &[], now).steps
    }

    fn at(minute: i64) -> DateTime<Utc> {
        "2026-11-24T12:00:00Z".parse::<DateTime<Utc>>().unwrap() + TimeDelta::minutes(minute)
    }

    #[test]
    fn of_running_slots_one_is_changed_a_pass() {
        let live = seen(&[("a", "old", 1, 1), ("b", "old", 1, 1)]);
        assert_eq!(steps(&[worker("a", "new", 1), worker("b", "new", 1)], &live, at(0)), [Step::Write, Step::Later]);
    }

    #[test]
    fn the_next_one_waits_until_the_first_is_ready() {
        let workers = [worker("a", "new", 1), worker("b", "new", 1)];
        assert_eq!(steps(&workers, &seen(&[("a", "new", 1, 0), ("b", "old", 1, 1)]), at(0)), [Step::Keep, Step::Later]);
        assert_eq!(steps(&workers, &seen(&[("a", "new", 1, 1), ("b", "old", 1, 1)]), at(0)), [Step::Keep, Step::Write]);
    }

    #[test]
    fn a_slot_that_is_broken_off_or_turned_is_changed_at_once() {
        let live = seen(&[("broken", "old", 1, 0), ("off", "old", 0, 0), ("turned", "old", 1, 1)]);
        let workers = [worker("broken", "new", 1), worker("off", "new", 0), worker("turned", "new", 0)];
        assert_eq!(steps(&workers, &live, at(0)), [Step::Write; 3]);
    }

    /// Slot `dead` runs its newest template no more; Kubernetes calls it available, for one may always be away.
    fn with_a_dead_one(reason: &str) -> (Live, Vec<Child>) {
        let mut live = seen(&[("b", "old", 1, 1)]);
        let progress = json!({"type": "Progressing", "status": "True", "reason": reason, "lastUpdateTime": "2026-11-24T12:00:00Z"});
        let dead = json!({"metadata": {"name": "dead"}, "spec": {"replicas": 1, "image": "old"},
            "status": {"conditions": [{"type": "Available", "status": "True"}, progress]}});
        live.insert(Kind::Deployment, "dead", dead);
        (live, vec![worker("dead", "old", 1), worker("b", "new", 1)])
    }

    fn pod(condition: &str, reason: &str) -> Pod {
        serde_json::from_value(json!({"metadata": {"name": "dead-x", "labels": {"cherokee.ai/slot": "dead"},
            "creationTimestamp": "2026-11-24T12:00:00Z"}, "status": {"conditions": [{"type": condition, "status": "False",
            "reason": reason, "lastTransitionTime": "2026-11-24T12:00:00Z"}]}}))
        .unwrap()
    }

    #[test]
    fn a_slot_that_ran_and_can_not_come_back_holds_back_nobody() {
        let (live, workers) = with_a_dead_one("NewReplicaSetAvailable");
        let claimless = [pod("PodScheduled", "Unschedulable")];
        assert_eq!(plan(&workers, &live, &claimless, at(1)).steps, [Step::Keep, Step::Write]);
        // One that merely starts again is awaited, and named.
        let starting = plan(&workers, &live, &[pod("Ready", "ContainersNotReady")], at(1));
        assert_eq!((starting.steps, starting.ahead.as_deref()), (vec![Step::Keep, Step::Later], Some("dead")));
    }

    #[test]
    fn a_slot_that_proves_a_change_holds_back_the_others_for_as_long_as_a_start_may_take() {
        let (live, workers) = with_a_dead_one("ReplicaSetUpdated");
        let claimless = [pod("PodScheduled", "Unschedulable")];
        assert_eq!(plan(&workers, &live, &claimless, at(19)).steps, [Step::Keep, Step::Later]);
        assert_eq!(plan(&workers, &live, &claimless, at(21)).steps, [Step::Keep, Step::Write]);
        assert_eq!(plan(&workers, &live, &[], at(21)).steps, [Step::Keep, Step::Write], "its pod is refused");
    }

    #[test]
    fn a_slot_that_is_being_deleted_holds_back_nobody() {
        let (mut live, workers) = with_a_dead_one("ReplicaSetUpdated");
        let mut dead = live.get(Kind::Deployment, "dead").unwrap().clone();
        dead["metadata"]["deletionTimestamp"] = json!("2026-11-24T12:00:00Z");
        live.insert(Kind::Deployment, "dead", dead);
        assert_eq!(steps(&workers, &live, at(1)), [Step::Keep, Step::Write]);
    }
}
