//! A query that is not answered: OpenAI's error body with the right status.

use crate::{app::Closed, metrics::Outcome};
use axum::{
    Json,
    extract::rejection::BytesRejection,
    http::{StatusCode, header::RETRY_AFTER},
    response::{IntoResponse, Response},
};
use cherokee_engine::Refused;
use cherokee_wire::error::{Code, ErrorBody};

/// Seconds after which a full queue is worth another try.
const FULL_RETRY_SECONDS: u64 = 1;
/// Seconds after which a loading worker is worth another try.
const LOADING_RETRY_SECONDS: u64 = 5;

/// Why a query is not answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    code: Code,
    pub(super) body: ErrorBody,
    retry_after: Option<u64>,
}

impl Refusal {
    /// The body is wrong at field `param`.
    pub(super) fn invalid(param: &str, message: impl Into<String>) -> Self {
        Self::new(Code::InvalidRequest, message, Some(param))
    }

    pub(super) fn new(code: Code, message: impl Into<String>, param: Option<&str>) -> Self {
        Self { code, body: ErrorBody::new(code, message, param), retry_after: None }
    }

    /// No model of this name.
    pub(super) fn no_model(message: impl Into<String>) -> Self {
        Self::new(Code::ModelNotFound, message, Some("model"))
    }

    /// How it is counted.
    pub(super) fn outcome(&self) -> Outcome {
        match self.code {
            Code::QueueFull => Outcome::Full,
            Code::Loading | Code::Draining => Outcome::Closed,
            Code::Internal | Code::StreamCut => Outcome::Failed,
            _ => Outcome::Invalid,
        }
    }

    fn retry_after(self, seconds: u64) -> Self {
        Self { retry_after: Some(seconds), ..self }
    }
}

impl From<Closed> for Refusal {
    fn from(closed: Closed) -> Self {
        match closed {
            Closed::Loading => Self::new(Code::Loading, "the worker loads its models; try again", None)
                .retry_after(LOADING_RETRY_SECONDS),
            Closed::Draining => {
                Self::new(Code::Draining, "the worker ends and takes nothing new; ask another", None).retry_after(0)
            }
            Closed::Broken => Self::new(Code::Internal, "the engine has failed and is about to be restarted", None),
        }
    }
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        let words = refused.to_string();
        match refused {
            Refused::UnknownModel { .. } => Self::no_model(words),
            Refused::Full { .. } => Self::new(Code::QueueFull, words, None).retry_after(FULL_RETRY_SECONDS),
            Refused::TooLong { .. } => Self::new(Code::ContextLengthExceeded, words, Some("messages")),
            Refused::Prompt(_) => Self::invalid("messages", words),
            Refused::Ended => Closed::Broken.into(),
        }
    }
}

impl From<BytesRejection> for Refusal {
    fn from(rejection: BytesRejection) -> Self {
        let code = match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => Code::RequestTooLarge,
            _ => Code::InvalidRequest,
        };
        Self::new(code, rejection.body_text(), None)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.code.wire().0).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let retry = self.retry_after.map(|seconds| [(RETRY_AFTER, seconds.to_string())]);
        (status, retry, Json(self.body)).into_response()
    }
}
