//! How many queries one gateway carries at once, and how many bytes of them.

use crate::refusal::Refusal;
use cherokee_wire::error::Code;
use prometheus_client::metrics::gauge::Gauge;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes of bodies that one gateway holds at once. One body as large as the largest may be always fits.
pub const BODIES_BYTES: usize = 64 << 20;

/// The places of one gateway, and its room for bodies.
#[derive(Clone, Debug)]
pub struct Admission {
    places: Arc<Semaphore>,
    most: usize,
    bytes: Arc<Semaphore>,
    in_flight: Gauge,
}

/// Room for a body.
#[derive(Debug)]
pub struct Room(OwnedSemaphorePermit);

impl Room {
    /// Gives back what a body of `bytes` does not take.
    pub fn shrink(&mut self, bytes: usize) {
        let free = self.0.num_permits().saturating_sub(bytes);
        drop(self.0.split(free));
    }
}

/// A place and the room of its body, held until the answer is out.
#[derive(Debug)]
pub struct Place {
    #[expect(dead_code, reason = "they are held for their drop")]
    held: (OwnedSemaphorePermit, Room),
    in_flight: Gauge,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.in_flight.dec();
    }
}

impl Admission {
    /// At most `most` queries at once, shown by `in_flight`, and at most `bytes` of bodies.
    pub fn new(most: usize, bytes: usize, in_flight: Gauge) -> Self {
        Self { places: Arc::new(Semaphore::new(most)), most, bytes: Arc::new(Semaphore::new(bytes)), in_flight }
    }

    /// Room for a body of so many bytes at once, or 429.
    pub fn room(&self, bytes: usize) -> Result<Room, Refusal> {
        let permits = u32::try_from(bytes).unwrap_or(u32::MAX);
        let permit = Arc::clone(&self.bytes).try_acquire_many_owned(permits);
        permit.map(Room).map_err(|_| {
            Refusal::new(Code::QueueFull, "this gateway has no room for the body; try again, or add gateways").after(1)
        })
    }

    /// A place for a query whose body has `room`, at once, or 429.
    pub fn admit(&self, room: Room) -> Result<Place, Refusal> {
        let full = || format!("this gateway carries {} queries already; try again, or add gateways", self.most);
        let permit = Arc::clone(&self.places).try_acquire_owned();
        let permit = permit.map_err(|_| Refusal::new(Code::QueueFull, full()).after(1))?;
        self.in_flight.inc();
        Ok(Place { held: (permit, room), in_flight: self.in_flight.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_free_again_when_its_answer_ends() {
        let in_flight = Gauge::default();
        let admission = Admission::new(1, 9, in_flight.clone());
        let admit = || admission.admit(admission.room(1).unwrap());
        let place = admit().unwrap();
        let refusal = admit().unwrap_err();
        assert_eq!((refusal.status, refusal.retry_after, in_flight.get()), (429, Some(1), 1));
        drop(place);
        assert_eq!(in_flight.get(), 0);
        assert!(admit().is_ok());
    }

    #[test]
    fn a_body_keeps_the_room_that_it_takes_until_its_answer_ends() {
        let admission = Admission::new(1, 10, Gauge::default());
        let mut room = admission.room(10).unwrap();
        let refusal = admission.room(1).unwrap_err();
        assert_eq!((refusal.status, refusal.retry_after), (429, Some(1)));
        room.shrink(4);
        let place = admission.admit(room).unwrap();
        assert!(admission.room(6).is_ok() && admission.room(7).is_err());
        drop(place);
        assert!(admission.room(10).is_ok());
    }
}
