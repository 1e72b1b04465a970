//! Secrets and claims on volumes that CherokeeClusters name: got by name, never listed or watched. Remembered between passes
//! for ten minutes; while missing, or while a pod of the cluster does not start, for a minute at most.

use crate::{
    error::{Doing, Error},
    name::Name,
};
use chrono::{DateTime, TimeDelta, Utc};
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Secret};
use kube::{Api, Client};
use prometheus_client::metrics::counter::Counter;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// How long an object that is there counts as there.
const KNOWN: TimeDelta = TimeDelta::minutes(10);
/// Longest time between two looks at one that is missing, or that a failing pod may miss.
const ANXIOUS: TimeDelta = TimeDelta::minutes(1);

/// One object that is got by name, in the namespace of its CherokeeCluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Object {
    /// A Secret that the spec names.
    Secret {
        /// For which part.
        part: Use,
        /// Its name.
        name: String,
        /// The key that is read from it; none: any one with a value will do.
        key: Option<&'static str>,
    },
    /// A claim on a volume.
    Claim(String),
    /// The Secret with the generated password.
    Password(String),
}

/// For which part something is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Use {
    /// API keys of the gateway: any key will do.
    ApiKeys,
    /// Address of an external Redis.
    Connection,
    /// A model or its token.
    Model,
}

/// Something that the spec names and that is not there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Missing {
    /// For which part.
    pub part: Use,
    /// Kind and name, as "Secret `x`".
    pub object: String,
    /// The object is there and lacks this key, or any at all.
    pub key: Option<String>,
}

/// What was found.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Found {
    /// It does not exist.
    Absent,
    /// It exists, with all that is read from it.
    There,
    /// It is a Secret that lacks this key, in words.
    Lacks(String),
    /// It is the Secret with this password.
    Password(String),
    /// It is the Secret with the password, and its keys are missing or disagree.
    Unusable,
}

#[derive(Clone)]
struct Look {
    found: Found,
    at: DateTime<Utc>,
    /// Looks in a row that found nothing.
    misses: u32,
    /// The parts that read it, as they were then.
    parts: String,
}

impl Look {
    fn due(&self, failing: bool) -> DateTime<Utc> {
        let wait = match self.found {
            Found::Absent | Found::Unusable | Found::Lacks(_) => {
                ANXIOUS.min(TimeDelta::seconds(1 << self.misses.min(6)))
            }
            Found::There | Found::Password(_) if failing => ANXIOUS,
            Found::There | Found::Password(_) => KNOWN,
        };
        self.at + wait
    }
}

/// What is known of named objects, by the cluster that names them.
#[derive(Default)]
pub(crate) struct Named {
    known: Mutex<BTreeMap<Name, BTreeMap<Object, Look>>>,
    reads: Counter,
}

impl Named {
    /// Counts reads in `reads`.
    pub(crate) fn new(reads: Counter) -> Self {
        Self { reads, ..Self::default() }
    }

    /// What is found of all that the cluster `owner` names, and when the next look is due. What it no longer names is
    /// forgotten. `parts` tells which objects read the password: when they change, it is looked for at once.
    pub(crate) async fn look(
        &self,
        client: &Client,
        owner: &Name,
        wanted: BTreeSet<Object>,
        failing: bool,
        parts: &str,
        now: DateTime<Utc>,
    ) -> Result<(BTreeMap<Object, Found>, Option<DateTime<Utc>>), Error> {
        let old = self.locked().remove(owner).unwrap_or_default();
        let looks = wanted.into_iter().map(|object| {
            let known = old.get(&object).cloned();
            async move {
                // A password that was missing may have been made by the last pass.
                let anew = matches!((&object, &known), (Object::Password(_), Some(look))
                    if look.found == Found::Absent || look.parts != parts);
                let look = match known {
                    Some(look) if !anew && now >= look.at && now < look.due(failing) => look,
                    known => self.get(client, &owner.namespace, &object, known.as_ref(), parts, now).await?,
                };
                Ok::<_, Error>((object, look))
            }
        });
        let looks: BTreeMap<_, _> = futures::future::try_join_all(looks).await?.into_iter().collect();
        let found = looks.iter().map(|(object, look)| (object.clone(), look.found.clone())).collect();
        // A missing password is made by the pass that asks, or as soon as one goes through.
        let awaited =
            looks.iter().filter(|(object, look)| !matches!(object, Object::Password(_)) || look.found != Found::Absent);
        let due = awaited.map(|(_, look)| look.due(failing)).min();
        self.locked().insert(owner.clone(), looks);
        Ok((found, due))
    }

    /// Notes the password that a pass has just stored.
    pub(crate) fn made(&self, owner: &Name, secret: String, password: String, now: DateTime<Utc>) {
        if let Some(known) = self.locked().get_mut(owner) {
            let look = Look { found: Found::Password(password), at: now, misses: 0, parts: String::new() };
            known.insert(Object::Password(secret), look);
        }
    }

