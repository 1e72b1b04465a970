//! One attempt: ask for what is missing, append what comes.

use super::{Fault, Order, cache, shown};
use reqwest::{
    Client, Response, StatusCode,
    header::{CONTENT_RANGE, RANGE},
};
use std::{
    path::Path,
    time::{Duration, Instant},
};
use tokio::{fs::OpenOptions, io::AsyncWriteExt};

/// A connection that gives no byte for this long is broken.
const STALLED: Duration = Duration::from_secs(30);
/// A server that does not take a connection for this long is away.
const CONNECT: Duration = Duration::from_secs(10);
/// Time between two lines of progress in the log.
const PROGRESS: Duration = Duration::from_secs(5);

/// How an attempt ended.
pub(super) enum End {
    /// All bytes are there.
    Complete,
    /// It may go on from where it is.
    Broken(String),
}

pub(super) fn client(url: &str) -> Result<Client, Fault> {
    let built = Client::builder().connect_timeout(CONNECT).read_timeout(STALLED).build();
    built.map_err(|fault| Fault::GaveUp { url: shown(url), breaks: 0, bytes: 0, cause: fault.to_string() })
}

/// Fetches from byte `have` on.
pub(super) async fn attempt(client: &Client, order: &Order, part: &Path, have: u64) -> Result<End, Fault> {
    let mut request = client.get(&order.url);
    if have > 0 {
        request = request.header(RANGE, format!("bytes={have}-"));
    }
    if let Some(token) = &order.token {
        request = request.bearer_auth(token);
    }
    let response = match request.send().await {
        Ok(response) => response,
        Err(fault) => return Ok(End::Broken(words(fault))),
    };
    match response.status() {
        StatusCode::PARTIAL_CONTENT if starts_at(&response, have) => append(response, order, part, have).await,
        // The whole file, be it that nothing was there or that the server knows no ranges.
        StatusCode::OK => append(response, order, part, 0).await,
        // Nothing follows: either all is there, or what is there is not a beginning; the digest tells.
        StatusCode::RANGE_NOT_SATISFIABLE if have > 0 => Ok(End::Complete),
        status if status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429) => {
            Ok(End::Broken(format!("the server answers {status}")))
        }
        StatusCode::PARTIAL_CONTENT => Ok(End::Broken("the server sends another range than asked for".into())),
        status => Err(Fault::Refused { url: shown(&order.url), status: status.as_u16() }),
    }
}

/// Writes the body behind the first `have` bytes of the part.
async fn append(mut response: Response, order: &Order, part: &Path, have: u64) -> Result<End, Fault> {
    let fault = |source| cache(part, source);
    let mut file = OpenOptions::new().append(true).create(true).open(part).await.map_err(fault)?;
    file.set_len(have).await.map_err(fault)?;
    let total = response.content_length().map(|rest| have + rest);
    let (mut bytes, mut told, begun) = (have, Instant::now(), Instant::now());
    (order.progress)(bytes, total);
    loop {
        let end = match response.chunk().await {
            Ok(Some(chunk)) => {
                file.write_all(&chunk).await.map_err(fault)?;
                bytes += u64::try_from(chunk.len()).unwrap_or(u64::MAX);
                (order.progress)(bytes, total);
                if told.elapsed() >= PROGRESS {
                    told = Instant::now();
                    let seconds = begun.elapsed().as_secs().max(1);
                    let (mib, speed) = (bytes >> 20, ((bytes - have) / seconds) >> 20);
                    let of_mib = total.map(|total| total >> 20);
                    tracing::info!(url = shown(&order.url), mib, of_mib, mib_per_second = speed, "downloading");
                }
                continue;
            }
            Ok(None) if total.is_none_or(|total| total == bytes) => End::Complete,
            Ok(None) => End::Broken("the connection ended early".into()),
            Err(fault) => End::Broken(words(fault)),
        };
        file.flush().await.map_err(fault)?;
        return Ok(end);
    }
}

/// Whether the answer's range begins where it was asked to.
fn starts_at(response: &Response, have: u64) -> bool {
    let range = response.headers().get(CONTENT_RANGE).and_then(|value| value.to_str().ok());
    range.and_then(|range| range.strip_prefix("bytes ")).is_some_and(|range| range.starts_with(&format!("{have}-")))
}

/// The causes of a fault without its address, whose query may be a secret.
fn words(fault: reqwest::Error) -> String {
    let fault = fault.without_url();
    let mut words = fault.to_string();
    let mut source = std::error::Error::source(&fault);
    while let Some(cause) = source {
        words = format!("{words}: {cause}");
        source = cause.source();
    }
    words
}
