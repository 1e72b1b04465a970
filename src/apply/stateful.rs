//! StatefulSets that cannot help themselves: Kubernetes waits for ever for a broken pod of the revision before, and tells only
//! an event when it is refused a pod or its claim.

use super::{Writer, refused::Refused, write::object};
use crate::{
    error::{Doing, Error},
    observe::trouble,
    render::{Child, Kind},
    time,
};
use cherokee_api::names::reason;
use chrono::{DateTime, TimeDelta, Utc};
use k8s_openapi::api::core::v1::{Event, Pod};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, ListParams, Preconditions},
};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

/// How long a pod of the revision before may be away before it is deleted: it may be about to be replaced.
const PATIENCE: TimeDelta = TimeDelta::seconds(60);
/// How long a StatefulSet may have no pod before its events are read.
const PODLESS: TimeDelta = TimeDelta::seconds(10);
/// How long what events said is believed: they are not watched.
const BELIEVED: TimeDelta = TimeDelta::seconds(60);
/// How long a refusal may last before somebody should look.
const TERMINAL: TimeDelta = TimeDelta::minutes(5);
/// Most events that are read.
const EVENTS: u32 = 20;

/// When the events of a StatefulSet were last read, and what they said.
type Said = (DateTime<Utc>, Option<String>);

/// What was last read, by UID.
static SAID: Mutex<BTreeMap<String, Said>> = Mutex::new(BTreeMap::new());

impl Writer<'_> {
    /// Deletes a pod that keeps a StatefulSet from its newest revision, and names what it is refused.
    pub(super) async fn tend(&mut self, sets: &[Child], pods: &[Pod], now: DateTime<Utc>) -> Result<(), Error> {
        for child in sets.iter().filter(|child| child.kind == Kind::StatefulSet) {
            let Some(live) = self.applied.live.get(child.kind, &child.name).cloned() else { continue };
            if let Some(pod) = stuck(&live, pods, now) {
                self.delete_pod(pod, &child.body).await?;
                self.applied.waiting = true;
            }
            if podless(&live, now) {
                self.applied.waiting = true;
                if let Some(words) = self.refusal(&live, &child.name, now).await? {
                    let mut refused =
                        Refused::new(object(child.kind, &child.name), &child.body, reason::REFUSED, words);
                    refused.terminal = created(&live).is_some_and(|created| now - created > TERMINAL);
                    self.applied.refused.push(refused);
                }
            }
        }
        Ok(())
    }

    async fn delete_pod(&mut self, pod: &Pod, body: &Value) -> Result<(), Error> {
        self.leadership.check()?;
        let api: Api<Pod> = Api::namespaced(self.client.clone(), &self.namespace);
        let preconditions = Preconditions { uid: pod.uid(), resource_version: None };
        let name = pod.name_any();
        let params = DeleteParams::background().preconditions(preconditions);
        #[expect(clippy::disallowed_methods, reason = "this is the writer of children")]
        let answer = api.delete(&name, &params).await;
        match answer {
            // Gone already, or another one by now.
            Err(kube::Error::Api(status)) if status.code == 404 || status.code == 409 => Ok(()),
            answer => {
                let deleted = self.taken(&object("Pod", &name), body, answer, "delete")?;
                if deleted.is_some() {
                    tracing::info!(name, "deleted a pod that kept its StatefulSet from the newest revision");
                }
                Ok(())
            }
        }
    }

    /// What the events of a StatefulSet say last of a refusal; read once a minute at most.
    async fn refusal(&mut self, live: &Value, name: &str, now: DateTime<Utc>) -> Result<Option<String>, Error> {
        let Some(uid) = live.pointer("/metadata/uid").and_then(Value::as_str) else { return Ok(None) };
        {
            let mut said = SAID.lock().unwrap_or_else(PoisonError::into_inner);
            said.retain(|_, (when, _)| (now - *when).abs() < BELIEVED);
            if let Some((_, words)) = said.get(uid) {
                return Ok(words.clone());
            }
        }
        let api: Api<Event> = Api::namespaced(self.client.clone(), &self.namespace);
        let of = format!("involvedObject.kind=StatefulSet,involvedObject.uid={uid},reason=FailedCreate");
        let answer = api.list(&ListParams::default().fields(&of).limit(EVENTS)).await;
        let words = match answer {
            Ok(list) => latest(list.items),
            // Without the right to read events only their words are missing.
            Err(kube::Error::Api(status)) if status.code == 403 => None,
            Err(error) => return Err(error).doing(format!("list the events of StatefulSet `{name}`")),
        };
        SAID.lock().unwrap_or_else(PoisonError::into_inner).insert(uid.to_owned(), (now, words.clone()));
        Ok(words)
    }
}