    /// Notes the parts that read the password as a pass has left them: its own changes are no cause for a look.
    pub(crate) fn left(&self, owner: &Name, parts: &str) {
        for (object, look) in self.locked().get_mut(owner).into_iter().flatten() {
            if matches!(object, Object::Password(_)) {
                parts.clone_into(&mut look.parts);
            }
        }
    }

    /// The cluster is gone.
    pub(crate) fn forget(&self, owner: &Name) {
        self.locked().remove(owner);
    }

    async fn get(
        &self,
        client: &Client,
        namespace: &str,
        object: &Object,
        known: Option<&Look>,
        parts: &str,
        now: DateTime<Utc>,
    ) -> Result<Look, Error> {
        self.reads.inc();
        let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
        let there = |found: bool| if found { Found::There } else { Found::Absent };
        let found = match object {
            Object::Secret { name, key, .. } => secrets.get_opt(name).await.map(|found| judge(*key, found.as_ref())),
            Object::Claim(name) => {
                let claims: Api<PersistentVolumeClaim> = Api::namespaced(client.clone(), namespace);
                claims.get_metadata_opt(name).await.map(|found| there(found.is_some()))
            }
            Object::Password(name) => secrets.get_opt(name).await.map(|found| match found {
                Some(secret) => crate::children::stored_password(&secret).map_or(Found::Unusable, Found::Password),
                None => Found::Absent,
            }),
        };
        let found = found.doing(format!("look for {}", words(object)))?;
        let missing = matches!(found, Found::Absent | Found::Unusable | Found::Lacks(_));
        let misses = if missing { known.map_or(0, |look| look.misses + 1) } else { 0 };
        Ok(Look { misses, found, at: now, parts: parts.to_owned() })
    }

    fn locked(&self) -> MutexGuard<'_, BTreeMap<Name, BTreeMap<Object, Look>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a Secret lacks. No key named: any one with a value will do.
fn judge(key: Option<&str>, found: Option<&Secret>) -> Found {
    let Some(secret) = found else { return Found::Absent };
    let mut held = secret.data.iter().flatten().filter(|(_, value)| !value.0.trim_ascii().is_empty());
    match key {
        _ if held.any(|(held, _)| key.is_none_or(|key| key == held)) => Found::There,
        Some(key) => Found::Lacks(format!("the key `{key}`")),
        None => Found::Lacks("any key".to_owned()),
    }
}

/// What the spec names and lacks, from what was found of an object. The generated password is no part of the spec.
pub(crate) fn missing(object: &Object, found: &Found) -> Option<Missing> {
    let part = match object {
        Object::Secret { part, .. } => *part,
        Object::Claim(_) => Use::Model,
        Object::Password(_) => return None,
    };
    let key = match found {
        Found::Absent => None,
        Found::Lacks(key) => Some(key.clone()),
        Found::There | Found::Password(_) | Found::Unusable => return None,
    };
    Some(Missing { part, object: words(object), key })
}

/// An object as messages and conditions name it.
fn words(object: &Object) -> String {
    match object {
        Object::Secret { name, .. } | Object::Password(name) => format!("Secret `{name}`"),
        Object::Claim(name) => format!("PersistentVolumeClaim `{name}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_missing_is_looked_for_ever_more_rarely_up_to_a_minute_and_what_is_there_every_ten() {
        let at = DateTime::from_timestamp(1_795_500_000, 0).unwrap();
        let wait =
            |found, misses, failing| (Look { found, at, misses, parts: String::new() }.due(failing) - at).num_seconds();
        assert_eq!([0, 1, 5, 6, 99].map(|misses| wait(Found::Absent, misses, false)), [1, 2, 32, 60, 60]);
        assert_eq!((wait(Found::There, 0, false), wait(Found::There, 0, true)), (600, 60));
    }

    #[test]
    fn a_secret_has_to_hold_what_is_read_from_it() {
        let secret = |data| serde_json::from_value(json!({"metadata": {"name": "s"}, "data": data})).unwrap();
        let lacks = |key, data| {
            let object = Object::Secret { part: Use::Model, name: "s".into(), key };
            missing(&object, &judge(key, Some(&secret(data))))?.key
        };
        let object = Object::Secret { part: Use::Model, name: "s".into(), key: None };
        assert_eq!(missing(&object, &judge(None, None)).unwrap().key, None);
        assert_eq!(lacks(Some("token"), json!({"token": "eA=="})), None);
        assert_eq!(lacks(Some("token"), json!({"other": "eA=="})).as_deref(), Some("the key `token`"));
        assert_eq!(lacks(Some("token"), json!({"token": ""})).as_deref(), Some("the key `token`"));
        assert_eq!(lacks(None, json!({"anna": "eA=="})), None);
        assert_eq!(lacks(None, json!({})).as_deref(), Some("any key"));
    }
}
