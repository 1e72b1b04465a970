//! Why a pod is not ready, in our words: read from its status, pure.

use super::live::condition;
use crate::time;
use cherokee_api::names::{annotation, reason};
use chrono::{DateTime, TimeDelta, Utc};
use k8s_openapi::api::core::v1::{ContainerState, ContainerStatus, Pod};
use kube::ResourceExt;

/// Exit code by which a worker says that it found no GPU.
const EXIT_NO_GPU: i32 = 3;
/// Ends of a container after which it counts as failing, not as unlucky.
const RESTARTS: i32 = 3;
/// How long a pod may wait for a node or an image before somebody should look.
const PATIENCE: TimeDelta = TimeDelta::minutes(5);
/// Most characters of a container's last words in a message.
const LAST_WORDS: usize = 300;

/// Why a pod is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// One of [`reason`].
    pub reason: &'static str,
    /// With names, numbers and what the container said last.
    pub message: String,
    /// It will not get better without a change.
    pub terminal: bool,
}

/// The worst trouble of some pods, terminal first.
pub(crate) fn worst<'a>(pods: impl IntoIterator<Item = &'a Pod>, now: DateTime<Utc>) -> Option<Trouble> {
    pods.into_iter().filter_map(|pod| of_pod(pod, now)).max_by_key(|t| t.terminal)
}

/// Whether a pod is ready.
pub(crate) fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|s| s.conditions.as_ref());
    conditions.is_some_and(|all| all.iter().any(|c| c.type_ == "Ready" && c.status == "True"))
}

/// Whether all containers of a pod run, ready or not.
pub(crate) fn is_running(pod: &Pod) -> bool {
    let containers = pod.status.as_ref().and_then(|s| s.container_statuses.as_ref());
    let running = |c: &ContainerStatus| c.state.as_ref().is_some_and(|state| state.running.is_some());
    containers.is_some_and(|all| !all.is_empty() && all.iter().all(running))
}

/// Since when some pods have had none that is ready, as far as those that are there tell: the latest of the moments at which
/// each was made or stopped being ready.
pub(crate) fn down_since<'a>(pods: impl IntoIterator<Item = &'a Pod>) -> Option<DateTime<Utc>> {
    let moment = |pod: &Pod| {
        let conditions = pod.status.as_ref().and_then(|s| s.conditions.as_ref()).into_iter().flatten();
        let ready = conditions.into_iter().find(|c| c.type_ == "Ready" && c.status == "False");
        let stopped = ready.and_then(|c| c.last_transition_time.as_ref()).map(time::from_k8s);
        pod.creation_timestamp().as_ref().map(time::from_k8s).max(stopped)
    };
    let running = pods.into_iter().filter(|pod| pod.metadata.deletion_timestamp.is_none());
    running.filter_map(moment).max()
}

fn of_pod(pod: &Pod, now: DateTime<Utc>) -> Option<Trouble> {
    // A pod that is ending has had its say.
    if pod.metadata.deletion_timestamp.is_some() {
        return None;
    }
    let status = pod.status.as_ref()?;
    let created = pod.creation_timestamp().as_ref().map(crate::time::from_k8s);
    let long = created.is_some_and(|created| now - created > PATIENCE);
    let containers = status.init_container_statuses.iter().chain(status.container_statuses.iter()).flatten();
    let worst = containers.filter_map(|c| of_container(pod, c, long)).max_by_key(|t| t.terminal);
    worst.or_else(|| unscheduled(pod, long))
}

/// Why a Deployment cannot even make its pod: a quota, Pod Security or an admission webhook.
pub(crate) fn of_deployment(body: &serde_json::Value) -> Option<Trouble> {
    let failure = condition(body, "ReplicaFailure").filter(|c| c["status"] == "True")?;
    let name = body.pointer("/metadata/name").and_then(|n| n.as_str()).unwrap_or_default();
    let told = failure["message"].as_str().unwrap_or("no reason given");
    let message = format!("Deployment `{name}` cannot make its pod: {told}");
    Some(Trouble { reason: reason::REFUSED, message, terminal: true })
}

