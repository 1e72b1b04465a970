//! The only writer of GpuHolds.

use super::{missing, of_nobody, outdated};
use crate::{
    error::{Doing, Error},
    lease::Leadership,
    observe::Sources,
    stores::Stores,
};
use cherokee_api::{CherokeeCluster, GpuHold, names};
use cherokee_plan::ClusterId;
use chrono::{DateTime, Utc};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, PostParams, Preconditions},
};
use std::sync::Arc;

/// How taking the devices of a plan went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taking {
    /// Every device of the plan is held by its cluster.
    Done,
    /// Another cluster was faster, or the holds have changed: plan again from fresh ones.
    Lost,
}

/// Writes holds while this operator leads.
pub(crate) struct Keeper<'a> {
    pub(crate) client: &'a Client,
    pub(crate) leadership: &'a Leadership,
    /// Told of each write, so that the next look at them sees it.
    pub(crate) stores: &'a Stores,
}

impl Keeper<'_> {
    /// Makes the holds that are missing and deletes those of nobody, for all clusters, and the outdated ones of one cluster. Returns
    /// whether something changed, so that the sources are to be read anew.
    pub(crate) async fn tend(&self, own: &ClusterId, sources: &Sources, now: DateTime<Utc>) -> Result<bool, Error> {
        let mut changed = false;
        for hold in outdated(own, sources) {
            self.delete(hold).await?;
            changed = true;
        }
        for hold in of_nobody(sources) {
            if self.is_gone(hold).await? {
                self.delete(hold).await?;
                changed = true;
            }
        }
        // After a deletion the sources are old: what is missing then shows in the fresh ones.
        if changed {
            return Ok(true);
        }
        for hold in missing(sources, now) {
            tracing::info!(hold = hold.name_any(), cluster = hold.spec.holder.name, "a device in use gets its hold");
            self.create(&hold).await?;
            changed = true;
        }
        Ok(changed)
    }

    /// Takes the devices of a plan. `wanted` are holds of one cluster; `sources` are what the plan was made from.
    pub(crate) async fn take(&self, wanted: &[GpuHold], sources: &Sources) -> Result<Taking, Error> {
        for hold in wanted {
            let name = hold.name_any();
            let found = sources.holds.iter().flatten().find(|found| found.name_any() == name);
            let taken = match found {
                None => self.create(hold).await?,
                Some(found) if found.spec.holder != hold.spec.holder => false,
                Some(found) if found.spec.slots == hold.spec.slots => true,
                Some(found) => self.update(found, hold).await?,
            };
            if !taken {
                return Ok(Taking::Lost);
            }
        }
        Ok(Taking::Done)
    }

    /// Deletes holds that their cluster no longer uses.
    pub(crate) async fn release(&self, holds: &[&Arc<GpuHold>]) -> Result<(), Error> {
        for hold in holds {
            self.delete(hold).await?;
        }
        Ok(())
    }

    /// Creates a hold; false if another cluster has it. A hold of ours that is there already is success: an earlier try took effect.
    async fn create(&self, hold: &GpuHold) -> Result<bool, Error> {
        self.leadership.check()?;
        let name = hold.name_any();
        let params = PostParams { field_manager: Some(names::FIELD_MANAGER.into()), ..PostParams::default() };
        #[expect(clippy::disallowed_methods, reason = "this is the writer of holds")]
        let answer = self.api().create(&params, hold).await;
        match answer {
            Ok(made) => {
                tracing::info!(hold = name, cluster = hold.spec.holder.name, "a device was taken");
                self.stores.holds.wrote(made);
                Ok(true)
            }
            Err(kube::Error::Api(status)) if status.code == 409 => {
                let found = self.api().get_opt(&name).await.doing(format!("read GpuHold `{name}`"))?;
                let ours = found.as_ref().is_some_and(|found| found.spec.holder == hold.spec.holder);
                if let Some(found) = found {
                    self.stores.holds.wrote(found);
                }
                Ok(ours)
            }
            // Not served, or being removed.
            Err(kube::Error::Api(status)) if [404, 405].contains(&status.code) => Err(Error::HoldsMissing),
            Err(error) => Err(error).doing(format!("create GpuHold `{name}`")),
        }
    }

    /// Writes the slots of a hold; false if it has changed meanwhile.
    async fn update(&self, found: &GpuHold, hold: &GpuHold) -> Result<bool, Error> {
        self.leadership.check()?;
        let name = found.name_any();
        let mut changed = found.clone();
        changed.spec.slots.clone_from(&hold.spec.slots);
        let params = PostParams { field_manager: Some(names::FIELD_MANAGER.into()), ..PostParams::default() };
        #[expect(clippy::disallowed_methods, reason = "this is the writer of holds")]
        let answer = self.api().replace(&name, &params, &changed).await;
        match answer {
            Ok(written) => {
                self.stores.holds.wrote(written);
                Ok(true)
            }
            Err(kube::Error::Api(status)) if [404, 409].contains(&status.code) => Ok(false),
            Err(error) => Err(error).doing(format!("update GpuHold `{name}`")),
        }
    }

    /// Deletes a hold, if it is still the very one that was observed.
    async fn delete(&self, hold: &GpuHold) -> Result<(), Error> {
        self.leadership.check()?;
        let name = hold.name_any();
        let preconditions = Preconditions { uid: hold.uid(), resource_version: hold.resource_version() };
        let params = DeleteParams::background().preconditions(preconditions);
        #[expect(clippy::disallowed_methods, reason = "this is the writer of holds")]
        let answer = self.api().delete(&name, &params).await;
        match answer {
            Ok(_) => {
                tracing::info!(hold = name, cluster = hold.spec.holder.name, "a device was given up");
                self.stores.gave_up(hold);
            }
            // Gone already, or changed: the next pass looks again.
            Err(kube::Error::Api(status)) if [404, 409].contains(&status.code) => {}
            Err(error) => return Err(error).doing(format!("delete GpuHold `{name}`")),
        }
        Ok(())
    }

    /// Whether the holder is gone, asked at this moment: a list may be older than a cluster.
    async fn is_gone(&self, hold: &GpuHold) -> Result<bool, Error> {
        let holder = &hold.spec.holder;
        let api: Api<CherokeeCluster> = Api::namespaced(self.client.clone(), &holder.namespace);
        let found = api.get_metadata_opt(&holder.name).await;
        let found = found.doing(format!("look for CherokeeCluster `{}`", holder.name))?;
        Ok(found.is_none_or(|found| found.uid().as_ref() != Some(&holder.uid)))
    }

    fn api(&self) -> Api<GpuHold> {
        Api::all(self.client.clone())
    }
}
