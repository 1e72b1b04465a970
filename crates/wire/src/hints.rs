//! Hints: what the autonomic daemon asks of the next plan. ConfigMap `<cluster>-hints`, key [`KEY`].
//!
//! A hint is an input, bounded by the spec; it never creates or deletes a child on its own.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Key of the document in its ConfigMap.
pub const KEY: &str = "hints.json";

/// Requests of the daemon to the next plan.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Hints {
    /// Roles to wake, by name.
    #[serde(default)]
    pub wake: BTreeMap<String, Wake>,
}

/// One role to wake and for how long.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Wake {
    /// Start, RFC 3339.
    pub from: String,
    /// End, RFC 3339; cut to the role's `onDemand.maxDuration`.
    pub until: String,
}

/// Figures of the muscle memory for `status`, in coarse steps; [`MemoryReport::KEY`] of the same ConfigMap.
///
/// It changes rarely on purpose: every change is a write to the API server. Exact figures are metrics.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct MemoryReport {
    /// Share of look-ups that found an entry, in percent, in steps of 5; absent before the first look-up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hit_percent: Option<u8>,
    /// Entries, two significant digits.
    #[serde(default)]
    pub entries: u64,
}

impl MemoryReport {
    /// Key of the document in its ConfigMap.
    pub const KEY: &str = "memory.json";
}
