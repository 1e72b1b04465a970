//! Layouts by name.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Layout of roles over GPUs.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq, PartialOrd, Ord, JsonSchema)]
pub enum Strategy {
    /// Decided once from models and GPUs.
    #[default]
    Auto,
    /// One GPU and the cache.
    #[serde(rename = "SingleGPU")]
    SingleGpu,
    /// Conscious, dream and backup on a GPU each.
    Layer,
    /// One GPU a specialist, each query to one of them.
    Specialist,
    /// The same devices serve by day and dream by night.
    Temporal,
    /// Each GPU holds a specialist awake and its dream. Served by a later version.
    Hybrid,
    /// As `Hybrid`, each dream on another specialist's GPU. Served by a later version.
    Enterprise,
    /// A model too large for one GPU, its layers split. Served by a later version.
    Model,
}

impl Strategy {
    /// The word as users write it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Auto => "Auto",
            Self::SingleGpu => "SingleGPU",
            Self::Layer => "Layer",
            Self::Specialist => "Specialist",
            Self::Temporal => "Temporal",
            Self::Hybrid => "Hybrid",
            Self::Enterprise => "Enterprise",
            Self::Model => "Model",
        }
    }
}