/// The pod that keeps a StatefulSet from its newest revision: of another one, and not ready, for which Kubernetes waits.
fn stuck<'p>(live: &Value, pods: &'p [Pod], now: DateTime<Utc>) -> Option<&'p Pod> {
    let text = |path| live.pointer(path).and_then(Value::as_str);
    let number = |path| live.pointer(path).and_then(Value::as_i64).unwrap_or(0);
    if number("/status/observedGeneration") < number("/metadata/generation") {
        return None;
    }
    let (uid, newest) = (text("/metadata/uid")?, text("/status/updateRevision")?);
    pods.iter().find(|pod| {
        let of_it = pod.owner_references().iter().any(|o| o.uid == uid && o.controller == Some(true));
        let old = pod.labels().get(REVISION).is_some_and(|revision| revision != newest);
        let leaving = pod.metadata.deletion_timestamp.is_some();
        let troubled = || trouble::worst([*pod], now).is_some();
        let away = || trouble::down_since([*pod]).is_some_and(|since| now - since > PATIENCE);
        of_it && old && !leaving && !trouble::is_ready(pod) && (troubled() || away())
    })
}

/// Label by which a pod says of which revision it is.
const REVISION: &str = "controller-revision-hash";

/// Whether a StatefulSet has no pod though it should have had the time to make one.
fn podless(live: &Value, now: DateTime<Utc>) -> bool {
    let pods = live.pointer("/status/replicas").and_then(Value::as_i64).unwrap_or(0);
    pods == 0 && created(live).is_some_and(|created| now - created > PODLESS)
}

fn created(live: &Value) -> Option<DateTime<Utc>> {
    time::read(live.pointer("/metadata/creationTimestamp")?.as_str()?)
}

/// The words of the event that came last.
fn latest(events: Vec<Event>) -> Option<String> {
    let when = |event: &Event| {
        let time = event.last_timestamp.as_ref().map(time::from_k8s);
        time.or_else(|| event.metadata.creation_timestamp.as_ref().map(time::from_k8s))
    };
    events.into_iter().max_by_key(when)?.message
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn at(second: i64) -> DateTime<Utc> {
        "2026-11-24T12:00:00Z".parse::<DateTime<Utc>>().unwrap() + TimeDelta::seconds(second)
    }
    fn set(replicas: i64) -> Value {
        json!({"metadata": {"uid": "s", "generation": 2, "creationTimestamp": "2026-11-24T12:00:00Z"},
            "status": {"observedGeneration": 2, "updateRevision": "b", "replicas": replicas}})
    }
    fn pod(revision: &str, ready: &str, waiting: &Value) -> Pod {
        serde_json::from_value(json!({"metadata": {"name": "c-memory-0", "creationTimestamp": "2026-11-24T12:00:00Z",
            "labels": {"controller-revision-hash": revision},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "c-memory", "uid": "s", "controller": true}]},
            "status": {"conditions": [{"type": "Ready", "status": ready, "lastTransitionTime": "2026-11-24T12:00:00Z"}],
                "containerStatuses": [{"name": "redis", "image": "i", "imageID": "", "ready": ready == "True", "restartCount": 0,
                    "state": {"waiting": waiting}}]}}))
        .unwrap()
    }

    #[test]
    fn a_broken_pod_of_the_revision_before_is_deleted_and_no_other() {
        let broken = json!({"reason": "ErrImagePull", "message": "not found"});
        let starting = json!({"reason": "ContainerCreating"});
        let is_stuck = |pod, second| stuck(&set(1), &[pod], at(second)).is_some();
        assert!(is_stuck(pod("a", "False", &broken), 1));
        assert!(!is_stuck(pod("b", "False", &broken), 1), "the newest one may still get better");
        assert!(!is_stuck(pod("a", "True", &json!({})), 500), "Kubernetes replaces it");
        assert!(!is_stuck(pod("a", "False", &starting), 59) && is_stuck(pod("a", "False", &starting), 61));
        let mut anothers = pod("a", "False", &broken);
        anothers.metadata.owner_references.as_mut().unwrap()[0].uid = "t".into();
        assert!(!is_stuck(anothers, 500));
        let mut unseen = set(1);
        unseen["metadata"]["generation"] = json!(3);
        assert!(stuck(&unseen, &[pod("a", "False", &broken)], at(500)).is_none());
    }

    #[test]
    fn only_a_stateful_set_that_stays_without_a_pod_has_its_events_read() {
        assert!(!podless(&set(0), at(5)) && podless(&set(0), at(15)) && !podless(&set(1), at(15)));
        let event = |second: i64, message: &str| -> Event {
            serde_json::from_value(json!({"metadata": {}, "involvedObject": {}, "message": message,
                "lastTimestamp": time::text(at(second))}))
            .unwrap()
        };
        assert_eq!(latest(vec![event(2, "new"), event(1, "old")]).as_deref(), Some("new"));
        assert_eq!(latest(Vec::new()), None);
    }
}
