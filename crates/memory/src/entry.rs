//! Entries: a remembered answer, where it came from, and what is needed to ask again.

use crate::{endpoint::Endpoint, key::Key};
use cherokee_wire::openai::{FinishReason, Usage};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Format of entries that this program writes. An entry of a later format is a miss, never an error.
pub const SCHEMA: u32 = 1;

/// A remembered answer.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// Format: [`SCHEMA`].
    pub schema: u32,
    /// Version of the answer, from 1; a dream that replaces it adds 1.
    pub version: u32,
    /// Who made this version.
    pub provenance: Provenance,
    /// Tenant whose query it answers.
    pub tenant: String,
    /// Model that answered, by its name in the layout.
    pub model: String,
    /// Revision of that model.
    pub revision: String,
    /// Role that answered.
    pub role: String,
    /// Device that answered, if the worker reported it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// When this version was made, seconds since 1970.
    pub created: i64,
    /// Endpoint of the query.
    pub endpoint: Endpoint,
    /// Canonical body of the query ([`Key::request`]).
    pub request: Value,
    /// The answer.
    pub answer: Answer,
}

/// Who made a version of an answer.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase", tag = "by")]
pub enum Provenance {
    /// A worker, for a client.
    Day,
    /// A dream job.
    #[serde(rename_all = "camelCase")]
    Dream {
        /// Night in which it ran.
        night: String,
        /// Kind of the job: `reanswer`.
        kind: String,
        /// Version that it replaced; 0: there was no entry, the answer by day had been cut by its limit.
        parent: u32,
    },
}

/// A whole answer. Only whole ones are remembered: never a cut stream.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    /// Text of the assistant's turn or of the completion.
    pub content: String,
    /// Why it ended.
    pub finish_reason: FinishReason,
    /// Tokens that it cost when it was made.
    pub usage: Usage,
    /// Other fields of the assistant's message, to be given back untouched.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub extra: Map<String, Value>,
}

impl Entry {
    /// First version of an entry, from an answer that a client got.
    pub fn by_day(key: &Key, role: &str, device: Option<&str>, answer: Answer, now: DateTime<Utc>) -> Self {
        Self {
            schema: SCHEMA,
            version: 1,
            provenance: Provenance::Day,
            tenant: key.tenant.clone(),
            model: key.model.clone(),
            revision: key.revision.clone(),
            role: role.to_owned(),
            device: device.map(str::to_owned),
            created: now.timestamp(),
            endpoint: key.endpoint,
            request: key.request.clone(),
            answer,
        }
    }

    /// Value of the header `x-cherokee-provenance`: `day/1`, `dream/2`.
    pub fn provenance_word(&self) -> String {
        let by = match self.provenance {
            Provenance::Day => "day",
            Provenance::Dream { .. } => "dream",
        };
        format!("{by}/{}", self.version)
    }

    /// Reads a stored entry; none when it is of a later format or not an entry at all.
    pub fn decode(text: &str) -> Option<Self> {
        #[derive(Deserialize)]
        struct Format {
            schema: u32,
        }
        let format: Format = serde_json::from_str(text).ok()?;
        if format.schema > SCHEMA { None } else { serde_json::from_str(text).ok() }
    }

    /// The form in which it is stored.
    pub fn encode(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }
}