fn unscheduled(pod: &Pod, long: bool) -> Option<Trouble> {
    let conditions = pod.status.as_ref()?.conditions.as_ref()?;
    let condition = conditions.iter().find(|c| c.type_ == "PodScheduled" && c.status == "False")?;
    (condition.reason.as_deref() == Some("Unschedulable")).then(|| Trouble {
        reason: reason::UNSCHEDULABLE,
        message: format!(
            "no node takes pod `{}`: {}",
            pod.name_any(),
            condition.message.as_deref().unwrap_or("no reason given")
        ),
        terminal: long,
    })
}

fn of_container(pod: &Pod, container: &ContainerStatus, long: bool) -> Option<Trouble> {
    let name = format!("container `{}` of pod `{}`", container.name, pod.name_any());
    let state = container.state.as_ref();
    let waiting = state.and_then(|s| s.waiting.as_ref());
    let why = waiting.and_then(|w| w.reason.as_deref()).unwrap_or_default();
    let told = waiting.and_then(|w| w.message.as_deref()).unwrap_or_default();
    match why {
        "ErrImagePull" | "ImagePullBackOff" | "InvalidImageName" | "ErrImageNeverPull" => Some(Trouble {
            reason: reason::IMAGE_PULL_FAILED,
            message: format!("{name} can't pull image `{}`: {}", container.image, cut(told)),
            terminal: long || why == "InvalidImageName" || why == "ErrImageNeverPull",
        }),
        "CreateContainerConfigError" | "CreateContainerError" | "RunContainerError" => Some(Trouble {
            reason: reason::POD_FAILING,
            message: format!("{name} can't start ({why}): {}", cut(told)),
            terminal: long,
        }),
        _ => ended(state)
            .or_else(|| ended(container.last_state.as_ref()))
            .and_then(|(code, cause, words)| failing(&name, container, code, &cause, &words)),
    }
}

/// Exit code, cause and last words of a container that ended.
fn ended(state: Option<&ContainerState>) -> Option<(i32, String, String)> {
    let end = state?.terminated.as_ref()?;
    Some((end.exit_code, end.reason.clone().unwrap_or_default(), end.message.clone().unwrap_or_default()))
}

fn failing(name: &str, container: &ContainerStatus, code: i32, cause: &str, words: &str) -> Option<Trouble> {
    if container.ready || code == 0 {
        return None;
    }
    let terminal = container.restart_count >= RESTARTS;
    // The kubelet counts an end only when it starts the container again.
    let now = container.state.as_ref().is_some_and(|s| s.terminated.is_some());
    let ends = match (container.restart_count + i32::from(now)).max(1) {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        n => format!("{n} times"),
    };
    Some(match (code, cause) {
        (_, "OOMKilled") => Trouble {
            reason: reason::OUT_OF_MEMORY,
            message: format!("{name} used more than its memory limit {ends}: raise spec.workers.memory"),
            terminal,
        },
        (EXIT_NO_GPU, _) if container.name == "worker" => {
            Trouble { reason: reason::NO_GPU, message: format!("{name} found no GPU: {}", cut(words)), terminal: true }
        }
        _ => Trouble {
            reason: reason::POD_FAILING,
            message: format!("{name} ended {ends}, last with code {code}: {}", cut(words)),
            terminal,
        },
    })
}

/// The last line of a text, shortened and without control characters: it may quote a model file, and an escape sequence in the status
/// would act on the terminal of whoever reads it.
fn cut(text: &str) -> String {
    let plain = |line: &str| line.chars().filter(|c| !c.is_control()).collect::<String>();
    let last = text.lines().rev().map(plain).find(|line| !line.trim().is_empty());
    last.map_or_else(|| "it left no message".to_owned(), |line| line.trim().chars().take(LAST_WORDS).collect())
}

