//! What can go wrong while a model is loaded or computes.

use std::path::PathBuf;

/// A fault of a model file, of the device, or of the memory budget.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("model file `{}` cannot be read: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file lacks something, or has it in a form that is not understood.
    #[error("model file: {0}")]
    Format(String),
    /// The file is sound but asks for something that this engine does not compute.
    #[error("model file: {what} `{found}` is not supported; supported: {supported}")]
    Unsupported {
        /// The metadata key or tensor.
        what: String,
        /// What the file says.
        found: String,
        /// What would be understood.
        supported: &'static str,
    },
    /// A GPU was asked for and there is none to compute on.
    #[error("no GPU: {0}")]
    NoGpu(String),
    /// Weights, KV cache and reserve exceed the budget.
    #[error(
        "model `{model}` needs {needs} MiB (weights {weights} + KV cache {kv_cache} for {sequences} sequences of \
         {context} tokens + reserve {reserve}), the budget is {budget} MiB; lower the context or the sequences, or raise it"
    )]
    OverBudget {
        /// Name of the model, or of several joined by `+`.
        model: String,
        /// Sum, in MiB.
        needs: u64,
        /// Weights, in MiB.
        weights: u64,
        /// KV cache, in MiB.
        kv_cache: u64,
        /// Activations and runtime, in MiB.
        reserve: u64,
        /// The budget, in MiB.
        budget: u64,
        /// Sequences at once.
        sequences: usize,
        /// Tokens of each.
        context: usize,
    },
    /// The tokenizer in the file cannot be built.
    #[error("tokenizer of the model file: {0}")]
    Tokenizer(String),
    /// The chat template fails on this conversation, or there is none.
    #[error("chat template: {0}")]
    Template(String),
    /// The tensor library failed.
    #[error("computing failed: {0}")]
    Compute(#[from] candle_core::Error),
}

impl Error {
    /// Fixed word for metrics, events and termination messages. Never holds names or numbers.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::File { .. } => "ModelFileUnreadable",
            Self::Format(_) => "ModelFileInvalid",
            Self::Unsupported { .. } => "ModelNotSupported",
            Self::NoGpu(_) => "NoGpu",
            Self::OverBudget { .. } => "NotEnoughMemory",
            Self::Tokenizer(_) => "TokenizerInvalid",
            Self::Template(_) => "TemplateFailed",
            Self::Compute(_) => "ComputeFailed",
        }
    }
}
