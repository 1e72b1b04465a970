//! Children that could not be brought to what is desired, each with the part of the cluster that lacks it.

use crate::render::Component;
use cherokee_api::names::{label, reason};
use kube::core::Status;
use serde_json::Value;

/// A child that is not as it should be and that this pass could not mend; the others were applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Kind and name, as "Service `c-gateway`".
    pub object: String,
    /// Part of the cluster that lacks it: its condition names the child.
    pub part: Component,
    /// Slot that lacks it.
    pub slot: Option<String>,
    /// Reason of the condition.
    pub reason: &'static str,
    /// What the API server said, and what to do.
    pub message: String,
    /// It will not get better without a change by somebody.
    pub terminal: bool,
}

impl Refused {
    /// What is said of a child: its part and slot are read from the labels of `body`.
    pub(crate) fn new(object: String, body: &Value, reason: &'static str, message: impl std::fmt::Display) -> Self {
        let label = |key| body.pointer("/metadata/labels").and_then(|l| l.get(key)).and_then(Value::as_str);
        let word = label(label::COMPONENT).unwrap_or_default();
        let part = Component::ALL.into_iter().find(|part| part.word() == word).unwrap_or(Component::Gateway);
        let slot = label(label::SLOT).map(str::to_owned);
        let message = format!("{object}: {message}");
        Self { object, part, slot, reason, message, terminal: reason != reason::DELETING }
    }
}

/// Whether an answer concerns this one object, so that the others are still tried. Others are about the API server or
/// the operator's place in its queue, and end the pass.
pub(super) fn is_refusal(status: &Status) -> bool {
    match status.code {
        401 | 408 | 429 => false,
        400..=499 => true,
        // How the API server words an admission webhook that it cannot reach.
        500 => status.message.contains("webhook"),
        _ => false,
    }
}

/// Reason and next step for what the API server would not take.
pub(super) fn explain(message: &str) -> (&'static str, String) {
    if message.contains("must specify a volume type") || message.contains(".image: Forbidden") {
        let hint = "this cluster has no image volumes: enable the feature gate ImageVolume, or give the model a pvc:// or https:// uri";
        return (reason::REFUSED, format!("{hint} ({message})"));
    }
    if message.contains("field is immutable") || message.contains("Forbidden: updates to") {
        return (
            reason::IMMUTABLE_FIELD,
            format!(
                "Kubernetes can't change this in place, so the old value stays: put the spec back, or delete the object ({message})"
            ),
        );
    }
    (reason::REFUSED, message.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_refusal_is_about_one_object_and_anything_else_about_the_api_server() {
        let of = |code, message: &str| is_refusal(&Status::failure(message, "").with_code(code));
        for code in [400, 403, 404, 405, 409, 413, 422] {
            assert!(of(code, "no"), "{code}");
        }
        for code in [401, 408, 429, 500, 503, 504] {
            assert!(!of(code, "later"), "{code}");
        }
        assert!(of(500, "failed calling webhook \"w\": connection refused"));
    }

    #[test]
    fn a_refused_child_names_its_part_and_its_slot() {
        let body = json!({"metadata": {"labels": {"app.kubernetes.io/component": "worker", "cherokee.ai/slot": "s"}}});
        let refused = Refused::new("Service `s`".into(), &body, reason::REFUSED, "exceeded quota");
        assert_eq!((refused.part, refused.slot.as_deref()), (Component::Worker, Some("s")));
        assert_eq!((refused.message.as_str(), refused.terminal), ("Service `s`: exceeded quota", true));
    }
}
