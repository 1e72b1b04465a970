//! Finds a worker that answers: candidates in order, and a patient wait while the only one is being replaced.
//!
//! Nothing has reached the client here, so a failed try is never seen by it. A query that fails its worker is not passed on for
//! ever: after [`MAX_LOST`] workers it is refused, lest one query take them all down.

use crate::{
    ask::Ask,
    clock,
    endpoints::{Endpoints, Flight},
    layout_source::Layouts,
    metrics::Metrics,
    refusal::Refusal,
    route::{self, Candidate, Route},
    upstream::{Call, Failure, Reply, Upstream},
};
use cherokee_wire::{error::Code, layout::Layout};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// Workers that may fail in the middle of one query before it is refused.
const MAX_LOST: u32 = 3;
/// Time for which an address is left alone after it was away.
const REST: Duration = Duration::from_millis(500);
/// First and longest pause between two rounds of tries; news of the layout or of workers ends a pause early.
const PAUSES: [Duration; 2] = [Duration::from_millis(50), Duration::from_millis(500)];

/// What finding a worker needs.
#[derive(Clone, Debug)]
pub struct Dispatcher {
    /// The layout that holds.
    pub layouts: Layouts,
    /// The workers.
    pub endpoints: Endpoints,
    /// The client of the workers.
    pub upstream: Upstream,
    /// Where failures are counted.
    pub metrics: Arc<Metrics>,
    /// How long a query is held while somebody is awake but nobody can be reached.
    pub hold: Duration,
}

/// A worker that answers.
#[derive(Debug)]
pub struct Reached {
    /// Who it is.
    pub candidate: Candidate,
    /// What it says.
    pub reply: Reply,
    /// Counts the query at its address.
    pub flight: Flight,
}

/// What a round of tries led to.
enum Round {
    Reached(Box<Reached>),
    /// No use in trying again.
    Refused(Refusal),
    /// Worth trying again; if there is no time left, this is the answer.
    Again(Refusal),
}

impl Dispatcher {
    /// Asks until somebody answers or the query has been held long enough.
    pub async fn reach(&self, ask: &Ask, with_usage: bool, request_id: &str) -> Result<Reached, Refusal> {
        let (mut layouts, mut endpoints) = (self.layouts.clone(), self.endpoints.clone());
        let mut give_up = None;
        let mut lost = 0;
        let [mut pause, longest] = PAUSES;
        loop {
            let layout = layouts.borrow_and_update().clone();
            endpoints.mark_seen();
            let round = match &layout {
                Some(layout) => self.round(layout, ask, with_usage, request_id, &mut lost).await,
                None => Round::Again(Refusal::new(Code::Loading, "the gateway has no layout yet; try again").after(1)),
            };
            let refusal = match round {
                Round::Reached(reached) => return Ok(*reached),
                Round::Refused(refusal) => return Err(refusal),
                Round::Again(refusal) => refusal,
            };
            let now = Instant::now();
            let left = give_up.get_or_insert(now + self.hold).saturating_duration_since(now);
            if left.is_zero() {
                return Err(refusal);
            }
            tokio::select! {
                () = tokio::time::sleep(pause.min(left)) => {}
                () = endpoints.changed() => {}
                Ok(()) = layouts.changed() => {}
            }
            pause = longest.min(pause * 2);
        }
    }

    async fn round(&self, layout: &Layout, ask: &Ask, with_usage: bool, request_id: &str, lost: &mut u32) -> Round {
        let start = Instant::now();
        let ready = self.endpoints.ready(layout, start);
        let candidates = match route::route(layout, &ask.model, &ready, clock::now()) {
            Route::Go(candidates) => candidates,
            Route::NobodyReady(roles) => {
                return Round::Again(no_worker(&format!("no worker of `{}` is ready", roles.join("`, `"))));
            }
            Route::Unknown(known) => return Round::Refused(Refusal::unknown_model(&ask.model, &known)),
            Route::Asleep(seconds) => {
                let message =
                    format!("everybody who could answer sleeps for another {seconds} s; see the windows of the roles");
                return Round::Refused(Refusal::new(Code::Asleep, message).after(seconds));
            }
            Route::Nowhere(seconds) => {
                let message =
                    "nobody who could answer takes queries now: the role waits for a place, or its window ended";
                return Round::Refused(no_worker(message).after(seconds));
            }
        };
        let (mut full, mut away) = (None, route::is_short(layout, &ask.model, &ready));
        for candidate in candidates {
            for (_, address) in self.endpoints.addresses(layout, &candidate.slot, start) {
                let flight = self.endpoints.depart(&address);
                let body = ask.for_worker(&candidate.model, with_usage);
                let call = Call { address: &address, path: ask.endpoint.path(), body, request_id };
                let failure = match self.upstream.ask(&call).await {
                    Ok(reply) => return Round::Reached(Box::new(Reached { candidate, reply, flight })),
                    Err(failure) => failure,
                };
                self.note(&failure, &candidate, &address, request_id);
                match failure {
                    Failure::Full(seconds) => full = full.max(Some(seconds.unwrap_or(1))),
                    Failure::Away(_) => away = true,
                    Failure::Lost(_) => {
                        *lost += 1;
                        away = true;
                        if *lost >= MAX_LOST {
                            let message =
                                format!("{MAX_LOST} workers failed on this query; it is not passed on to more");
                            return Round::Refused(no_worker(&message));
                        }
                    }
                    Failure::Slow => return Round::Refused(no_worker("the worker gave no answer in time")),
                }
            }
        }
        match full {
            // Everybody is there and busy: holding the query would only lengthen the queue.
            Some(seconds) if !away => {
                let message = format!("all workers are full; try again in {seconds} s");
                Round::Refused(Refusal::new(Code::QueueFull, message).after(seconds))
            }
            _ => Round::Again(no_worker("no worker could be reached")),
        }
    }

    fn note(&self, failure: &Failure, candidate: &Candidate, address: &str, request_id: &str) {
        self.metrics.upstream_failed(failure.word());
        if let Failure::Away(cause) | Failure::Lost(cause) = failure {
            tracing::warn!(role = candidate.role, slot = candidate.slot, address, request_id, cause, "worker failed");
            self.endpoints.rest(address, Instant::now(), REST);
        }
    }
}

fn no_worker(message: &str) -> Refusal {
    Refusal::new(Code::NoWorker, message).after(2)
}
