//! Answers that are refusals: one place where kinds become bodies, statuses and headers.

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use cherokee_wire::{
    error::{Code, ErrorBody, ErrorDetail},
    headers::SHOULD_RETRY,
};
use http::{HeaderValue, StatusCode, header};
use std::fmt::Display;

/// Longest `Retry-After`, in seconds: OpenAI's Python and Node libraries take a longer one for unreasonable and retry within seconds,
/// while its .NET library and kube sleep through whatever it says. The message has the full time.
const LONGEST_RETRY_AFTER: u64 = 60;

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
    /// Seconds until a retry makes sense. `Retry-After` says at most 60; a longer wait also sends `x-should-retry: false`.
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
            let headers = response.headers_mut();
            headers.insert(header::RETRY_AFTER, seconds.min(LONGEST_RETRY_AFTER).into());
            if seconds > LONGEST_RETRY_AFTER {
                headers.insert(SHOULD_RETRY, HeaderValue::from_static("false"));
            }
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_client_is_told_to_sleep_for_longer_than_a_minute() {
        let sent = |seconds| {
            let response = Refusal::new(Code::Asleep, "asleep").after(seconds).into_response();
            let header = |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
            (header("retry-after"), header("x-should-retry"))
        };
        assert_eq!(sent(2), (Some("2".into()), None));
        assert_eq!(sent(60), (Some("60".into()), None));
        assert_eq!(sent(61), (Some("60".into()), Some("false".into())));
        assert_eq!(sent(25_200), (Some("60".into()), Some("false".into())));
    }
}
