//! Which slot may be changed now: one running slot at a time, so that an update never takes all answers away.

use super::subset::contains;
use crate::{
    observe::live::{Live, ready, replicas},
    render::Child,
};
use serde_json::Value;

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
pub(crate) fn steps(workers: &[Child], live: &Live) -> Vec<Step> {
    let mut busy = workers.iter().filter_map(|w| live.get(w.kind, &w.name)).any(coming);
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

/// Wanted, not ready yet, and still within the time in which Kubernetes expects progress.
fn coming(deployment: &Value) -> bool {
    let conditions = deployment.pointer("/status/conditions").and_then(Value::as_array);
    let stuck = conditions.is_some_and(|all| all.iter().any(|c| c["type"] == "Progressing" && c["status"] == "False"));
    replicas(deployment) > 0 && !stuck && ready_of_newest(deployment) == 0
}

/// Ready replicas of the newest template: an old pod that still answers is no sign that the change has arrived.
fn ready_of_newest(deployment: &Value) -> i64 {
    let number = |path| deployment.pointer(path).and_then(Value::as_i64).unwrap_or(0);
    let seen = number("/status/observedGeneration") >= number("/metadata/generation");
    if seen { ready(deployment).min(number("/status/updatedReplicas")) } else { 0 }
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

    #[test]
    fn of_running_slots_one_is_changed_a_pass() {
        let live = seen(&[("a", "old", 1, 1), ("b", "old", 1, 1)]);
        assert_eq!(steps(&[worker("a", "new", 1), worker("b", "new", 1)], &live), [Step::Write, Step::Later]);
    }

    #[test]
    fn the_next_one_waits_until_the_first_is_ready() {
        let workers = [worker("a", "new", 1), worker("b", "new", 1)];
        assert_eq!(steps(&workers, &seen(&[("a", "new", 1, 0), ("b", "old", 1, 1)])), [Step::Keep, Step::Later]);
        assert_eq!(steps(&workers, &seen(&[("a", "new", 1, 1), ("b", "old", 1, 1)])), [Step::Keep, Step::Write]);
    }

    #[test]
    fn a_slot_that_is_broken_off_or_turned_is_changed_at_once() {
        let live = seen(&[("broken", "old", 1, 0), ("off", "old", 0, 0), ("turned", "old", 1, 1)]);
        let workers = [worker("broken", "new", 1), worker("off", "new", 0), worker("turned", "new", 0)];
        assert_eq!(steps(&workers, &live), [Step::Write; 3]);
    }
}
