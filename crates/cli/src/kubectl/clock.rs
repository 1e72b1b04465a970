//! The API server's clock, which the operator's is near to: the `Date` of its answers. This machine's clock may be wrong.

use cherokee_operator::clock::{Clock, SystemClock};
use chrono::{DateTime, TimeDelta, Utc};
use http::{HeaderMap, header::DATE};
use std::sync::{Arc, Mutex, PoisonError};

/// Difference of two clocks that is not worth a word: `Date` has whole seconds, and an answer takes its time.
const TOLERANCE: TimeDelta = TimeDelta::seconds(5);

/// The last time that the API server said; clones share it.
#[derive(Clone, Default)]
pub(crate) struct ServerClock(Arc<Mutex<Option<Reading>>>);

/// One answer's time by both clocks.
#[derive(Clone, Copy)]
struct Reading {
    server: DateTime<Utc>,
    here: DateTime<Utc>,
}

impl ServerClock {
    /// Notes the `Date` of an answer that came just now.
    pub(crate) fn note(&self, headers: &HeaderMap) {
        let date = headers.get(DATE).and_then(|date| date.to_str().ok());
        if let Some(date) = date.and_then(|date| DateTime::parse_from_rfc2822(date).ok()) {
            let reading = Reading { server: date.to_utc(), here: SystemClock.now() };
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(reading);
        }
    }

    /// The time of the last answer by the API server's clock; none if no answer had a `Date`.
    pub(crate) fn last(&self) -> Option<DateTime<Utc>> {
        self.reading().map(|reading| reading.server)
    }

    /// The time to reckon from: the last answer's, else this machine's. Tells on stderr where the two differ, or where there is no `Date`.
    pub(crate) fn now(&self) -> DateTime<Utc> {
        let Some(Reading { server, here }) = self.reading() else {
            eprintln!("the API server sends no Date: times are by this machine's clock");
            return SystemClock.now();
        };
        let ahead = here - server;
        if ahead.abs() > TOLERANCE {
            let (seconds, side) =
                (ahead.num_seconds().abs(), if ahead < TimeDelta::zero() { "behind" } else { "ahead of" });
            eprintln!(
                "this machine's clock is {seconds} s {side} the API server's: times are by the API server's clock"
            );
        }
        server
    }

    fn reading(&self) -> Option<Reading> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
