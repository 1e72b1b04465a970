//! One query from its arrival to its answer: the door, its body, a place, memory, a worker, memory again.

use crate::{
    admission::{Place, Room},
    ask::Ask,
    clock,
    collect::{self, Collector, Outcome},
    endpoints::Flight,
    gateway::Gateway,
    labels::Labels,
    recall::{Found, Memories},
    refusal::Refusal,
    relay::{Books, Relay, WhenOver},
    replay,
    upstream::{Reply, Whole},
};
use axum::{
    body::{Body, Bytes},
    extract::Request,
    response::{IntoResponse, Response},
};
use cherokee_memory::Endpoint;
use cherokee_wire::{error::Code, headers};
use http::{HeaderMap, header, request::Parts};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

/// Time in which a client has to send its body.
const BODY: Duration = Duration::from_mins(1);

/// Answers one query; refusals are answers too.
pub async fn answer(gateway: Arc<Gateway>, endpoint: Endpoint, request: Request) -> Response {
    let start = Instant::now();
    gateway.arrived.fetch_add(1, Ordering::Relaxed);
    let (head, body) = request.into_parts();
    let mut labels = Labels::new(&head.headers);
    let answered = try_answer(&gateway, endpoint, &head, body, &mut labels, start).await;
    let mut response = match answered {
        Ok(response) => response,
        Err(refusal) => {
            gateway.metrics.refused(refusal.word());
            tracing::info!(request_id = labels.request_id, code = refusal.word(), why = refusal.message, "refused");
            refusal.into_response()
        }
    };
    labels.write(response.headers_mut());
    response
}

async fn try_answer(
    gateway: &Arc<Gateway>,
    endpoint: Endpoint,
    head: &Parts,
    body: Body,
    labels: &mut Labels,
    start: Instant,
) -> Result<Response, Refusal> {
    let tenant = gateway.door.admit(&head.headers)?;
    // Before the place: a client that dribbles its body holds nobody else's.
    let (body, room) = read_body(gateway, head, body).await?;
    let place = gateway.admission.admit(room)?;
    let ask = Ask::read(endpoint, &body)?;
    drop(body);
    let layout = gateway.layout()?;
    let memories = Memories { gateway: Arc::clone(gateway), tenant, stays_out: says_no_store(&head.headers) };

    let (recall, found) = memories.first(&layout, &ask, &labels.request_id).await?;
    labels.memory = Some(recall);
    gateway.metrics.recalled(recall);
    let (reached, may_store) = match found {
        Found::Remembered(entry) => {
            labels.remembered(&entry);
            gateway.metrics.head(labels, start.elapsed());
            gateway.metrics.end(labels, start.elapsed());
            return Ok(replay::replay(&entry, &ask, clock::now()));
        }
        Found::Reached(reached, may_store) => (reached, may_store),
    };
    labels.answered_by(&reached.candidate, reached.reply.device());
    gateway.metrics.head(labels, start.elapsed());
    // A worker that still has the model of before must not answer for the new one.
    let fresh = layout.slots.get(&reached.candidate.slot).is_some_and(|slot| !slot.superseded);
    let key = (may_store && fresh).then(|| memories.key(&layout, &reached.candidate.model, &ask)).flatten();
    let keep = memories.keep(key, &layout, labels);
    Ok(match reached.reply {
        Reply::Whole(whole) => answer_whole(whole, endpoint, keep, gateway, labels, start, (place, reached.flight)),
        Reply::Stream(opened) => {
            let hides_usage = may_store && !ask.wants_usage;
            let books = Books::open(Arc::clone(&gateway.metrics), labels.clone(), start, place, reached.flight);
            Relay::respond(opened, Collector::new(endpoint), hides_usage, keep, books)
        }
    })
}

fn answer_whole(
    whole: Whole,
    endpoint: Endpoint,
    keep: WhenOver,
    gateway: &Gateway,
    labels: &Labels,
    start: Instant,
    held: (Place, Flight),
) -> Response {
    let Whole { status, headers, body } = whole;
    if status.is_success() {
        let outcome =
            serde_json::from_slice(&body).map_or(Outcome::Unfit("not JSON"), |json| collect::whole(endpoint, &json));
        keep(outcome);
    }
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    for name in [header::CONTENT_TYPE, header::RETRY_AFTER] {
        if let Some(value) = headers.get(&name) {
            response.headers_mut().insert(name, value.clone());
        }
    }
    gateway.metrics.end(labels, start.elapsed());
    drop(held);
    response
}

async fn read_body(gateway: &Gateway, head: &Parts, body: Body) -> Result<(Bytes, Room), Refusal> {
    let limit = gateway.max_body_bytes;
    let too_large = || Refusal::new(Code::RequestTooLarge, format!("the body is larger than {limit} bytes"));
    let length =
        head.headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if length.is_some_and(|length| length > limit) {
        return Err(too_large());
    }
    let mut room = gateway.admission.room(length.unwrap_or(limit))?;
    let late = |_| Refusal::invalid(format!("the body did not come within {} s", BODY.as_secs()), None);
    match tokio::time::timeout(BODY, Limited::new(body, limit).collect()).await.map_err(late)? {
        Ok(body) => {
            let body = body.to_bytes();
            room.shrink(body.len());
            Ok((body, room))
        }
        Err(error) if error.is::<LengthLimitError>() => Err(too_large()),
        Err(error) => Err(Refusal::invalid(format!("the body broke off: {error}"), None)),
    }
}

fn says_no_store(headers: &HeaderMap) -> bool {
    let values = headers.get_all(headers::CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|word| word.trim().eq_ignore_ascii_case("no-store"))
}
