//! What the user is told: conditions and counters from what was applied, stored once and only if more than time changed;
//! events after it. Besides `apply` the only writer.

mod arrival;
mod bounds;
mod conditions;
mod downloads;
mod events;
mod slots;
mod status;

use crate::{
    apply::{Applied, ForeignField, Refused},
    error::{Doing, Error},
    lease::Leadership,
    observe::{Live, Missing, Observed},
    stores::Stores,
};
use cherokee_api::{
    CherokeeCluster, CherokeeClusterStatus, Strategy,
    names::{self, condition, reason},
    role::Role,
    status::AutoStatus,
};
use cherokee_plan::{Fleet, Intent, Plan};
use cherokee_wire::{hints::MemoryReport, worker::Download};
use chrono::{DateTime, Utc};
use conditions::Verdict;
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{DynamicObject, ObjectMeta, Patch, PatchParams},
    core::ApiResource,
    runtime::events::Recorder,
};
use serde_json::json;
use std::collections::BTreeMap;

/// What a status is made from.
pub(crate) struct Facts<'a> {
    pub(crate) cluster: &'a CherokeeCluster,
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) strategy: Strategy,
    pub(crate) auto: Option<&'a AutoStatus>,
    pub(crate) roles: &'a [Role],
    pub(crate) intent: &'a Intent,
    pub(crate) plan: &'a Plan,
    pub(crate) notes: &'a [String],
    pub(crate) fleet: &'a Fleet,
    pub(crate) live: &'a Live,
    pub(crate) pods: &'a [Pod],
    pub(crate) refused: &'a [Refused],
    pub(crate) later: &'a BTreeMap<String, Option<String>>,
    pub(crate) unowned: &'a [String],
    pub(crate) foreign: &'a [(String, ForeignField)],
    pub(crate) downloads: &'a BTreeMap<String, Option<Download>>,
    pub(crate) missing: &'a [Missing],
    pub(crate) memory: Option<MemoryReport>,
    pub(crate) now: DateTime<Utc>,
}

/// What was decided, as far as status shows it.
#[derive(Clone, Copy)]
pub struct Decided<'a> {
    /// Strategy in force.
    pub strategy: Strategy,
    /// What `Auto` decided, if it did.
    pub auto: Option<&'a AutoStatus>,
    /// Roles, those of the strategy included.
    pub roles: &'a [Role],
    /// What is wanted.
    pub intent: &'a Intent,
    /// Who sits where.
    pub plan: &'a Plan,
    /// What was ignored and why, one sentence each: shown as advice.
    pub notes: &'a [String],
}

/// What a pass said, and until when that holds if only time goes on.
pub struct Said {
    /// The status as it is stored.
    pub status: CherokeeClusterStatus,
    /// A budget ends here.
    pub until: Option<DateTime<Utc>>,
}

/// Writes status and events.
pub struct Reporter<'a> {
    /// Way to the API server.
    pub client: &'a Client,
    /// Nothing is written without it.
    pub leadership: &'a Leadership,
    /// Sends events.
    pub recorder: &'a Recorder,
    /// Note what is stored.
    pub(crate) stores: &'a Stores,
}

