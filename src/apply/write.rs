//! One child written: applied, created, adopted, turned off or deleted. A refusal is noted and does not stop the others.

use super::{
    Writer,
    compare::{compare, mark, merge_patch, settled},
    own::{self, Owner},
    refused::{Refused, explain, is_refusal},
};
use crate::{
    error::{Doing, Error},
    render::{self, Child, Kind, Password},
};
use cherokee_api::names::{self, annotation, child, reason};
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, Resource, ResourceExt,
    api::{DeleteParams, DynamicObject, Patch, PatchParams, PostParams, Preconditions, ValidationDirective},
};
use serde_json::{Value, json};
use std::fmt::Display;

impl Writer<'_> {
    /// Applies one child unless it is as it should be.
    pub(super) async fn put(&mut self, child: &Child) -> Result<(), Error> {
        let Some(found) = self.ours(child).await? else { return Ok(()) };
        if found.is_null() {
            return self.put_template(child, true).await.map(drop);
        }
        let found = &found;
        let comparison = compare(child.kind, found, &child.body);
        let name = object(child.kind, &child.name);
        if settled(child.kind, found, &child.body) {
            self.applied.foreign.extend(comparison.foreign_fields.into_iter().map(|field| (name.clone(), field)));
            return Ok(());
        }
        if comparison.frozen {
            self.delete(child.kind, &child.name, found).await?;
            return self.put_template(child, true).await.map(drop);
        }
        let rendered = |body: &Value| body["metadata"]["annotations"][annotation::RENDERED].clone();
        let owned = own::owner(found, self.cluster) == Owner::Us;
        // Server-side apply takes out nothing that others added, and cannot mend the key of an entry.
        let mut answer = if owned && rendered(found) == rendered(&child.body) {
            self.put_back(child, found, &comparison.fixed).await?
        } else {
            self.put_template(child, false).await?
        };
        if let Some(body) = &answer {
            let rest = compare(child.kind, body, &child.body);
            if rest.added {
                answer = self.put_back(child, body, &rest.fixed).await?;
            }
        }
        match answer {
            Some(body) if !compare(child.kind, &body, &child.body).ours_changed.is_empty() => {
                let left = json!({"metadata": {"annotations": {annotation::LEFT: mark(&body, &child.body)}}});
                let answer = self.merge(child.kind, &child.name, &left).await?;
                tracing::info!(object = name, "something else changes what is written: it is left so");
                self.noted(child, answer, false, "mark").map(drop)
            }
            _ => Ok(()),
        }
    }

    /// Applies what was rendered. Returns the object as it is then.
    async fn put_template(&mut self, child: &Child, new: bool) -> Result<Option<Value>, Error> {
        self.leadership.check()?;
        let params = PatchParams {
            field_validation: Some(ValidationDirective::Strict),
            ..PatchParams::apply(names::FIELD_MANAGER).force()
        };
        #[expect(clippy::disallowed_methods, reason = "this is the writer of children")]
        let answer = self.api(child.kind).patch(&child.name, &params, &Patch::Apply(&child.body)).await;
        self.noted(child, answer, new, "apply")
    }

    /// Puts back what is ours, if the object is still the one that was compared.
    async fn put_back(&mut self, child: &Child, live: &Value, fixed: &Value) -> Result<Option<Value>, Error> {
        let mut patch = merge_patch(live, fixed);
        patch["metadata"]["resourceVersion"] = live["metadata"]["resourceVersion"].clone();
        match self.merge(child.kind, &child.name, &patch).await? {
            // Somebody was faster: the next pass compares again.
            Err(kube::Error::Api(status)) if status.code == 409 => {
                self.applied.waiting = true;
                Ok(None)
            }
            answer => self.noted(child, answer, false, "put back"),
        }
    }

    fn noted(
        &mut self,
        child: &Child,
        answer: Result<DynamicObject, kube::Error>,
        new: bool,
        verb: &str,
    ) -> Result<Option<Value>, Error> {
        let Some(object) = self.taken(&object(child.kind, &child.name), &child.body, answer, verb)? else {
            return Ok(None);
        };
        tracing::info!(kind = %child.kind, name = child.name, new, "{verb}");
        self.note(child.kind, &child.name, &object, new)?;
        Ok(self.applied.live.get(child.kind, &child.name).cloned())
    }

    /// Creates a child that others write after, and never changes what they wrote.
    pub(super) async fn create(&mut self, child: &Child) -> Result<(), Error> {
        let Some(found) = self.ours(child).await? else { return Ok(()) };
        let name = object(child.kind, &child.name);
        if found.is_null() {
            self.leadership.check()?;
            let document = |source| Error::Document { what: "a child", source };
            let body: DynamicObject = serde_json::from_value(child.body.clone()).map_err(document)?;
            #[expect(clippy::disallowed_methods, reason = "this is the writer of children")]
            let answer = self.api(child.kind).create(&PostParams::default(), &body).await;
            if let Some(object) = self.taken(&name, &child.body, answer, "create")? {
                self.note(child.kind, &child.name, &object, true)?;
            }
        } else if own::owner(&found, self.cluster) == Owner::Nobody {
            let patch = json!({"metadata": {"ownerReferences": child.body["metadata"]["ownerReferences"]}});
            let answer = self.merge(child.kind, &child.name, &patch).await?;
            if let Some(object) = self.taken(&name, &child.body, answer, "adopt")? {
                self.note(child.kind, &child.name, &object, false)?;
            }
        }
        Ok(())
    }

    /// The live object of a child that may be written, null if there is none yet. None, and a note, where it may not: it
    /// is another's, or it is being deleted.
    async fn ours(&mut self, child: &Child) -> Result<Option<Value>, Error> {
        let name = object(child.kind, &child.name);
        let found = if let Some(found) = self.applied.live.get(child.kind, &child.name) {
            found.clone()
        } else {
            let answer = self.api(child.kind).get_opt(&child.name).await;
            // A cluster older than DRA has no claim templates: the write says so.
            let Some(found) = self.taken(&name, &child.body, answer, "look for")? else { return Ok(None) };
            serde_json::to_value(found).map_err(|source| Error::Document { what: "a child", source })?
        };
        if found.is_null() {
            return Ok(Some(found));
        }
        if own::owner(&found, self.cluster) == Owner::Another {
            let message = "it exists and belongs to something else: remove or rename it";
            self.refuse(Refused::new(name, &child.body, reason::REFUSED, message));
            return Ok(None);
        }
        if let Some(message) = own::deleting(&found) {
            self.refuse(Refused::new(name, &child.body, reason::DELETING, message));
            return Ok(None);
        }
        Ok(Some(found))
    }

    /// Stores a new password, once. What is there is kept: it may be in use.
    pub(super) async fn store(&mut self, password: &Password) -> Result<(), Error> {
        self.leadership.check()?;
        let secret = render::password_secret(&self.namespace, self.cluster, password);
        let name = secret.name_any();
        #[expect(clippy::disallowed_methods, reason = "this is the writer of children")]
        let answer = self
            .secrets()
            .create(&PostParams { field_manager: Some(names::FIELD_MANAGER.into()), ..PostParams::default() }, &secret)
            .await;
        match answer {
            // The next pass reads what is there.
            Err(kube::Error::Api(status)) if status.code == 409 => Err(Error::Raced { secret: name }),
            answer => {
                let body = json!({"metadata": {"labels": {names::label::COMPONENT: render::Component::Memory.word()}}});
                self.taken(&object("Secret", &name), &body, answer, "create").map(drop)
            }
        }
    }

    /// Deletes the password of a managed Redis that is no more.
    pub(super) async fn forget_password(&mut self, body: &Value) -> Result<(), Error> {
        let name = child::memory_password(&self.cluster.name_any());
        let what = object("Secret", &name);
        let answer = self.secrets().get_metadata_opt(&name).await;
        let Some(Some(found)) = self.taken(&what, body, answer, "look for")? else { return Ok(()) };
        let mine = found.owner_references().iter().any(|o| Some(&o.uid) == self.cluster.meta().uid.as_ref());
        if !mine {
            return Ok(());
        }
        self.leadership.check()?;
        let preconditions = Preconditions { uid: found.uid(), resource_version: None };
        let params = DeleteParams::background().preconditions(preconditions);
        #[expect(clippy::disallowed_methods, reason = "this is the writer of children")]
        let answer = self.secrets().delete(&name, &params).await;
        match answer {
            Err(kube::Error::Api(status)) if status.code == 404 || status.code == 409 => Ok(()),
            answer => self.taken(&what, body, answer, "delete").map(drop),
        }
    }

    /// Turns a Deployment off that has no place any more.
    pub(super) async fn turn_off(&mut self, name: &str, body: &Value) -> Result<(), Error> {
        let answer = self.merge(Kind::Deployment, name, &json!({"spec": {"replicas": 0}})).await?;
        match self.taken(&object(Kind::Deployment, name), body, answer, "turn off")? {
            Some(object) => self.note(Kind::Deployment, name, &object, false),
            None => Ok(()),
        }
    }

    /// Deletes a child, if it is still the one that was observed.
    pub(super) async fn delete(&mut self, kind: Kind, name: &str, body: &Value) -> Result<(), Error> {
        self.leadership.check()?;
        let uid = body.pointer("/metadata/uid").and_then(Value::as_str).map(str::to_owned);
        let params = DeleteParams::background().preconditions(Preconditions { uid, resource_version: None });
        #[expect(clippy::disallowed_methods, reason = "this is the writer of children")]
        let answer = self.api(kind).delete(name, &params).await;
        match answer {
            // Gone already, or another one by now.
            Err(kube::Error::Api(status)) if status.code == 404 || status.code == 409 => {}
            answer => {
                if self.taken(&object(kind, name), body, answer, "delete")?.is_none() {
                    return Ok(());
                }
                tracing::info!(%kind, name, "deleted");
                self.applied.deleted.push((kind, name.to_owned()));
            }
        }
        self.applied.live.remove(kind, name);
        Ok(())
    }

    async fn merge(&self, kind: Kind, name: &str, patch: &Value) -> Result<Result<DynamicObject, kube::Error>, Error> {
        self.leadership.check()?;
        let params = PatchParams { field_manager: Some(names::FIELD_MANAGER.into()), ..PatchParams::default() };
        #[expect(clippy::disallowed_methods, reason = "this is the writer of children")]
        let answer = self.api(kind).patch(name, &params, &Patch::Merge(patch)).await;
        Ok(answer)
    }

    /// What the API server answered; none, and a note, where it would not take this one object.
    pub(super) fn taken<T>(
        &mut self,
        object: &str,
        body: &Value,
        answer: Result<T, kube::Error>,
        verb: &str,
    ) -> Result<Option<T>, Error> {
        match answer {
            Ok(taken) => Ok(Some(taken)),
            // Invalid, forbidden by a policy or a quota, or refused by an admission webhook.
            Err(kube::Error::Api(status)) if is_refusal(&status) => {
                let (reason, message) = explain(&status.message);
                self.refuse(Refused::new(object.to_owned(), body, reason, message));
                Ok(None)
            }
            Err(error) => Err(error).doing(format!("{verb} {object}")),
        }
    }

    fn refuse(&mut self, refused: Refused) {
        tracing::warn!(object = refused.object, message = refused.message, "refused");
        self.applied.refused.push(refused);
    }

    fn note(&mut self, kind: Kind, name: &str, object: &DynamicObject, new: bool) -> Result<(), Error> {
        let body = serde_json::to_value(object).map_err(|source| Error::Document { what: "a child", source })?;
        self.applied.live.insert(kind, name, body);
        if new {
            self.applied.created.push((kind, name.to_owned()));
        }
        Ok(())
    }

    fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    fn api(&self, kind: Kind) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), &self.namespace, &kind.resource())
    }
}

/// Kind and name, as status and log say them.
pub(super) fn object(kind: impl Display, name: &str) -> String {
    format!("{kind} `{name}`")
}
