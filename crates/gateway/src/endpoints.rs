//! Which workers can be reached, and how busy each is.

use crate::route::Ready;
use cherokee_wire::layout::Layout;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tokio::sync::watch;

/// Port of every worker.
pub const WORKER_PORT: u16 = 8080;

/// Addresses (`host:port`) of the ready workers, by slot.
pub type Table = BTreeMap<String, BTreeSet<String>>;

/// The workers of one cluster. Clones share all.
#[derive(Clone, Debug)]
pub struct Endpoints {
    /// None until the first list has been seen.
    seen: watch::Receiver<Option<Arc<Table>>>,
    namespace: Arc<str>,
    traffic: Arc<Mutex<Traffic>>,
}

/// What this gateway itself knows of addresses.
#[derive(Debug, Default)]
struct Traffic {
    in_flight: HashMap<String, usize>,
    /// Left alone until then, since a connection just failed there.
    resting: HashMap<String, Instant>,
}

/// A query at one address; counted until it is dropped.
#[derive(Debug)]
pub struct Flight {
    /// Where it is.
    pub address: String,
    traffic: Arc<Mutex<Traffic>>,
}

impl Drop for Flight {
    fn drop(&mut self) {
        let mut traffic = lock(&self.traffic);
        if let Some(count) = traffic.in_flight.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                traffic.in_flight.remove(&self.address);
            }
        }
    }
}

fn lock(traffic: &Mutex<Traffic>) -> MutexGuard<'_, Traffic> {
    // Counters hold whatever happened to another thread.
    traffic.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Endpoints {
    /// The addresses that `seen` tells; until it tells any, the DNS names of the slots' Services in `namespace`.
    pub fn new(seen: watch::Receiver<Option<Arc<Table>>>, namespace: &str) -> Self {
        Self { seen, namespace: namespace.into(), traffic: Arc::default() }
    }

    /// The same addresses for ever.
    pub fn fixed(table: Table) -> Self {
        Self::new(watch::channel(Some(Arc::new(table))).1, "")
    }

    /// From now on, only changes of the present addresses count.
    pub fn mark_seen(&mut self) {
        self.seen.mark_unchanged();
    }

    /// Waits until the addresses change.
    pub async fn changed(&mut self) {
        if self.seen.changed().await.is_err() {
            // Nobody will tell any more.
            std::future::pending::<()>().await;
        }
    }

    /// The slots with an address that may be asked now.
    pub fn ready(&self, layout: &Layout, now: Instant) -> Ready {
        let busy = |slot: &String| Some((slot.clone(), self.addresses(layout, slot, now).first()?.0));
        layout.slots.keys().filter_map(busy).collect()
    }

    /// Addresses of one slot that may be asked now, least busy first, each with its queries in flight.
    pub fn addresses(&self, layout: &Layout, slot: &str, now: Instant) -> Vec<(usize, String)> {
        let seen = self.seen.borrow().clone();
        let addresses = match seen {
            Some(table) => table.get(slot).cloned().unwrap_or_default(),
            None if layout.slots.get(slot).is_some_and(|slot| slot.on) => BTreeSet::from([self.dns(slot)]),
            None => BTreeSet::new(),
        };
        let traffic = lock(&self.traffic);
        let awake = |address: &String| traffic.resting.get(address).is_none_or(|until| *until <= now);
        let mut addresses: Vec<_> = addresses
            .into_iter()
            .filter(awake)
            .map(|address| (traffic.in_flight.get(&address).copied().unwrap_or(0), address))
            .collect();
        addresses.sort();
        addresses
    }

    fn dns(&self, slot: &str) -> String {
        format!("{slot}.{}.svc:{WORKER_PORT}", self.namespace)
    }

    /// Counts a query at `address`.
    pub fn depart(&self, address: &str) -> Flight {
        *lock(&self.traffic).in_flight.entry(address.to_owned()).or_default() += 1;
        Flight { address: address.to_owned(), traffic: Arc::clone(&self.traffic) }
    }

    /// Leaves `address` alone for a while, so that the next queries do not find out anew that it is away.
    pub fn rest(&self, address: &str, now: Instant, time: Duration) {
        let mut traffic = lock(&self.traffic);
        traffic.resting.retain(|_, until| *until > now);
        traffic.resting.insert(address.to_owned(), now + time);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cherokee_wire::layout::Slot;

    fn layout() -> Layout {
        let slot = |on| Slot { node: "n".into(), device: "cpu".into(), models: vec![], on, superseded: false };
        Layout { slots: BTreeMap::from([("a".into(), slot(true)), ("b".into(), slot(false))]), ..Layout::default() }
    }

    fn table(entries: &[(&str, &[&str])]) -> Table {
        entries
            .iter()
            .map(|(slot, list)| ((*slot).to_owned(), list.iter().map(|one| (*one).to_owned()).collect()))
            .collect()
    }

    #[test]
    fn the_least_busy_address_is_first_and_a_flight_ends_with_its_drop() {
        let endpoints = Endpoints::fixed(table(&[("a", &["x:1", "y:1"])]));
        let now = Instant::now();
        let first = || endpoints.addresses(&layout(), "a", now)[0].clone();
        let flight = endpoints.depart("x:1");
        assert_eq!(first(), (0, "y:1".to_owned()));
        assert_eq!(endpoints.ready(&layout(), now), BTreeMap::from([("a".to_owned(), 0)]));
        drop(flight);
        assert_eq!(first(), (0, "x:1".to_owned()));
    }

    #[test]
    fn an_address_that_failed_rests_and_comes_back() {
        let endpoints = Endpoints::fixed(table(&[("a", &["x:1"])]));
        let now = Instant::now();
        endpoints.rest("x:1", now, Duration::from_secs(1));
        assert!(endpoints.ready(&layout(), now).is_empty());
        assert!(!endpoints.ready(&layout(), now + Duration::from_secs(1)).is_empty());
    }

    #[test]
    fn until_a_list_is_seen_slots_that_are_on_are_asked_by_their_dns_name() {
        let (send, seen) = watch::channel(None);
        let endpoints = Endpoints::new(seen, "cherokee");
        let now = Instant::now();
        assert_eq!(endpoints.addresses(&layout(), "a", now), [(0, "a.cherokee.svc:8080".to_owned())]);
        assert!(endpoints.addresses(&layout(), "b", now).is_empty());
        send.send_replace(Some(Arc::new(Table::new())));
        assert!(endpoints.ready(&layout(), now).is_empty());
    }
}
