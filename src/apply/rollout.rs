//! Which slot may be changed now: one running slot at a time, so that an update never takes all answers away.

use super::subset::contains;
use crate::{
    observe::live::{Live, condition, ready, ready_of_newest, replicas, unavailable_since},
    render::Child,
};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

/// How long a slot that went away keeps the others from being changed: as long as a start may take.
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

/// Decides for each Deployment, in the order given.
///
/// At once: what is new, what is turned on or off, what does not run, and what runs but is not ready, because a change can
/// only mend it. Of the others one a pass, and none while another one is on its way to ready.
pub(crate) fn steps(workers: &[Child], live: &Live, now: DateTime<Utc>) -> Vec<Step> {
    let mut busy = workers.iter().filter_map(|w| live.get(w.kind, &w.name)).any(|found| coming(found, now));
    workers
        .iter()
        .map(|worker| match live.get(worker.kind, &worker.name) {
            None => Step::Write,
            Some(found) if contains(found, &worker.body) => Step::Keep,
            Some(found) => {
                let turned = replicas(found) != replicas(&worker.body);
                if turned || replicas(found) == 0 || ready(found) == 0 {
                    Step::Write
                } else if busy {
                    Step::Later
                } else {
                    busy = true;
                    Step::Write
                }
            }
        })
        .collect()
}

/// Wanted, not ready yet, and still within the time in which it may be expected.
fn coming(deployment: &Value, now: DateTime<Utc>) -> bool {
    let stuck = condition(deployment, "Progressing").is_some_and(|c| c["status"] == "False");
    // One that was ready before and is not any more makes no progress that Kubernetes would give up.
    let dead = unavailable_since(deployment).is_some_and(|since| now - since > PATIENCE);
    replicas(deployment) > 0 && !stuck && !dead && ready_of_newest(deployment) == 0
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

    #[test]
    fn a_slot_that_died_long_ago_keeps_nobody_from_being_changed() {
        let mut live = seen(&[("dead", "old", 1, 0), ("b", "old", 1, 1)]);
        let mut dead = live.get(Kind::Deployment, "dead").unwrap().clone();
        dead["status"]["conditions"] =
            json!([{"type": "Available", "status": "False", "lastTransitionTime": "2026-11-24T12:00:00Z"}]);
        live.insert(Kind::Deployment, "dead", dead);
        let workers = [worker("dead", "old", 1), worker("b", "new", 1)];
        assert_eq!(steps(&workers, &live, at(19)), [Step::Keep, Step::Later]);
        assert_eq!(steps(&workers, &live, at(21)), [Step::Keep, Step::Write]);
    }
}
