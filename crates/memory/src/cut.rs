//! Queries whose answer was cut by its token limit. They are not remembered by day; a dream answers them first.
//!
//! The list is bounded: the [`MAX_CUTS`] hottest requests of at most [`MAX_CUT_BYTES`] each, outside the budget of
//! entries.

use crate::{Endpoint, Error, Fingerprint, Key, Store, link::WORK, store::script};
use cherokee_wire::openai::Usage;
use chrono::{DateTime, Utc};
use redis::Script;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::LazyLock;

/// Most queries that are kept.
pub const MAX_CUTS: usize = 500;
/// Largest query that is kept, in bytes.
pub const MAX_CUT_BYTES: usize = 32 * 1024;

static NOTE: LazyLock<Script> = script!("note_cut.lua");

/// A query whose answer was cut.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Cut {
    /// Its fingerprint.
    pub fingerprint: Fingerprint,
    /// Tenant that asked.
    pub tenant: String,
    /// Model that answered.
    pub model: String,
    /// Revision of that model.
    pub revision: String,
    /// Endpoint of the query.
    pub endpoint: Endpoint,
    /// Canonical body of the query.
    pub request: Value,
    /// Tokens that the cut answer cost.
    pub usage: Usage,
}

impl Cut {
    /// The query of `key`, whose answer was cut after `usage`.
    pub fn new(key: &Key, usage: Usage) -> Self {
        let Key { fingerprint, tenant, model, revision, endpoint, request } = key.clone();
        Self { fingerprint, tenant, model, revision, endpoint, request, usage }
    }
}

impl Store {
    /// Notes a query whose answer ended with `finish_reason: length`. Too large a query is not noted.
    pub async fn note_cut(&self, cut: &Cut, now: DateTime<Utc>) -> Result<(), Error> {
        let Ok(body) = serde_json::to_string(cut) else { return Ok(()) };
        if body.len() > MAX_CUT_BYTES {
            return Ok(());
        }
        let arguments = [&*cut.fingerprint.to_string(), &now.timestamp().to_string(), &MAX_CUTS.to_string(), &body];
        self.link.run(WORK, &NOTE, &self.prefix, &arguments).await
    }

    /// The queries that were cut, hottest first.
    pub async fn cuts(&self) -> Result<Vec<Cut>, Error> {
        let order = redis::Cmd::zrevrange(self.key("cut"), 0, -1);
        let names: Vec<String> = self.link.ask(WORK, |mut to| async move { order.query_async(&mut to).await }).await?;
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let get = redis::Cmd::hmget(self.key("cuts"), names);
        let bodies: Vec<Option<String>> =
            self.link.ask(WORK, |mut to| async move { get.query_async(&mut to).await }).await?;
        Ok(bodies.iter().flatten().filter_map(|body| serde_json::from_str(body).ok()).collect())
    }

    /// One noted query, if it is still noted.
    pub async fn cut(&self, fingerprint: &Fingerprint) -> Result<Option<Cut>, Error> {
        let get = redis::Cmd::hget(self.key("cuts"), fingerprint.to_string());
        let body: Option<String> = self.link.ask(WORK, |mut to| async move { get.query_async(&mut to).await }).await?;
        Ok(body.and_then(|body| serde_json::from_str(&body).ok()))
    }

    /// Drops a noted query, because a larger budget would not help it.
    pub async fn drop_cut(&self, fingerprint: &Fingerprint) -> Result<(), Error> {
        let name = fingerprint.to_string();
        let mut both = redis::pipe();
        both.atomic().zrem(self.key("cut"), &name).ignore().hdel(self.key("cuts"), &name).ignore();
        self.link.ask(WORK, |mut to| async move { both.exec_async(&mut to).await }).await
    }
}