/// When a slot was last turned on or off, from its Deployment.
pub(crate) fn since(annotations: Option<&serde_json::Value>) -> Option<DateTime<Utc>> {
    time::read(annotations?.get(annotation::SINCE)?.as_str()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn pod(container: Value) -> Pod {
        let mut container = container;
        container["name"] = json!("worker");
        container["image"] = json!("registry/worker:1");
        container["imageID"] = json!("");
        container["ready"] = json!(false);
        serde_json::from_value(json!({"metadata": {"name": "p", "creationTimestamp": "2026-11-24T12:00:00Z"},
            "status": {"containerStatuses": [container]}}))
        .unwrap()
    }
    fn at(minute: i64) -> DateTime<Utc> {
        "2026-11-24T12:00:00Z".parse::<DateTime<Utc>>().unwrap() + TimeDelta::minutes(minute)
    }
    fn see(container: Value, minute: i64) -> (&'static str, bool, String) {
        let trouble = worst(&[pod(container)], at(minute)).unwrap();
        (trouble.reason, trouble.terminal, trouble.message)
    }

    #[test]
    fn a_worker_without_a_gpu_is_terminal_at_once_and_says_what_it_found() {
        let container = json!({"restartCount": 1, "state": {"waiting": {"reason": "CrashLoopBackOff"}},
            "lastState": {"terminated": {"exitCode": 3, "message": "NoGpu: no CUDA device is visible"}}});
        let (reason, terminal, message) = see(container, 1);
        assert_eq!((reason, terminal), ("NoGpu", true));
        assert!(message.ends_with("NoGpu: no CUDA device is visible"), "{message}");
    }

    #[test]
    fn what_a_container_said_last_has_no_control_characters_in_the_status() {
        let said = |words: &str| {
            let container = json!({"restartCount": 1, "lastState": {"terminated": {"exitCode": 1, "message": words}}});
            see(container, 1).2
        };
        let message = said("first line\nunknown architecture llama\u{1b}[2K\u{9b}1A\u{7}\u{7f}Ready\n \u{1b} \n");
        assert!(message.ends_with(": unknown architecture llama[2K1AReady"), "{message:?}");
        assert!(said("\u{1b}\u{7}").ends_with("it left no message"));
    }

    #[test]
    fn a_crash_is_terminal_only_when_it_repeats() {
        let container = |count| {
            json!({"restartCount": count, "state": {"waiting": {"reason": "CrashLoopBackOff"}},
            "lastState": {"terminated": {"exitCode": 1, "message": "cannot read model"}}})
        };
        assert!(!see(container(1), 1).1);
        assert!(see(container(3), 1).1);
    }

    #[test]
    fn an_image_that_cannot_be_pulled_becomes_terminal_after_five_minutes() {
        let container =
            json!({"restartCount": 0, "state": {"waiting": {"reason": "ImagePullBackOff", "message": "not found"}}});
        assert!(!see(container.clone(), 1).1);
        let (reason, terminal, message) = see(container, 6);
        assert_eq!((reason, terminal), ("ImagePullFailed", true));
        assert!(message.contains("registry/worker:1"), "{message}");
    }

    #[test]
    fn a_deployment_whose_pod_is_refused_is_terminal_with_the_words_of_the_refusal() {
        let refused = json!({"metadata": {"name": "c-1"}, "status": {"conditions": [
            {"type": "ReplicaFailure", "status": "True", "message": "exceeded quota: gpus"}]}});
        let trouble = of_deployment(&refused).unwrap();
        assert_eq!((trouble.reason, trouble.terminal), ("RefusedByApiServer", true));
        assert_eq!(trouble.message, "Deployment `c-1` cannot make its pod: exceeded quota: gpus");
        assert_eq!(of_deployment(&json!({"status": {}})), None);
    }

    #[test]
    fn the_first_end_of_a_container_is_counted_as_one() {
        let killed = json!({"exitCode": 137, "reason": "OOMKilled"});
        let said = |restarts, state: &str| see(json!({"restartCount": restarts, state: {"terminated": killed}}), 1).2;
        assert!(said(0, "state").contains("more than its memory limit once"), "{}", said(0, "state"));
        assert!(said(1, "lastState").contains("limit once") && said(1, "state").contains("limit twice"));
        let ended = see(json!({"restartCount": 0, "state": {"terminated": {"exitCode": 1, "message": "no"}}}), 1).2;
        assert_eq!(ended, "container `worker` of pod `p` ended once, last with code 1: no");
    }

    #[test]
    fn a_pod_that_is_starting_or_ending_is_no_trouble() {
        assert_eq!(
            worst(&[pod(json!({"restartCount": 0, "state": {"waiting": {"reason": "ContainerCreating"}}}))], at(1)),
            None
        );
        let mut ending = pod(json!({"restartCount": 9, "lastState": {"terminated": {"exitCode": 1}}}));
        ending.metadata.deletion_timestamp = ending.metadata.creation_timestamp.clone();
        assert_eq!(worst(&[ending], at(1)), None);
    }
}
