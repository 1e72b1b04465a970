//! One attempt: ask for what is missing, follow redirects, append what comes.

use super::{Fault, Limit, Order, cache, causes::words, reach, shown};
use reqwest::{
    Response, StatusCode, Url,
    header::{CONTENT_RANGE, LOCATION, RANGE, RETRY_AFTER},
};
use std::{
    path::Path,
    time::{Duration, Instant, SystemTime},
};
use tokio::{fs::OpenOptions, io::AsyncWriteExt};

/// Redirects that one attempt follows.
const MOST_REDIRECTS: usize = 10;
/// Time between two lines of progress in the log.
const PROGRESS: Duration = Duration::from_secs(5);

/// How an attempt ended.
pub(super) enum End {
    /// All bytes are there.
    Complete,
    /// It may go on from where it is.
    Broken(String),
    /// It may go on after the time that the server asks for.
    Busy {
        /// `Retry-After`, not yet capped.
        wait: Duration,
        /// What the server answered.
        cause: String,
    },
}

/// Fetches from byte `have` on.
pub(super) async fn attempt(
    first: &Url,
    order: &Order,
    part: &Path,
    have: u64,
    limit: Option<Limit>,
) -> Result<End, Fault> {
    let response = match answer(first, order, have).await? {
        Ok(response) => response,
        Err(cause) => return Ok(End::Broken(cause)),
    };
    match response.status() {
        StatusCode::PARTIAL_CONTENT => match begin(&response) {
            // Some servers begin at a block of theirs: what is there already is skipped.
            Some(begin) if begin <= have => append(response, order, part, Piece { begin, have, limit }).await,
            _ => Ok(End::Broken("the server sends another range than asked for".into())),
        },
        // The whole file, be it that nothing was there or that the server knows no ranges.
        StatusCode::OK => append(response, order, part, Piece { begin: 0, have: 0, limit }).await,
        // Nothing follows: either all is there, or what is there is not a beginning; the digest tells.
        StatusCode::RANGE_NOT_SATISFIABLE if have > 0 => Ok(End::Complete),
        status if status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429) => {
            let cause = format!("the server answers {status}");
            Ok(match wait(&response, SystemTime::now()) {
                Some(wait) => End::Busy { wait, cause },
                None => End::Broken(cause),
            })
        }
        status => Err(Fault::Refused { url: shown(&order.url), status: status.as_u16() }),
    }
}

/// The answer at the end of all redirects; within it an error that may pass.
///
/// Redirects are followed here rather than by the client: each target is checked like the first address, and is told
/// neither the token nor, as `Referer`, the address that led to it.
async fn answer(first: &Url, order: &Order, have: u64) -> Result<Result<Response, String>, Fault> {
    let mut url = first.clone();
    for _ in 0..=MOST_REDIRECTS {
        let client = match reach::client(&order.rules, &url).await {
            Ok(client) => client,
            Err(reach::Error::NotAllowed) => {
                return Err(Fault::NotAllowed { host: first.host_str().unwrap_or_default().to_owned() });
            }
            Err(reach::Error::MayPass(cause)) => return Ok(Err(cause)),
        };
        let mut request = client.get(url.clone());
        if have > 0 {
            request = request.header(RANGE, format!("bytes={have}-"));
        }
        if let Some(token) = order.token.as_ref().filter(|_| url.origin() == first.origin()) {
            if url.scheme() == "https" || order.rules.names(&url) {
                request = request.bearer_auth(token);
            } else {
                tracing::warn!(url = shown(&order.url), "the token is not sent over http://, use https://");
            }
        }
        let response = match request.send().await {
            Ok(response) => response,
            Err(fault) => return Ok(Err(words(fault))),
        };
        if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
            return Ok(Ok(response));
        }
        let target = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        match target.and_then(|target| url.join(target).ok()) {
            Some(target) if matches!(target.scheme(), "http" | "https") => url = target,
            _ => return Ok(Err("the server redirects to no http:// or https:// address".into())),
        }
    }
    Ok(Err(format!("the server redirects more than {MOST_REDIRECTS} times")))
}

/// What an answer brings of a file.
struct Piece {
    /// Position of its first byte.
    begin: u64,
    /// Bytes of the part that stay, at least `begin`.
    have: u64,
    limit: Option<Limit>,
}

/// Writes the body behind the bytes of the part that stay.
async fn append(mut response: Response, order: &Order, part: &Path, piece: Piece) -> Result<End, Fault> {
    let Piece { begin, have, limit } = piece;
    let total = response.content_length().map(|rest| begin.saturating_add(rest));
    within(limit, total.unwrap_or(have), order)?;
    let fault = |source| cache(part, source);
    let mut file = OpenOptions::new().append(true).create(true).open(part).await.map_err(fault)?;
    file.set_len(have).await.map_err(fault)?;
    let (mut bytes, mut told, begun) = (have, Instant::now(), Instant::now());
    let mut skip = have - begin;
    (order.progress)(bytes, total);
    loop {
        let end = match response.chunk().await {
            Ok(Some(chunk)) => {
                let known = usize::try_from(skip).map_or(chunk.len(), |skip| skip.min(chunk.len()));
                skip -= known as u64;
                let new = &chunk[known..];
                within(limit, bytes.saturating_add(new.len() as u64), order)?;
                file.write_all(new).await.map_err(fault)?;
                bytes += new.len() as u64;
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

/// Refuses a file of `bytes` where that is more than it may have.
fn within(limit: Option<Limit>, bytes: u64, order: &Order) -> Result<(), Fault> {
    match limit {
        Some(limit) if bytes > limit.bytes => {
            Err(Fault::TooLarge { url: shown(&order.url), limit: limit.bytes, flag: limit.flag })
        }
        _ => Ok(()),
    }
}

/// Position of the first byte of a range.
fn begin(response: &Response) -> Option<u64> {
    let range = response.headers().get(CONTENT_RANGE)?.to_str().ok()?;
    range.strip_prefix("bytes ")?.split_once('-')?.0.parse().ok()
}

/// How long the server asks to wait, in either form of `Retry-After`: seconds, or the time to come back.
fn wait(response: &Response, now: SystemTime) -> Option<Duration> {
    let text = response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let time = httpdate::parse_http_date(text).ok()?;
    Some(time.duration_since(now).unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_read_as_seconds_or_as_a_time() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let asked = |text: &str| {
            let answer = axum::http::Response::builder().header(RETRY_AFTER, text).body("").expect("an answer");
            wait(&Response::from(answer), now)
        };
        assert_eq!(asked("25"), Some(Duration::from_secs(25)));
        assert_eq!(asked("Sun, 06 Nov 1994 08:50:07 GMT"), Some(Duration::from_secs(30)));
        assert_eq!(asked("Sun, 06 Nov 1994 08:00:00 GMT"), Some(Duration::ZERO), "it is past");
        assert_eq!(asked("soon"), None);
    }
}
