//! The only writer of children: server-side apply under one field manager, what is there already left alone, orphans
//! removed. Nothing is written unless this operator leads.

mod prune;
mod rollout;
pub(crate) mod subset;

use crate::{
    error::{Doing, Error},
    lease::Leadership,
    observe::Live,
    render::{self, Child, Desired, Kind, Password},
};
use cherokee_api::{CherokeeCluster, names};
use chrono::{DateTime, Utc};
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, DynamicObject, Patch, PatchParams, PostParams, Preconditions, ValidationDirective},
};
use rollout::Step;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// What was written. The fields are private, so only this module makes one: a report without an apply does not compile.
pub struct Applied {
    live: Live,
    created: Vec<(Kind, String)>,
    deleted: Vec<(Kind, String)>,
    refused: Vec<Refused>,
    later: BTreeSet<String>,
    waiting: bool,
}

/// A child that the API server would not take; the others were applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Kind of the child.
    pub kind: Kind,
    /// Name of the child.
    pub name: String,
    /// Reason of the condition.
    pub reason: &'static str,
    /// What the API server said, and what to do.
    pub message: String,
}

impl Applied {
    /// The children as they are after the apply.
    pub fn live(&self) -> &Live {
        &self.live
    }
    /// What is new.
    pub fn created(&self) -> &[(Kind, String)] {
        &self.created
    }
    /// What is gone.
    pub fn deleted(&self) -> &[(Kind, String)] {
        &self.deleted
    }
    /// What was refused.
    pub fn refused(&self) -> &[Refused] {
        &self.refused
    }
    /// Slots whose change waits for another slot.
    pub fn later(&self) -> &BTreeSet<String> {
        &self.later
    }
    /// Something waits for another child to get ready or to end.
    pub fn waiting(&self) -> bool {
        self.waiting
    }
}

/// Writes the children of one cluster.
pub struct Writer<'a> {
    client: &'a Client,
    leadership: &'a Leadership,
    cluster: &'a CherokeeCluster,
    namespace: String,
    applied: Applied,
}

impl<'a> Writer<'a> {
    /// A writer that knows the children as they were observed.
    pub fn new(client: &'a Client, leadership: &'a Leadership, cluster: &'a CherokeeCluster, live: Live) -> Self {
        let namespace = cluster.namespace().unwrap_or_default();
        let applied = Applied {
            live,
            created: Vec::new(),
            deleted: Vec::new(),
            refused: Vec::new(),
            later: BTreeSet::new(),
            waiting: false,
        };
        Self { client, leadership, cluster, namespace, applied }
    }

    /// Brings the children to what is desired. `pods` are the cluster's own, as observed.
    pub async fn apply(mut self, desired: Desired, pods: &[Pod], now: DateTime<Utc>) -> Result<Applied, Error> {
        let keep = self.keep(&desired);
        // Without `..`: a group that is added and forgotten here does not compile.
        let Desired { created, accounts, config, network, memory, front, claims, workers, password, held } = desired;
        for child in &created {
            self.create(child).await?;
        }
        self.put_all(&accounts).await?;
        // Config before all that reads it at start, and the layout before the slots that it speaks of.
        self.put_all(&config).await?;
        self.put_all(&network).await?;
        if let Some(password) = password {
            self.store(&password).await?;
        }
        self.put_all(&memory).await?;
        self.put_all(&front).await?;
        self.put_all(&claims).await?;
        // Last, because their pods need all of the above.
        let steps = rollout::steps(&workers, &self.applied.live, now);
        for (child, step) in workers.iter().zip(steps) {
            match step {
                Step::Keep => {}
                Step::Write => self.put(child).await?,
                Step::Later => {
                    self.applied.waiting = true;
                    self.applied.later.insert(child.name.clone());
                }
            }
        }
        self.applied.waiting |= !held.is_empty();
        self.applied.later.extend(held);
        self.prune(&keep, pods).await?;
        Ok(self.applied)
    }

