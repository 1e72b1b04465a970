//! `query`: one question to the gateway, through the API server or at an address. The answer goes to stdout, who gave it and how
//! fast to stderr.

mod reply;
mod stream;

use super::{Fault, connect::Place, printer::write_answer};
use cherokee_api::names::child;
use cherokee_wire::{
    error::ErrorBody,
    headers,
    openai::{ChatAnswer, ChatRequest, Content, Message, Sampling},
};
use http::HeaderMap;
use reply::Reply;
use std::{time::Duration, time::Instant};

/// What to ask whom.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Name of the CherokeeCluster
    name: String,
    /// The question
    text: String,
    /// Model or role to ask; default: the default route
    #[arg(long, default_value = "default")]
    model: String,
    /// Show the answer as it grows
    #[arg(long)]
    stream: bool,
    /// Most tokens of the answer
    #[arg(long, value_name = "TOKENS", default_value_t = 128)]
    max_tokens: u32,
    /// Address of the gateway, as `http://localhost:8080`; default: through the API server
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// API key of the gateway; needs --url, because the API server keeps the header for itself
    #[arg(long, env = "CHEROKEE_API_KEY", hide_env_values = true, requires = "url")]
    api_key: Option<String>,
}

pub(crate) async fn run(place: &Place, args: &Args) -> Result<(), Fault> {
    let request = ChatRequest {
        model: args.model.clone(),
        messages: vec![Message {
            role: "user".into(),
            content: Some(Content::Text(args.text.clone())),
            ..Message::default()
        }],
        // Greedy, so that the same question has the same answer, and memory can show itself.
        sampling: Sampling {
            max_tokens: Some(args.max_tokens),
            temperature: Some(0.0),
            stream: args.stream.then_some(true),
            ..Sampling::default()
        },
    };
    let body = serde_json::to_vec(&request).map_err(Fault::new)?;
    // What is timed is the question and its answer, not this program's own start.
    let (mut reply, begun) = if let Some(url) = &args.url {
        let (client, begun) = (reply::client(place.request_timeout())?, Instant::now());
        (Reply::direct(&client, url, args.api_key.as_deref(), body).await?, begun)
    } else {
        let (server, begun) = (place.connect_without_retries()?, Instant::now());
        (Reply::proxied(&server, &child::gateway(&args.name), body).await?, begun)
    };
    if !reply.status().is_success() {
        return Err(refused(&mut reply).await);
    }
    if args.stream {
        stream::show(&mut reply).await?;
    } else {
        let answer: ChatAnswer = serde_json::from_slice(&reply.whole().await?)
            .map_err(|error| Fault::new(format!("the gateway's answer: {error}")))?;
        write_answer(&(text(&answer) + "\n"))?;
    }
    eprintln!("{}", story(reply.headers(), begun.elapsed()));
    Ok(())
}

fn text(answer: &ChatAnswer) -> String {
    let content = answer.choices.first().and_then(|choice| choice.message.content.as_ref());
    match content {
        Some(Content::Text(text)) => text.clone(),
        Some(Content::Parts(parts)) => parts.iter().filter_map(|part| part.text.as_deref()).collect(),
        None => String::new(),
    }
}

/// Who answered, why he, and how fast.
fn story(headers: &HeaderMap, taken: Duration) -> String {
    let shown = [
        ("layer", headers::LAYER),
        ("role", headers::ROLE),
        ("device", headers::DEVICE),
        ("reason", headers::REASON),
        ("memory", headers::MEMORY),
        ("provenance", headers::PROVENANCE),
    ];
    let said = |(word, name): (&str, &str)| {
        let value = headers.get(name)?.to_str().ok().filter(|value| !value.is_empty())?;
        Some(format!("{word} {value}"))
    };
    let mut parts: Vec<_> = shown.into_iter().filter_map(said).collect();
    parts.push(format!("{} ms", taken.as_millis()));
    format!("[{}]", parts.join(", "))
}

async fn refused(reply: &mut Reply) -> Fault {
    let status = reply.status();
    let said = |name: &str| reply.headers().get(name).and_then(|value| value.to_str().ok());
    // Beyond the cap of `Retry-After` only the message has the time.
    let retries = said(headers::SHOULD_RETRY) != Some("false");
    let wait = said("retry-after").filter(|_| retries).map(|seconds| format!("try again in {seconds} s"));
    let body = reply.whole().await.unwrap_or_default();
    let said = match serde_json::from_slice::<ErrorBody>(&body) {
        Ok(body) => body.error.message,
        // The API server's own words, where it is the one that refuses.
        Err(_) => serde_json::from_slice::<serde_json::Value>(&body)
            .ok()
            .and_then(|status| status["message"].as_str().map(str::to_owned))
            .unwrap_or_else(|| String::from_utf8_lossy(&body).trim().to_owned()),
    };
    Fault { message: format!("the gateway answers {}: {said}", status.as_u16()), hint: wait }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_story_tells_only_what_was_said() {
        let mut headers = HeaderMap::new();
        headers.insert(headers::LAYER, "memory".parse().unwrap());
        headers.insert(headers::PROVENANCE, "dream/2".parse().unwrap());
        assert_eq!(story(&headers, Duration::from_millis(4)), "[layer memory, provenance dream/2, 4 ms]");
        assert_eq!(story(&HeaderMap::new(), Duration::from_millis(812)), "[812 ms]");
    }
}
