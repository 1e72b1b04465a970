//! What can end a pass early.

/// Why a pass ended early. What runs keeps running; the pass is tried again with backoff.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API server refused or did not answer.
    #[error("{doing}: {source}")]
    Api {
        /// What was tried.
        doing: String,
        /// What came back.
        #[source]
        source: kube::Error,
    },
    /// Another writer was faster; the next pass sees what it wrote.
    #[error("Secret `{secret}` appeared while it was being created: the next pass reads it")]
    Raced {
        /// Name of the Secret.
        secret: String,
    },
    /// Children of one kind are not known, because they may not be listed.
    #[error("{kind}s in namespace `{namespace}` cannot be watched: grant `list` and `watch` to the operator there")]
    Unlisted {
        /// Which kind.
        kind: crate::children::Kind,
        /// Where.
        namespace: String,
    },
    /// The API server did not answer all that a pass asked.
    #[error("the pass was not done after {} s, because the API server answers slowly or not at all", limit.as_secs())]
    Slow {
        /// After how long.
        limit: std::time::Duration,
    },
    /// The Secret with the password of the muscle memory is there and of no use.
    #[error(
        "Secret `{secret}` lacks the keys of the muscle memory's password, or they disagree: delete it, and a new password is made"
    )]
    Password {
        /// Name of the Secret.
        secret: String,
    },
    /// The API of GpuHolds is not served.
    #[error(
        "the API server does not serve GpuHolds: install the CRDs of this version, as docs/install.md says; until then no GPU is taken or given up, and what runs goes on"
    )]
    HoldsMissing,
    /// Other clusters took devices while this one was planned.
    #[error("other CherokeeClusters took GPUs {tries} times while this one was planned: it is planned again")]
    Overtaken {
        /// How often it was planned.
        tries: u32,
    },
    /// This operator no longer leads, so it must not write.
    #[error("the lease is held by another operator or could not be renewed: nothing is written")]
    NotLeading,
    /// A document that the operator writes itself could not be made.
    #[error("writing {what}: {source}")]
    Document {
        /// Which document.
        what: &'static str,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// The address for health and metrics could not be taken.
    #[error("listening on {address}: {source}")]
    Listen {
        /// Which address.
        address: std::net::SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// No way to the API server was found.
    #[error("finding the API server: {0}")]
    NoServer(#[source] Box<kube::Error>),
}

impl Error {
    /// Fixed word for metrics. Never holds names or numbers.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Api { source: kube::Error::Api(status), .. } => match status.code {
                403 => "Forbidden",
                409 => "Conflict",
                422 => "Invalid",
                _ => "ApiServer",
            },
            Self::Api { .. } | Self::Slow { .. } => "ApiServerAway",
            Self::Unlisted { .. } => "Forbidden",
            Self::Raced { .. } => "Raced",
            Self::Password { .. } => "PasswordUnusable",
            Self::HoldsMissing => cherokee_api::names::reason::HOLDS_MISSING,
            Self::Overtaken { .. } => "Overtaken",
            Self::NotLeading => "NotLeading",
            Self::Document { .. } => "Document",
            Self::Listen { .. } => "Listen",
            Self::NoServer(_) => "NoServer",
        }
    }
}

/// Says what was tried when the API server's answer is an error.
pub(crate) trait Doing<T> {
    /// `doing` is a phrase with names, as "list the nodes".
    fn doing(self, doing: impl Into<String>) -> Result<T, Error>;
}

impl<T> Doing<T> for Result<T, kube::Error> {
    fn doing(self, doing: impl Into<String>) -> Result<T, Error> {
        self.map_err(|source| Error::Api { doing: doing.into(), source })
    }
}
