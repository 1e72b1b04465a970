//! How many queries one gateway carries at once.

use crate::refusal::Refusal;
use cherokee_wire::error::Code;
use prometheus_client::metrics::gauge::Gauge;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The places of one gateway.
#[derive(Clone, Debug)]
pub struct Admission {
    places: Arc<Semaphore>,
    most: usize,
    in_flight: Gauge,
}

/// A place, held until the answer is out.
#[derive(Debug)]
pub struct Place {
    #[expect(dead_code, reason = "it is held for its drop")]
    permit: OwnedSemaphorePermit,
    in_flight: Gauge,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.in_flight.dec();
    }
}

impl Admission {
    /// At most `most` queries at once, shown by `in_flight`.
    pub fn new(most: usize, in_flight: Gauge) -> Self {
        Self { places: Arc::new(Semaphore::new(most)), most, in_flight }
    }

    /// A place at once, or 429.
    pub fn admit(&self) -> Result<Place, Refusal> {
        let full = || format!("this gateway carries {} queries already; try again, or add gateways", self.most);
        let permit = Arc::clone(&self.places).try_acquire_owned();
        let permit = permit.map_err(|_| Refusal::new(Code::QueueFull, full()).after(1))?;
        self.in_flight.inc();
        Ok(Place { permit, in_flight: self.in_flight.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_free_again_when_its_answer_ends() {
        let in_flight = Gauge::default();
        let admission = Admission::new(1, in_flight.clone());
        let place = admission.admit().unwrap();
        let refusal = admission.admit().unwrap_err();
        assert_eq!((refusal.status, refusal.retry_after, in_flight.get()), (429, Some(1), 1));
        drop(place);
        assert_eq!(in_flight.get(), 0);
        assert!(admission.admit().is_ok());
    }
}
