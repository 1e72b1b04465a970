//! Children that have no place any more: a slot's Deployment is turned off first and deleted when its pods are gone, and
//! what its pods need stays as long.

use super::{
    Writer,
    own::{self, Owner},
};
use crate::{
    error::Error,
    observe::live::{Live, replicas},
    render::Kind,
};
use cherokee_api::names::label;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use serde_json::Value;
use std::collections::BTreeSet;

/// What is to happen to an orphan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Delete,
    TurnOff,
    Wait,
}

impl Writer<'_> {
    /// Removes what is ours and not in `keep`. What has our labels and no owner is named, not deleted: it may be a copy.
    pub(super) async fn prune(&mut self, keep: &BTreeSet<(Kind, String)>, pods: &[Pod]) -> Result<(), Error> {
        let cluster = self.cluster;
        let extra = self.applied.live.iter().filter(|(kind, name, _)| !keep.contains(&(*kind, (*name).to_owned())));
        let extra: Vec<_> =
            extra.map(|(kind, name, body)| (kind, name.to_owned(), body.clone(), own::owner(body, cluster))).collect();
        for (kind, name, body, owner) in extra {
            match owner {
                Owner::Us if own::deleting(&body).is_some() => {
                    self.applied.waiting = true;
                    continue;
                }
                Owner::Us => {}
                Owner::Nobody => {
                    self.applied.unowned.push(format!("{kind} `{name}`"));
                    continue;
                }
                Owner::Another => continue,
            }
            match fate(kind, &name, &body, &self.applied.live, keep, pods) {
                Fate::Delete => {
                    if kind == Kind::StatefulSet {
                        // Before the Redis that it belongs to: what is left is tried again with it.
                        self.forget_password(&body).await?;
                    }
                    self.delete(kind, &name, &body).await?;
                }
                Fate::TurnOff => {
                    self.turn_off(&name, &body).await?;
                    self.applied.waiting = true;
                }
                Fate::Wait => self.applied.waiting = true,
            }
        }
        Ok(())
    }
}

fn fate(kind: Kind, name: &str, body: &Value, live: &Live, keep: &BTreeSet<(Kind, String)>, pods: &[Pod]) -> Fate {
    let slot = body.pointer("/metadata/labels").and_then(|l| l.get(label::SLOT)).and_then(Value::as_str);
    let Some(slot) = slot else { return Fate::Delete };
    let has_pods = pods.iter().any(|p| p.labels().get(label::SLOT).is_some_and(|s| s == slot));
    let leaving = !keep.contains(&(Kind::Deployment, slot.to_owned())) && has_pods;
    match kind {
        Kind::Deployment if replicas(body) > 0 => Fate::TurnOff,
        Kind::Deployment if has_pods => Fate::Wait,
        // The Deployment may still use it, where its change waits for another slot.
        Kind::ResourceClaimTemplate if used(live, slot, name) => Fate::Wait,
        _ if leaving => Fate::Wait,
        _ => Fate::Delete,
    }
}

fn used(live: &Live, slot: &str, template: &str) -> bool {
    let claims = live
        .get(Kind::Deployment, slot)
        .and_then(|d| d.pointer("/spec/template/spec/resourceClaims"))
        .and_then(Value::as_array);
    claims.is_some_and(|all| all.iter().any(|c| c["resourceClaimTemplateName"] == template))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of_slot(replicas: i32) -> Value {
        json!({"metadata": {"labels": {"cherokee.ai/slot": "s"}}, "spec": {"replicas": replicas,
            "template": {"spec": {"resourceClaims": [{"name": "gpu", "resourceClaimTemplateName": "s-1"}]}}}})
    }
    fn pod() -> Pod {
        serde_json::from_value(json!({"metadata": {"name": "s-x", "labels": {"cherokee.ai/slot": "s"}}})).unwrap()
    }
    fn ask(kind: Kind, name: &str, replicas: i32, pods: &[Pod]) -> Fate {
        let mut live = Live::default();
        live.insert(Kind::Deployment, "s", of_slot(replicas));
        fate(kind, name, &of_slot(replicas), &live, &BTreeSet::new(), pods)
    }

    #[test]
    fn a_slot_without_a_place_is_turned_off_then_waited_for_then_deleted() {
        assert_eq!(ask(Kind::Deployment, "s", 1, &[pod()]), Fate::TurnOff);
        assert_eq!(ask(Kind::Deployment, "s", 0, &[pod()]), Fate::Wait);
        assert_eq!(ask(Kind::Deployment, "s", 0, &[]), Fate::Delete);
    }

    #[test]
    fn what_its_pods_need_stays_as_long_as_they() {
        assert_eq!(ask(Kind::Service, "s", 0, &[pod()]), Fate::Wait);
        assert_eq!(ask(Kind::ResourceClaimTemplate, "s-1", 0, &[]), Fate::Wait);
        assert_eq!(ask(Kind::ResourceClaimTemplate, "s-0", 0, &[]), Fate::Delete);
    }

    #[test]
    fn an_orphan_that_belongs_to_no_slot_is_deleted() {
        let body = json!({"metadata": {"labels": {}}});
        assert_eq!(fate(Kind::ConfigMap, "c", &body, &Live::default(), &BTreeSet::new(), &[pod()]), Fate::Delete);
    }
}
