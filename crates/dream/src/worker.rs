//! The worker beside us, over HTTP.

use cherokee_memory::{Answer, Endpoint};
use cherokee_wire::{
    headers,
    openai::{ChatAnswer, CompletionAnswer, Content, FinishReason},
};
use reqwest::{Client, Response, StatusCode, header::RETRY_AFTER};
use serde_json::{Map, Value};
use std::time::Duration;

/// Longest wait that a worker may ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// Wait when a worker is away or full and does not say for how long.
const WAIT: Duration = Duration::from_secs(2);

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The worker is away, loading, or full: ask again after this time.
    NotNow(Duration),
    /// It will never answer this query.
    Refused(StatusCode),
    /// It failed on this query.
    Failed,
}

/// The worker beside us.
pub(crate) struct Worker {
    client: Client,
    url: String,
}

impl Worker {
    /// A worker at `url` that has `timeout` for one answer.
    pub(crate) fn new(url: &str, timeout: Duration) -> Result<Self, reqwest::Error> {
        let client = Client::builder().timeout(timeout).no_proxy().build()?;
        Ok(Self { client, url: url.trim_end_matches('/').to_owned() })
    }

    /// Asks a canonical request of `model` with this budget of tokens, at background priority.
    pub(crate) async fn ask(
        &self,
        endpoint: Endpoint,
        model: &str,
        request: &Value,
        budget: u32,
    ) -> Result<Answer, Trouble> {
        let mut body = request.clone();
        body["model"] = Value::from(model);
        body["max_tokens"] = Value::from(budget);
        let call =
            self.client.post(format!("{}{}", self.url, endpoint.path())).header(headers::PRIORITY, headers::BACKGROUND);
        let answer = call.json(&body).send().await.map_err(|error| trouble(&error))?;
        if answer.status().is_success() { read(endpoint, answer).await } else { Err(refusal(&answer)) }
    }
}

fn trouble(error: &reqwest::Error) -> Trouble {
    if error.is_connect() { Trouble::NotNow(WAIT) } else { Trouble::Failed }
}

fn refusal(answer: &Response) -> Trouble {
    let wait = || {
        let seconds = answer.headers().get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
        // `Retry-After: 0` means another worker; there is none here.
        Some(Duration::from_secs(seconds).clamp(WAIT / 4, LONGEST_WAIT))
    };
    match answer.status() {
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => Trouble::NotNow(wait().unwrap_or(WAIT)),
        status if status.is_client_error() || status == StatusCode::NOT_IMPLEMENTED => Trouble::Refused(status),
        _ => Trouble::Failed,
    }
}

async fn read(endpoint: Endpoint, answer: Response) -> Result<Answer, Trouble> {
    let failed = |_| Trouble::Failed;
    match endpoint {
        Endpoint::Chat => {
            let answer: ChatAnswer = answer.json().await.map_err(failed)?;
            let choice = answer.choices.into_iter().next().ok_or(Trouble::Failed)?;
            let content = match choice.message.content {
                Some(Content::Text(text)) => text,
                Some(Content::Parts(_)) | None => String::new(),
            };
            let mut extra = choice.message.extra;
            extra.retain(|_, value| !value.is_null());
            let finish_reason = choice.finish_reason.unwrap_or(FinishReason::Length);
            Ok(Answer { content, finish_reason, usage: answer.usage, extra })
        }
        Endpoint::Completion => {
            let answer: CompletionAnswer = answer.json().await.map_err(failed)?;
            let choice = answer.choices.into_iter().next().ok_or(Trouble::Failed)?;
            let usage = answer.usage.flatten().unwrap_or_default();
            let finish_reason = choice.finish_reason.unwrap_or(FinishReason::Length);
            Ok(Answer { content: choice.text, finish_reason, usage, extra: Map::new() })
        }
    }
}