    /// Children that are no orphans: all that is desired, and what belongs to slots that stay.
    fn keep(&self, desired: &Desired) -> BTreeSet<(Kind, String)> {
        let stays = |body: &Value| {
            let slot = body.pointer("/metadata/labels").and_then(|l| l.get(names::label::SLOT)).and_then(Value::as_str);
            slot.is_some_and(|slot| desired.held.contains(slot))
        };
        let desired = desired.names().into_iter().map(|(kind, name)| (kind, name.to_owned()));
        let held = self.applied.live.iter().filter(|(_, _, body)| stays(body));
        desired.chain(held.map(|(kind, name, _)| (kind, name.to_owned()))).collect()
    }

    async fn put_all(&mut self, children: &[Child]) -> Result<(), Error> {
        for child in children {
            self.put(child).await?;
        }
        Ok(())
    }

    /// Applies one child unless it is as it should be. A refusal is noted and does not stop the others.
    async fn put(&mut self, child: &Child) -> Result<(), Error> {
        let found = self.applied.live.get(child.kind, &child.name);
        if found.is_some_and(|found| subset::contains(found, &child.body)) {
            return Ok(());
        }
        let new = found.is_none();
        if new && self.belongs_to_another(child).await? {
            self.refuse(
                child,
                names::reason::REFUSED,
                format!("{} `{}` exists and belongs to something else: remove or rename it", child.kind, child.name),
            );
            return Ok(());
        }
        self.leadership.check()?;
        let params = PatchParams {
            field_validation: Some(ValidationDirective::Strict),
            ..PatchParams::apply(names::FIELD_MANAGER).force()
        };
        #[expect(clippy::disallowed_methods, reason = "this is the writer of children")]
        let answer = self.api(child.kind).patch(&child.name, &params, &Patch::Apply(&child.body)).await;
        match answer {
            Ok(object) => {
                tracing::info!(kind = %child.kind, name = child.name, new, "applied");
                self.note(child.kind, &child.name, &object, new)
            }
            // Invalid, forbidden by a policy or a quota, or refused by an admission webhook.
            Err(kube::Error::Api(status)) if [400, 403, 422].contains(&status.code) => {
                let (reason, message) = explain(&status.message);
                self.refuse(child, reason, format!("{} `{}`: {message}", child.kind, child.name));
                Ok(())
            }
            Err(error) => Err(error).doing(format!("apply {} `{}`", child.kind, child.name)),
        }
    }

    /// Creates a child that others write after.
    async fn create(&mut self, child: &Child) -> Result<(), Error> {
        if self.applied.live.get(child.kind, &child.name).is_some() {
            return Ok(());
        }
        self.leadership.check()?;
        let object: DynamicObject =
            serde_json::from_value(child.body.clone()).map_err(|source| Error::Document { what: "a child", source })?;
        #[expect(clippy::disallowed_methods, reason = "this is the writer of children")]
        let answer = self.api(child.kind).create(&PostParams::default(), &object).await;
        match answer {
            Ok(object) => self.note(child.kind, &child.name, &object, true),
            // There already, without our labels: it is kept as it is.
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
            Err(error) => Err(error).doing(format!("create {} `{}`", child.kind, child.name)),
        }
    }

    /// Stores a new password, once. What is there is kept: it may be in use.
    async fn store(&mut self, password: &Password) -> Result<(), Error> {
        self.leadership.check()?;
        let secret = render::password_secret(&self.namespace, self.cluster, password);
        let name = secret.name_any();
        let api: Api<Secret> = Api::namespaced(self.client.clone(), &self.namespace);
        #[expect(clippy::disallowed_methods, reason = "this is the writer of children")]
        let answer = api
            .create(&PostParams { field_manager: Some(names::FIELD_MANAGER.into()), ..PostParams::default() }, &secret)
            .await;
        match answer {
            Ok(_) => Ok(()),
            // The next pass reads what is there.
            Err(kube::Error::Api(status)) if status.code == 409 => Err(Error::Raced { secret: name }),
            Err(error) => Err(error).doing(format!("create Secret `{name}`")),
        }
    }

