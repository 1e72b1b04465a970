//! Who leads: one operator of several, by a Lease. Only the leader writes.

use crate::{
    clock::Clock,
    error::{Doing, Error},
};
use chrono::{DateTime, TimeDelta, Utc};
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
    jiff::Timestamp,
};
use kube::{Api, Client, api::ObjectMeta, api::PostParams};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// How long a Lease holds without being renewed.
const HOLDS: TimeDelta = TimeDelta::seconds(15);
/// Time between two renewals, or two looks at another's Lease.
const RENEW: Duration = Duration::from_secs(3);
/// A leader stops writing this long before others may take over.
const MARGIN: TimeDelta = TimeDelta::seconds(5);

/// Whether this operator may write now. By the wall clock, because a machine that was paused has lost its Lease.
#[derive(Clone)]
pub struct Leadership(Option<Held>);

#[derive(Clone)]
struct Held {
    until: Arc<Mutex<Option<DateTime<Utc>>>>,
    clock: Arc<dyn Clock>,
}

impl Leadership {
    /// Leads without a Lease: for tests with one operator.
    pub fn always() -> Self {
        Self(None)
    }

    /// Leads once an [`Elector`] says so.
    fn by_lease(clock: Arc<dyn Clock>) -> Self {
        Self(Some(Held { until: Arc::default(), clock }))
    }

    /// An error unless this operator may write now.
    pub fn check(&self) -> Result<(), Error> {
        let leads = self.0.as_ref().is_none_or(|held| {
            let until = *held.until.lock().unwrap_or_else(PoisonError::into_inner);
            until.is_some_and(|until| held.clock.now() < until)
        });
        if leads { Ok(()) } else { Err(Error::NotLeading) }
    }

    fn set(&self, until: Option<DateTime<Utc>>) {
        if let Some(held) = &self.0 {
            *held.until.lock().unwrap_or_else(PoisonError::into_inner) = until;
        }
    }
}

/// Takes and keeps the Lease.
pub struct Elector {
    api: Api<Lease>,
    name: String,
    identity: String,
    clock: Arc<dyn Clock>,
    leadership: Leadership,
}

/// What another operator wrote, and when we first saw it: its clock may differ from ours.
#[derive(Clone, Debug, Default, PartialEq)]
struct Seen {
    renewed: Option<(String, Timestamp)>,
    at: DateTime<Utc>,
}

impl Elector {
    /// An elector for the Lease `name` in `namespace`.
    pub fn new(client: Client, namespace: &str, name: &str, identity: &str, clock: Arc<dyn Clock>) -> Self {
        Self {
            api: Api::namespaced(client, namespace),
            name: name.to_owned(),
            identity: identity.to_owned(),
            leadership: Leadership::by_lease(clock.clone()),
            clock,
        }
    }

    /// What this elector decides over.
    pub fn leadership(&self) -> Leadership {
        self.leadership.clone()
    }

    /// Waits until this operator leads.
    pub async fn acquire(&self) {
        let mut seen = Seen::default();
        loop {
            if self.attempt_in_time(&mut seen).await == Some(true) {
                return;
            }
            tokio::time::sleep(RENEW).await;
        }
    }

    /// Renews the Lease until it is lost.
    pub async fn keep(&self) {
        let mut seen = Seen::default();
        loop {
            tokio::time::sleep(RENEW).await;
            if self.attempt_in_time(&mut seen).await == Some(false) {
                break self.leadership.set(None);
            }
            if self.leadership.check().is_err() {
                break;
            }
        }
    }

    /// Gives the Lease up, so that another operator need not wait.
    pub async fn release(&self) {
        self.leadership.set(None);
        let Ok(Some(mut lease)) = self.api.get_opt(&self.name).await else { return };
        let mine = lease.spec.as_ref().and_then(|s| s.holder_identity.as_deref()) == Some(self.identity.as_str());
        if let (true, Some(spec)) = (mine, lease.spec.as_mut()) {
            spec.holder_identity = None;
            spec.renew_time = None;
            #[expect(clippy::disallowed_methods, reason = "the Lease is no child")]
            let answer = self.api.replace(&self.name, &PostParams::default(), &lease).await;
            if let Err(error) = answer {
                tracing::debug!(%error, "the lease was not given up");
            }
        }
    }

    /// What [`Self::attempt`] found, if the API server answered.
    async fn attempt_in_time(&self, seen: &mut Seen) -> Option<bool> {
        match tokio::time::timeout(RENEW, self.attempt(seen)).await {
            Ok(Ok(leads)) => return Some(leads),
            Ok(Err(error)) => tracing::warn!(%error, "the lease could not be taken or renewed"),
            Err(_) => tracing::warn!("the API server did not answer in time to take or renew the lease"),
        }
        None
    }

