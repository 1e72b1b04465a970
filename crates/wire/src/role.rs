//! The words for roles that all programs share.

use serde::{Deserialize, Serialize};

/// What a role is for. The order is that of placement: where GPUs are short, an earlier layer has its device first.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Layer {
    /// Answers new queries.
    Conscious,
    /// Answers the queries of one domain.
    Specialist,
    /// Stands in for other roles.
    Backup,
    /// Dreams: consolidates the cache, takes overflow.
    Subconscious,
}

impl Layer {
    /// The word for headers and metrics: lower case.
    pub fn word(self) -> &'static str {
        match self {
            Self::Conscious => "conscious",
            Self::Specialist => "specialist",
            Self::Backup => "backup",
            Self::Subconscious => "subconscious",
        }
    }
}

/// Whether a role admits queries.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum RoleState {
    /// Admits queries. Its worker may still be starting, which its endpoints tell.
    Awake,
    /// Admits nothing new, running queries end.
    Draining,
    /// Outside its windows.
    Asleep,
    /// Wanted, but without a place.
    Waiting,
}

impl RoleState {
    /// The word as users read it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Awake => "Awake",
            Self::Draining => "Draining",
            Self::Asleep => "Asleep",
            Self::Waiting => "Waiting",
        }
    }
}