impl Reporter<'_> {
    /// After an apply: all of it.
    pub async fn report(&self, observed: &Observed, decided: Decided<'_>, applied: &Applied) -> Result<Said, Error> {
        let Decided { strategy, auto, roles, intent, plan, notes } = decided;
        let facts = Facts {
            cluster: &observed.cluster,
            name: observed.cluster.name_any(),
            namespace: observed.cluster.namespace().unwrap_or_default(),
            strategy,
            auto,
            roles,
            intent,
            plan,
            notes,
            fleet: &observed.fleet,
            live: applied.live(),
            pods: &observed.pods,
            refused: applied.refused(),
            later: applied.later(),
            unowned: applied.unowned(),
            foreign: applied.foreign(),
            downloads: &observed.downloads,
            missing: &observed.missing,
            memory: observed.memory,
            now: observed.now,
        };
        let (status, until) = status::status(&facts);
        let mut events = events::of_conditions(observed.cluster.status.as_ref(), &status);
        events.extend(downloads::events(observed.cluster.status.as_ref(), &observed.downloads));
        events.extend(events::of_children(applied.created(), applied.deleted()));
        self.store(&observed.cluster, &status, events).await?;
        Ok(Said { status, until })
    }

    /// The spec cannot be served: nothing was applied, what runs goes on.
    pub async fn refuse(&self, observed: &Observed, reason: &'static str, message: &str) -> Result<Said, Error> {
        let bad = |kind| Verdict { kind, good: false, reason, message: message.to_owned(), terminal: true };
        let stalled = Verdict { good: true, ..bad(condition::STALLED) };
        let verdicts = vec![bad(condition::READY), bad(condition::ACCEPTED), stalled];
        self.stop(&observed.cluster, verdicts, observed.now).await
    }

    /// `spec.suspend` is true.
    pub async fn suspend(&self, observed: &Observed) -> Result<Said, Error> {
        let message = "spec.suspend is true: nothing is changed until it is false".to_owned();
        let verdict =
            Verdict { kind: condition::READY, good: false, reason: reason::SUSPENDED, message, terminal: false };
        self.stop(&observed.cluster, vec![verdict], observed.now).await
    }

    /// Nothing can be placed or moved, for a cause outside of the resource; what runs goes on.
    pub async fn hold_back(&self, observed: &Observed, error: &Error) -> Result<Said, Error> {
        let unknown =
            |kind| Verdict { kind, good: false, reason: error.reason(), message: error.to_string(), terminal: false };
        let verdicts = vec![unknown(condition::READY), unknown(condition::PLACED)];
        self.stop(&observed.cluster, verdicts, observed.now).await
    }

    /// Passes fail one after another.
    pub async fn fail(&self, cluster: &CherokeeCluster, error: &Error, now: DateTime<Utc>) -> Result<Said, Error> {
        let verdict =
            |kind, good| Verdict { kind, good, reason: error.reason(), message: error.to_string(), terminal: false };
        self.stop(cluster, vec![verdict(condition::READY, false), verdict(condition::RECONCILING, true)], now).await
    }

    async fn stop(&self, cluster: &CherokeeCluster, verdicts: Vec<Verdict>, now: DateTime<Utc>) -> Result<Said, Error> {
        let generation = cluster.metadata.generation.unwrap_or(0);
        let status = status::stopped(cluster.status.as_ref(), generation, verdicts, now);
        let events = events::of_conditions(cluster.status.as_ref(), &status);
        self.store(cluster, &status, events).await?;
        Ok(Said { status, until: None })
    }

    async fn store(
        &self,
        cluster: &CherokeeCluster,
        status: &CherokeeClusterStatus,
        events: Vec<kube::runtime::events::Event>,
    ) -> Result<(), Error> {
        if cluster.status.as_ref() != Some(status) {
            let body = json!({
                "apiVersion": CherokeeCluster::api_version(&()),
                "kind": CherokeeCluster::kind(&()),
                "metadata": {"name": cluster.name_any()},
                "status": status,
            });
            self.leadership.check()?;
            let resource = ApiResource::erase::<CherokeeCluster>(&());
            let namespace = cluster.namespace().unwrap_or_default();
            let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), &namespace, &resource);
            #[expect(clippy::disallowed_methods, reason = "this is the writer of status")]
            let answer = api
                .patch_status(
                    &cluster.name_any(),
                    &PatchParams::apply(names::FIELD_MANAGER).force(),
                    &Patch::Apply(body),
                )
                .await;
            match answer {
                Ok(stored) => self.stores.stored(stored),
                // It was deleted meanwhile.
                Err(kube::Error::Api(status)) if status.code == 404 => return Ok(()),
                Err(error) => return Err(error).doing(format!("store the status of `{}`", cluster.name_any())),
            }
        }
        events::send(self.recorder, &cluster.object_ref(&()), events).await;
        Ok(())
    }

    /// The stored object cannot be read: says so on it, and on nothing else.
    pub async fn unreadable(&self, meta: &ObjectMeta, error: &str, now: DateTime<Utc>) -> Result<(), Error> {
        let name = meta.name.clone().unwrap_or_default();
        let resource = ApiResource::erase::<CherokeeCluster>(&());
        let api: Api<DynamicObject> =
            Api::namespaced_with(self.client.clone(), meta.namespace.as_deref().unwrap_or_default(), &resource);
        let Some(object) = api.get_opt(&name).await.doing(format!("read CherokeeCluster `{name}`"))? else {
            return Ok(());
        };
        let message = format!("the stored object can't be read: {error}: correct that field");
        let told = object.data.pointer("/status/conditions").and_then(|c| c.as_array()).is_some_and(|all| {
            all.iter().any(|c| {
                c["type"] == condition::ACCEPTED && c["reason"] == reason::UNREADABLE && c["message"] == json!(message)
            })
        });
        if told {
            return Ok(());
        }
        let verdict =
            |kind| Verdict { kind, good: false, reason: reason::UNREADABLE, message: message.clone(), terminal: true };
        let status = status::stopped(
            None,
            meta.generation.unwrap_or(0),
            vec![verdict(condition::READY), verdict(condition::ACCEPTED)],
            now,
        );
        let patch =
            json!({"status": {"observedGeneration": status.observed_generation, "conditions": status.conditions}});
        self.leadership.check()?;
        #[expect(clippy::disallowed_methods, reason = "this is the writer of status")]
        let answer = api.patch_status(&name, &PatchParams::default(), &Patch::Merge(patch)).await;
        answer.doing(format!("store the status of `{name}`"))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
