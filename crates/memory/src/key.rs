//! Keys: which queries may be remembered, and when two of them are the same query.
//!
//! A key covers everything that shapes an answer: tenant, model, revision of the model, endpoint, and the canonical
//! form of the body. The cluster is in the prefix of every Redis key ([`Options`](crate::Options)), not in the
//! fingerprint.
//!
//! Sampled answers (`temperature` above 0) are remembered like greedy ones: whoever sends the exact query again with
//! the exact sampling gets the earlier sample. A client that wants a fresh one sends `cache-control: no-store` or
//! another `seed`.

use crate::{canon, endpoint::Endpoint};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::{fmt, str::FromStr};

/// Version of the canonical form: raised when the rules change, so that old entries are missed and never misread.
const FORM: u32 = 1;

/// Who asks what, beside the body.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Tenant of the query: no tenant ever sees the entries of another.
    pub tenant: &'a str,
    /// Name of the model in the layout that the query resolves to, not the `model` of the body.
    pub model: &'a str,
    /// Revision of that model, from the layout.
    pub revision: &'a str,
    /// Endpoint that was called.
    pub endpoint: Endpoint,
}

/// Whether a query may be remembered.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// It may, under this key.
    Remember(Box<Key>),
    /// It may not, for this reason: one short phrase for logs and metrics.
    Bypass(&'static str),
}

/// Identity of a query and what is needed to ask it again.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    /// Hash of all the rest.
    pub fingerprint: Fingerprint,
    /// See [`Asked::tenant`].
    pub tenant: String,
    /// See [`Asked::model`].
    pub model: String,
    /// See [`Asked::revision`].
    pub revision: String,
    /// See [`Asked::endpoint`].
    pub endpoint: Endpoint,
    /// Canonical body: without `model` and without the fields that shape only the delivery.
    pub request: Value,
}

/// Decides whether the query may be remembered, and under which key.
///
/// Not remembered are: bodies that are no object, tools, content that is not text, several answers or prompts, and
/// log-probabilities. Two bodies get the same key when they differ only in the order of keys, white space at the ends
/// of a message, the composition of Unicode characters, fields with their default value, or fields of delivery
/// (`stream`, `user`, …).
pub fn judge(asked: &Asked<'_>, body: &Value) -> Verdict {
    match canon::canonical(asked.endpoint, body) {
        Ok(request) => Verdict::Remember(Box::new(key(asked, request))),
        Err(reason) => Verdict::Bypass(reason),
    }
}

fn key(asked: &Asked<'_>, request: Value) -> Key {
    let Asked { tenant, model, revision, endpoint } = *asked;
    let all = serde_json::json!([FORM, tenant, model, revision, endpoint.word(), request]);
    Key {
        fingerprint: Fingerprint(Sha256::digest(canon::text(&all)).into()),
        tenant: tenant.to_owned(),
        model: model.to_owned(),
        revision: revision.to_owned(),
        endpoint,
        request,
    }
}

/// SHA-256 over everything that makes a query; written as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Fingerprint([u8; 32]);

impl fmt::Display for Fingerprint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

impl FromStr for Fingerprint {
    type Err = hex::FromHexError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes)?;
        Ok(Self(bytes))
    }
}

impl TryFrom<String> for Fingerprint {
    type Error = hex::FromHexError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Fingerprint> for String {
    fn from(fingerprint: Fingerprint) -> Self {
        fingerprint.to_string()
    }
}
