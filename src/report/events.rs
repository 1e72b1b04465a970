//! Events: edges of conditions, children created and deleted.

use crate::render::Kind;
use cherokee_api::{
    CherokeeClusterStatus,
    names::{condition, reason},
};
use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::{Event, EventType, Recorder};

/// Most characters of an event's note that the API server takes.
const NOTE: usize = 1000;

/// One event for each condition whose status or reason changed.
pub(crate) fn of_conditions(old: Option<&CherokeeClusterStatus>, new: &CherokeeClusterStatus) -> Vec<Event> {
    let before = |kind: &str| old.and_then(|s| s.conditions.iter().find(|c| c.type_ == kind));
    let changed =
        new.conditions.iter().filter(|c| before(&c.type_).is_none_or(|b| b.status != c.status || b.reason != c.reason));
    changed
        // Its parts tell the same, and more of it.
        .filter(|c| c.type_ != condition::RECONCILING && c.type_ != condition::STALLED)
        .map(|c| Event {
            type_: if c.status == "True" || c.reason == reason::STARTING {
                EventType::Normal
            } else {
                EventType::Warning
            },
            reason: c.reason.clone(),
            note: Some(c.message.chars().take(NOTE).collect()),
            action: c.type_.clone(),
            secondary: None,
        })
        .collect()
}

/// One event for each child that is new or gone.
pub(crate) fn of_children(created: &[(Kind, String)], deleted: &[(Kind, String)]) -> Vec<Event> {
    let event = |reason: &str, (kind, name): &(Kind, String)| Event {
        type_: EventType::Normal,
        reason: reason.to_owned(),
        note: Some(format!("{kind} `{name}`")),
        action: reason.to_owned(),
        secondary: None,
    };
    let created = created.iter().map(|child| event(reason::CREATED, child));
    created.chain(deleted.iter().map(|child| event(reason::DELETED, child))).collect()
}

/// Sends events; one that does not arrive is no reason to fail.
pub(crate) async fn send(recorder: &Recorder, regarding: &ObjectReference, events: Vec<Event>) {
    for event in events {
        if let Err(error) = recorder.publish(&event, regarding).await {
            tracing::warn!(%error, reason = event.reason, "an event was not sent");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

    fn status(word: &str, reason: &str, message: &str) -> CherokeeClusterStatus {
        let condition = Condition {
            type_: condition::READY.into(),
            status: word.into(),
            reason: reason.into(),
            message: message.into(),
            observed_generation: None,
            last_transition_time: Time(k8s_openapi::jiff::Timestamp::UNIX_EPOCH),
        };
        CherokeeClusterStatus { conditions: vec![condition], ..CherokeeClusterStatus::default() }
    }

    #[test]
    fn only_an_edge_is_an_event() {
        let before = status("False", "Starting", "0 of 1");
        assert!(of_conditions(Some(&before), &status("False", "Starting", "0 of 2")).is_empty());
        let events = of_conditions(Some(&before), &status("True", "Ready", "all"));
        assert_eq!((events.len(), events[0].reason.as_str()), (1, "Ready"));
        assert_eq!(of_conditions(None, &before).len(), 1);
    }
}
