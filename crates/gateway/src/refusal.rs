//! Answers that are refusals: one place where kinds become bodies, statuses and headers.

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use cherokee_wire::error::{Code, ErrorBody, ErrorDetail};
use http::{HeaderValue, StatusCode, header};
use std::fmt::Display;

/// Why a query is not answered, and when to come back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Fixed word; none for addresses that do not exist, as OpenAI has it.
    pub code: Option<Code>,
    /// HTTP status.
    pub status: u16,
    /// What is wrong and what to do.
    pub message: String,
    /// Request field at fault.
    pub param: Option<&'static str>,
    /// Seconds for `Retry-After`.
    pub retry_after: Option<u64>,
}

impl Refusal {
    /// A refusal with the status of its code.
    pub fn new(code: Code, message: impl Display) -> Self {
        Self { code: Some(code), status: code.wire().0, message: message.to_string(), param: None, retry_after: None }
    }

    /// The same, with the seconds to wait.
    #[must_use]
    pub fn after(self, seconds: u64) -> Self {
        Self { retry_after: Some(seconds), ..self }
    }

    /// A body that the endpoint does not take.
    pub fn invalid(message: impl Display, param: Option<&'static str>) -> Self {
        Self { param, ..Self::new(Code::InvalidRequest, message) }
    }

    /// An address or method that does not exist.
    pub fn no_such(status: StatusCode, message: impl Display) -> Self {
        Self { code: None, status: status.as_u16(), message: message.to_string(), param: None, retry_after: None }
    }

    /// Nobody answers for `asked`; `known` names are.
    pub fn unknown_model(asked: &str, known: &[String]) -> Self {
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        let message = if asked.is_empty() || asked == "default" {
            format!("no role is the default route; set `model` to one of: {known}")
        } else {
            format!("no role answers for model `{asked}`; known names: {known}")
        };
        Self { param: Some("model"), ..Self::new(Code::ModelNotFound, message) }
    }

    /// Word for metrics.
    pub fn word(&self) -> String {
        let word = self.code.and_then(|code| serde_json::to_value(code).ok()?.as_str().map(str::to_owned));
        word.unwrap_or_else(|| "no_such_address".to_owned())
    }

    /// The body.
    pub fn body(&self) -> ErrorBody {
        match self.code {
            Some(code) => ErrorBody::new(code, &self.message, self.param),
            None => ErrorBody {
                error: ErrorDetail {
                    message: self.message.clone(),
                    kind: "invalid_request_error".to_owned(),
                    param: None,
                    code: None,
                },
            },
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(serde_json::json!(self.body()).to_string()));
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}