    /// One try to take or renew; true if this operator leads after it.
    async fn attempt(&self, seen: &mut Seen) -> Result<bool, Error> {
        let now = self.clock.now();
        let found = self.api.get_opt(&self.name).await.doing("read the lease")?;
        let spec = found.as_ref().and_then(|lease| lease.spec.as_ref());
        if !may_take(spec, &self.identity, seen, now) {
            return Ok(false);
        }
        let mut lease = found.clone().unwrap_or_else(|| Lease {
            metadata: ObjectMeta { name: Some(self.name.clone()), ..ObjectMeta::default() },
            spec: None,
        });
        lease.spec = Some(next(spec, &self.identity, now));
        #[expect(clippy::disallowed_methods, reason = "the Lease is no child")]
        let answer = match found {
            // The resource version goes along: of two who try at once, one is refused.
            Some(_) => self.api.replace(&self.name, &PostParams::default(), &lease).await,
            None => self.api.create(&PostParams::default(), &lease).await,
        };
        match answer {
            Ok(_) => {
                self.leadership.set(Some(now + HOLDS - MARGIN));
                Ok(true)
            }
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(false),
            Err(error) => Err(error).doing("write the lease"),
        }
    }
}

/// Whether the Lease is free, ours, or has not been renewed for its whole time as seen from here.
fn may_take(spec: Option<&LeaseSpec>, me: &str, seen: &mut Seen, now: DateTime<Utc>) -> bool {
    let Some(spec) = spec else { return true };
    let Some(holder) = spec.holder_identity.as_deref().filter(|h| !h.is_empty() && *h != me) else { return true };
    let renewed = spec.renew_time.as_ref().map(|t| (holder.to_owned(), t.0));
    if seen.renewed != renewed || seen.at == DateTime::<Utc>::default() {
        *seen = Seen { renewed, at: now };
        return false;
    }
    now - seen.at > TimeDelta::seconds(spec.lease_duration_seconds.unwrap_or(15).into())
}

fn next(old: Option<&LeaseSpec>, me: &str, now: DateTime<Utc>) -> LeaseSpec {
    let time = MicroTime(Timestamp::from_microsecond(now.timestamp_micros()).unwrap_or_default());
    let kept = old.filter(|s| s.holder_identity.as_deref() == Some(me));
    let transitions = old.and_then(|s| s.lease_transitions).unwrap_or(0);
    LeaseSpec {
        holder_identity: Some(me.to_owned()),
        lease_duration_seconds: i32::try_from(HOLDS.num_seconds()).ok(),
        acquire_time: kept.and_then(|s| s.acquire_time.clone()).or_else(|| Some(time.clone())),
        renew_time: Some(time),
        lease_transitions: Some(if kept.is_some() || old.is_none() { transitions } else { transitions + 1 }),
        ..LeaseSpec::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SetClock;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_795_500_000 + second, 0).unwrap()
    }

    #[test]
    fn a_free_lease_and_ones_own_are_taken_at_once() {
        let mut seen = Seen::default();
        assert!(may_take(None, "me", &mut seen, at(0)));
        assert!(may_take(Some(&LeaseSpec::default()), "me", &mut seen, at(0)));
        assert!(may_take(Some(&next(None, "me", at(0))), "me", &mut seen, at(1)));
    }

    #[test]
    fn anothers_lease_is_taken_only_when_it_was_not_renewed_for_its_whole_time_as_seen_from_here() {
        let mut seen = Seen::default();
        // Its clock is an hour behind: that alone is no reason.
        let theirs = next(None, "other", at(-3600));
        assert!(!may_take(Some(&theirs), "me", &mut seen, at(0)));
        assert!(!may_take(Some(&theirs), "me", &mut seen, at(14)));
        let renewed = next(Some(&theirs), "other", at(-3586));
        assert!(!may_take(Some(&renewed), "me", &mut seen, at(15)));
        assert!(!may_take(Some(&renewed), "me", &mut seen, at(30)));
        assert!(may_take(Some(&renewed), "me", &mut seen, at(31)));
    }

    #[test]
    fn a_takeover_is_counted_and_a_renewal_is_not() {
        let first = next(None, "a", at(0));
        let renewed = next(Some(&first), "a", at(3));
        assert_eq!((renewed.lease_transitions, &renewed.acquire_time), (Some(0), &first.acquire_time));
        assert_eq!(next(Some(&renewed), "b", at(6)).lease_transitions, Some(1));
    }

    #[test]
    fn a_leader_whose_machine_was_paused_does_not_write() {
        let clock = Arc::new(SetClock::at(at(0)));
        let leadership = Leadership::by_lease(clock.clone());
        assert!(leadership.check().is_err());
        leadership.set(Some(at(10)));
        assert!(leadership.check().is_ok());
        clock.set(at(3600));
        assert!(leadership.check().is_err());
    }
}
