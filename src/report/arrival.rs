//! Whether a child's controller has brought the newest template to all of its pods: pure.

use crate::{observe::live::replicas, render::Kind};
use serde_json::Value;

/// What is still to come before every pod of a Deployment or StatefulSet is of the newest template; none if nothing is.
///
/// A child that was just written counts as on its way until its controller has observed it: its counters are those of
/// the template before.
pub(crate) fn pending(kind: Kind, name: &str, body: &Value) -> Option<String> {
    let number = |path| body.pointer(path).and_then(Value::as_i64).unwrap_or(0);
    let (wanted, updated) = (replicas(body), number("/status/updatedReplicas"));
    if number("/status/observedGeneration") < number("/metadata/generation") {
        return Some(format!("{kind} `{name}`: Kubernetes has not acted on the newest spec yet"));
    }
    if updated < wanted {
        return Some(format!("{kind} `{name}`: {} of {wanted} is of the newest spec", count(updated)));
    }
    let old = number("/status/replicas") - updated;
    if old > 0 {
        return Some(format!("{kind} `{name}`: {old} of the spec before the last change still run"));
    }
    let revision = |path| body.pointer(path).and_then(Value::as_str).filter(|text| !text.is_empty());
    let (current, update) = (revision("/status/currentRevision"), revision("/status/updateRevision"));
    (kind == Kind::StatefulSet && current.is_some() && current != update)
        .then(|| format!("{kind} `{name}`: the newest spec is on its way to its pods"))
}

/// A count in a sentence.
pub(crate) fn count(number: i64) -> String {
    if number <= 0 { "none".to_owned() } else { number.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn ask(kind: Kind, observed: i64, status: Value) -> Option<String> {
        let mut body = json!({"metadata": {"generation": 2}, "spec": {"replicas": 1}, "status": status});
        body["status"]["observedGeneration"] = json!(observed);
        pending(kind, "c", &body)
    }

    #[test]
    fn a_deployment_has_arrived_when_all_of_its_pods_are_of_the_observed_template() {
        let done = json!({"replicas": 1, "updatedReplicas": 1, "readyReplicas": 1});
        assert_eq!(ask(Kind::Deployment, 2, done.clone()), None);
        assert!(ask(Kind::Deployment, 1, done).is_some(), "the counters are those of the template before");
        let none = ask(Kind::Deployment, 2, json!({"replicas": 1, "readyReplicas": 1})).unwrap();
        assert_eq!(none, "Deployment `c`: none of 1 is of the newest spec");
        // The new pod surges beside the old one, which alone is ready.
        let surging = json!({"replicas": 2, "updatedReplicas": 1, "readyReplicas": 1});
        assert!(ask(Kind::Deployment, 2, surging).is_some());
    }

    #[test]
    fn a_stateful_set_has_arrived_when_its_revisions_agree() {
        let status =
            |current| json!({"replicas": 1, "updatedReplicas": 1, "currentRevision": current, "updateRevision": "b"});
        assert!(ask(Kind::StatefulSet, 2, status("a")).is_some());
        assert_eq!(ask(Kind::StatefulSet, 2, status("b")), None);
    }
}