    /// Whether an object of that name is there and another controller's.
    async fn belongs_to_another(&self, child: &Child) -> Result<bool, Error> {
        let found = self
            .api(child.kind)
            .get_opt(&child.name)
            .await
            .doing(format!("look for {} `{}`", child.kind, child.name))?;
        Ok(found.is_some_and(|object| !self.owns(object.owner_references().iter().map(|o| o.uid.as_str()))))
    }

    fn owns<'o>(&self, mut owners: impl Iterator<Item = &'o str>) -> bool {
        owners.any(|uid| Some(uid) == self.cluster.metadata.uid.as_deref())
    }

    fn refuse(&mut self, child: &Child, reason: &'static str, message: String) {
        tracing::warn!(kind = %child.kind, name = child.name, message, "refused");
        self.applied.refused.push(Refused { kind: child.kind, name: child.name.clone(), reason, message });
    }

    fn note(&mut self, kind: Kind, name: &str, object: &DynamicObject, new: bool) -> Result<(), Error> {
        let body = serde_json::to_value(object).map_err(|source| Error::Document { what: "a child", source })?;
        self.applied.live.insert(kind, name, body);
        if new {
            self.applied.created.push((kind, name.to_owned()));
        }
        Ok(())
    }

    /// Turns a Deployment off that has no place any more.
    async fn turn_off(&mut self, name: &str) -> Result<(), Error> {
        self.leadership.check()?;
        let patch = Patch::Merge(json!({"spec": {"replicas": 0}}));
        let params = PatchParams { field_manager: Some(names::FIELD_MANAGER.into()), ..PatchParams::default() };
        #[expect(clippy::disallowed_methods, reason = "this is the writer of children")]
        let object = self
            .api(Kind::Deployment)
            .patch(name, &params, &patch)
            .await
            .doing(format!("turn Deployment `{name}` off"))?;
        self.note(Kind::Deployment, name, &object, false)
    }

    /// Deletes a child, if it is still the one that was observed.
    async fn delete(&mut self, kind: Kind, name: &str, body: &Value) -> Result<(), Error> {
        self.leadership.check()?;
        let uid = body.pointer("/metadata/uid").and_then(Value::as_str).map(str::to_owned);
        let params = DeleteParams::background().preconditions(Preconditions { uid, resource_version: None });
        #[expect(clippy::disallowed_methods, reason = "this is the writer of children")]
        let answer = self.api(kind).delete(name, &params).await;
        match answer {
            Ok(_) => {
                tracing::info!(%kind, name, "deleted");
                self.applied.deleted.push((kind, name.to_owned()));
            }
            // Gone already, or another one by now.
            Err(kube::Error::Api(status)) if status.code == 404 || status.code == 409 => {}
            Err(error) => return Err(error).doing(format!("delete {kind} `{name}`")),
        }
        self.applied.live.remove(kind, name);
        Ok(())
    }

    fn api(&self, kind: Kind) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), &self.namespace, &kind.resource())
    }
}

/// Reason and next step for what the API server would not take.
fn explain(message: &str) -> (&'static str, String) {
    if message.contains("must specify a volume type") || message.contains(".image: Forbidden") {
        let hint = "this cluster has no image volumes: enable the feature gate ImageVolume, or give the model a pvc:// or https:// uri";
        return (names::reason::REFUSED, format!("{hint} ({message})"));
    }
    if message.contains("field is immutable") || message.contains("Forbidden: updates to") {
        return (
            names::reason::IMMUTABLE_FIELD,
            format!(
                "Kubernetes can't change this in place, so the old value stays: put the spec back, or delete the object ({message})"
            ),
        );
    }
    (names::reason::REFUSED, message.to_owned())
}
