//! What the API server tells: the layout ConfigMap and the EndpointSlices of one cluster. What was told last holds while it is away.

use crate::{
    endpoints::{Table, WORKER_PORT},
    layout_source::{self, LayoutSender},
};
use cherokee_api::names::{child, label};
use futures::{Stream, StreamExt};
use k8s_openapi::api::{core::v1::ConfigMap, discovery::v1::EndpointSlice};
use kube::{
    Api, Client, ResourceExt,
    runtime::{
        WatchStreamExt,
        utils::Backoff,
        watcher::{self, Event, watcher},
    },
};
use std::{collections::BTreeMap, pin::pin, sync::Arc, time::Duration};
use tokio::sync::watch;

/// Label of an EndpointSlice with the name of its Service, which is the slot's.
const SERVICE_NAME: &str = "kubernetes.io/service-name";
/// Name of the port that workers serve.
const PORT_NAME: &str = "http";

/// Follows the layout ConfigMap; says so in `superseded` once it has been read.
pub async fn follow_layout(
    client: Client,
    namespace: &str,
    cluster: &str,
    to: LayoutSender,
    superseded: watch::Sender<bool>,
) {
    let maps = Api::<ConfigMap>::namespaced(client, namespace);
    let only = watcher::Config::default().fields(&format!("metadata.name={}", child::layout(cluster)));
    let mut events = pin!(steady(watcher(maps, only), "layout"));
    while let Some(event) = events.next().await {
        // A deleted ConfigMap is put back by the operator; until then its last word holds.
        let (Event::Apply(map) | Event::InitApply(map)) = event else { continue };
        match layout_source::of_config_map(&map) {
            Ok(layout) => {
                superseded.send_replace(true);
                layout_source::publish(&to, layout, "API server");
            }
            Err(error) => tracing::warn!(%error, "the last layout goes on to hold"),
        }
    }
}

/// Follows the EndpointSlices of the cluster's Services.
pub async fn follow_endpoints(client: Client, namespace: &str, cluster: &str, to: watch::Sender<Option<Arc<Table>>>) {
    let slices = Api::<EndpointSlice>::namespaced(client, namespace);
    let ours = watcher::Config::default().labels(&format!("{}={cluster}", label::CLUSTER));
    let mut events = pin!(steady(watcher(slices, ours), "endpoints"));
    let mut known = Known::default();
    while let Some(event) = events.next().await {
        if !known.take(event) {
            continue;
        }
        let table = table(known.held.values());
        to.send_if_modified(|held| {
            let differs = held.as_deref() != Some(&table);
            if differs {
                tracing::info!(
                    slots = table.len(),
                    workers = table.values().map(std::collections::BTreeSet::len).sum::<usize>(),
                    "workers changed"
                );
                *held = Some(Arc::new(table));
            }
            differs
        });
    }
}

/// A watch without its errors: each is logged, and the watch begins again after a while.
fn steady<K: Send + 'static>(
    events: impl Stream<Item = watcher::Result<Event<K>>> + Send,
    what: &'static str,
) -> impl Stream<Item = Event<K>> + Send {
    events.backoff(Pause).filter_map(move |event| async move {
        event.inspect_err(|error| tracing::warn!(what, %error, "the API server is away; what it told last holds")).ok()
    })
}

/// Pause between tries. Always the same: a watch reports a beginning before each failing list, which would reset a growing one.
struct Pause;

impl Iterator for Pause {
    type Item = Duration;
    fn next(&mut self) -> Option<Duration> {
        Some(Duration::from_secs(1))
    }
}

impl Backoff for Pause {
    fn reset(&mut self) {}
}

/// The slices that hold, by name; a new list replaces them only when it is whole.
#[derive(Default)]
struct Known {
    held: BTreeMap<String, EndpointSlice>,
    coming: BTreeMap<String, EndpointSlice>,
}

impl Known {
    /// Takes an event; true when `held` is whole and may have changed.
    fn take(&mut self, event: Event<EndpointSlice>) -> bool {
        match event {
            Event::Init => {
                self.coming.clear();
                return false;
            }
            Event::InitApply(slice) => {
                self.coming.insert(slice.name_any(), slice);
                return false;
            }
            Event::InitDone => self.held = std::mem::take(&mut self.coming),
            Event::Apply(slice) => drop(self.held.insert(slice.name_any(), slice)),
            Event::Delete(slice) => drop(self.held.remove(&slice.name_any())),
        }
        true
    }
}

/// Addresses of all ready workers by slot. One that ends is not ready, even while it still serves.
fn table<'a>(slices: impl Iterator<Item = &'a EndpointSlice>) -> Table {
    let mut table = Table::new();
    for slice in slices {
        let Some(slot) = slice.labels().get(SERVICE_NAME) else { continue };
        let ports = slice.ports.iter().flatten();
        let port = ports.filter(|port| port.name.as_deref() == Some(PORT_NAME)).find_map(|port| port.port);
        let port = port.and_then(|port| u16::try_from(port).ok()).unwrap_or(WORKER_PORT);
        for endpoint in &slice.endpoints {
            let conditions = endpoint.conditions.as_ref();
            let ends = conditions.and_then(|conditions| conditions.terminating).unwrap_or(false);
            // Kubernetes: an unknown state is to be taken as ready.
            if ends || !conditions.and_then(|conditions| conditions.ready).unwrap_or(true) {
                continue;
            }
            let place = |address: &String| match slice.address_type.as_str() {
                "IPv6" => format!("[{address}]:{port}"),
                _ => format!("{address}:{port}"),
            };
            table.entry(slot.clone()).or_default().extend(endpoint.addresses.iter().map(place));
        }
    }
    table
}

#[cfg(test)]
#[path = "cluster_watch_tests.rs"]
mod tests;
