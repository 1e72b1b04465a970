//! The error body of the OpenAI API, and the words that we put into it.

use serde::{Deserialize, Serialize};

/// Body of every answer that is not a success, and of the data event that ends a cut stream.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
pub struct ErrorBody {
    /// The error.
    pub error: ErrorDetail,
}

/// The fields that OpenAI's clients read.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
pub struct ErrorDetail {
    /// For a person: what is wrong and what to do.
    pub message: String,
    /// Class of the error: `invalid_request_error`, `authentication_error`, `rate_limit_error`, `server_error`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Request field at fault, if one is.
    pub param: Option<String>,
    /// Fixed word for programs: one of [`Code`].
    pub code: Option<Code>,
}

/// Fixed words for programs; never holds names or numbers.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// The endpoint does not accept the body (400).
    InvalidRequest,
    /// Prompt and answer together exceed the model's context (400).
    ContextLengthExceeded,
    /// No or a wrong API key (401).
    InvalidApiKey,
    /// No role answers for this model name (404).
    ModelNotFound,
    /// The body is larger than the gateway takes (413).
    RequestTooLarge,
    /// The queue is full; try again after `Retry-After` seconds (429).
    QueueFull,
    /// All roles that could answer are asleep; the message has the seconds until one wakes, `Retry-After` 60 of them at most (503).
    Asleep,
    /// The process ends and takes nothing new (503).
    Draining,
    /// Models are being loaded (503).
    Loading,
    /// No worker could be reached (503).
    NoWorker,
    /// A worker failed after its first byte was out: the stream is cut (event in the stream).
    StreamCut,
    /// The endpoint is not offered (501).
    NotOffered,
    /// A fault of ours (500).
    Internal,
}

impl Code {
    /// HTTP status and OpenAI's class of this error: the one place where kinds become status codes.
    pub fn wire(self) -> (u16, &'static str) {
        match self {
            Self::InvalidRequest | Self::ContextLengthExceeded => (400, "invalid_request_error"),
            Self::InvalidApiKey => (401, "authentication_error"),
            Self::ModelNotFound => (404, "invalid_request_error"),
            Self::RequestTooLarge => (413, "invalid_request_error"),
            Self::QueueFull => (429, "rate_limit_error"),
            Self::Asleep | Self::Draining | Self::Loading | Self::NoWorker => (503, "server_error"),
            Self::NotOffered => (501, "server_error"),
            Self::StreamCut | Self::Internal => (500, "server_error"),
        }
    }
}

impl ErrorBody {
    /// An error with its class taken from `code`; `param` names the request field at fault.
    pub fn new(code: Code, message: impl Into<String>, param: Option<&str>) -> Self {
        let kind = code.wire().1.to_owned();
        Self { error: ErrorDetail { message: message.into(), kind, param: param.map(str::to_owned), code: Some(code) } }
    }
}
