//! Why a worker ends before its time.

use crate::{download, sources};
use std::{io, path::PathBuf};

/// Why a worker cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The address cannot be served on, or the runtime does not start.
    #[error("cannot serve: {0}")]
    Listen(String),
    /// This process cannot become what it must be.
    #[error("process: {0}")]
    Process(String),
    /// The arguments contradict each other, or a model is not where they say.
    #[error(transparent)]
    Source(#[from] sources::Fault),
    /// The token file cannot be read.
    #[error("--model-token-file `{}` cannot be read: {cause}", path.display())]
    Token {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// A model cannot be fetched.
    #[error(transparent)]
    Download(#[from] download::Fault),
    /// Device, budget or model file.
    #[error(transparent)]
    Engine(#[from] cherokee_engine::Error),
    /// The engine's thread has ended.
    #[error("the engine has failed; its fault is in the log above")]
    Broken,
}

impl Fault {
    /// Fixed word for logs and the termination message. Never holds names or numbers.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Listen(_) => "CannotServe",
            Self::Process(_) => "ProcessFailed",
            Self::Source(_) => "ModelSourceInvalid",
            Self::Token { .. } => "TokenUnreadable",
            Self::Download(download::Fault::WrongDigest { .. }) => "ModelDigestWrong",
            Self::Download(download::Fault::NotAllowed { .. }) => "ModelAddressNotAllowed",
            Self::Download(download::Fault::TooLarge { .. }) => "ModelTooLarge",
            Self::Download(_) => "ModelDownloadFailed",
            Self::Engine(fault) => fault.reason(),
            Self::Broken => "EngineFailed",
        }
    }
}
