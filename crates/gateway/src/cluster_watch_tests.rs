//! What the API server tells is followed, and holds while it is away.

use super::*;
use cherokee_wire::layout::{KEY, Layout};
use http::{Request, Response, StatusCode};
use kube::client::Body;
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicBool, Ordering},
};
use tower::service_fn;

fn slice(name: &str, slot: &str, port: i32, endpoints: &[(&str, Value)]) -> EndpointSlice {
    let endpoints: Vec<_> = endpoints
        .iter()
        .map(|(address, conditions)| json!({"addresses": [address], "conditions": conditions}))
        .collect();
    serde_json::from_value(json!({
        "metadata": {"name": name, "labels": {(SERVICE_NAME): slot}}, "addressType": "IPv4",
        "ports": [{"name": "metrics", "port": 9}, {"name": "http", "port": port}], "endpoints": endpoints,
    }))
    .unwrap()
}

fn addresses(list: &[&str]) -> BTreeSet<String> {
    list.iter().map(|one| (*one).to_owned()).collect()
}

#[test]
fn only_ready_workers_that_do_not_end_are_asked() {
    let slices = [
        slice("a-1", "a", 8080, &[("10.0.0.1", json!({"ready": true})), ("10.0.0.2", json!({"ready": false}))]),
        slice(
            "a-2",
            "a",
            8081,
            &[("10.0.0.3", json!({})), ("10.0.0.4", json!({"serving": true, "terminating": true, "ready": true}))],
        ),
        slice("b-1", "b", 8080, &[("10.0.0.5", json!({"ready": false, "serving": true, "terminating": true}))]),
    ];
    assert_eq!(table(slices.iter()), Table::from([("a".to_owned(), addresses(&["10.0.0.1:8080", "10.0.0.3:8081"]))]));
}

#[test]
fn addresses_of_ip_6_are_written_as_urls_have_them() {
    let mut one = slice("a", "a", 8080, &[("fd00::1", json!({}))]);
    one.address_type = "IPv6".into();
    assert_eq!(table([one].iter())["a"], addresses(&["[fd00::1]:8080"]));
}

#[test]
fn a_new_list_replaces_the_old_only_when_it_is_whole() {
    let mut known = Known::default();
    let old = slice("old", "a", 1, &[("1.1.1.1", json!({}))]);
    let new = slice("new", "a", 1, &[("2.2.2.2", json!({}))]);
    assert!(!known.take(Event::Init), "an empty beginning is no list");
    assert!(!known.take(Event::InitApply(old)));
    assert!(known.take(Event::InitDone));
    known.take(Event::Init);
    known.take(Event::InitApply(new.clone()));
    assert_eq!(table(known.held.values())["a"], addresses(&["1.1.1.1:1"]));
    known.take(Event::InitDone);
    assert_eq!(table(known.held.values())["a"], addresses(&["2.2.2.2:1"]));
    known.take(Event::Delete(new));
    assert!(known.held.is_empty());
}

/// An API server that lists one ConfigMap and one EndpointSlice, and is away once `gone` is set.
fn api_server(gone: Arc<AtomicBool>, asked: watch::Sender<Vec<String>>) -> Client {
    let layout = Layout { cluster: "cherokee".into(), ..Layout::default() };
    let map =
        json!({"metadata": {"name": "cherokee-layout"}, "data": {(KEY): serde_json::to_string(&layout).unwrap()}});
    let slice = serde_json::to_value(slice("a-1", "a", 8080, &[("10.0.0.1", json!({"ready": true}))])).unwrap();
    let service = service_fn(move |request: Request<Body>| {
        asked.send_modify(|asked| asked.push(request.uri().to_string()));
        let list = |kind: &str, item: &Value| json!({"kind": kind, "apiVersion": "v1", "metadata": {"resourceVersion": "1"}, "items": [item]});
        let uri = request.uri().to_string();
        let body = if uri.contains("watch") || gone.load(Ordering::Relaxed) {
            None
        } else if uri.contains("configmaps") {
            Some(list("ConfigMapList", &map))
        } else {
            Some(list("EndpointSliceList", &slice))
        };
        let mut response = Response::new(Body::from(body.clone().unwrap_or_default().to_string().into_bytes()));
        if body.is_none() {
            gone.store(true, Ordering::Relaxed);
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        }
        async move { Ok::<_, std::convert::Infallible>(response) }
    });
    Client::new(service, "cherokee")
}

#[tokio::test]
async fn layout_and_workers_hold_while_the_api_server_is_away() {
    let (asked, _kept) = watch::channel(Vec::new());
    let gone = Arc::new(AtomicBool::new(false));
    let client = |asked: &watch::Sender<Vec<String>>| api_server(Arc::clone(&gone), asked.clone());
    let (layout_to, mut layouts) = watch::channel(None);
    let (superseded_to, superseded) = watch::channel(false);
    let (table_to, mut tables) = watch::channel(None);
    // One after the other, since each ends its server's life with its first watch.
    let deadline = Duration::from_secs(20);
    let (one, two) = (client(&asked), client(&asked));
    let following =
        tokio::spawn(async move { follow_layout(one, "cherokee", "cherokee", layout_to, superseded_to).await });
    tokio::time::timeout(deadline, layouts.wait_for(Option::is_some)).await.unwrap().unwrap();
    assert!(*superseded.borrow());
    let mut log = asked.subscribe();
    tokio::time::timeout(deadline, log.wait_for(|asked| asked.len() > 2)).await.unwrap().unwrap();
    assert!(log.borrow()[0].contains("fieldSelector=metadata.name%3Dcherokee-layout"), "{:?}", log.borrow());
    assert_eq!(layouts.borrow().as_ref().unwrap().cluster, "cherokee");
    assert!(!following.is_finished(), "it goes on trying");
    following.abort();

    gone.store(false, Ordering::Relaxed);
    let before = asked.borrow().len();
    let following = tokio::spawn(async move { follow_endpoints(two, "cherokee", "cherokee", table_to).await });
    tokio::time::timeout(deadline, tables.wait_for(Option::is_some)).await.unwrap().unwrap();
    tokio::time::timeout(deadline, log.wait_for(|asked| asked.len() > before + 2)).await.unwrap().unwrap();
    assert!(log.borrow()[before].contains("labelSelector=cherokee.ai%2Fcluster%3Dcherokee"), "{:?}", log.borrow());
    assert_eq!(tables.borrow().as_ref().unwrap()["a"], addresses(&["10.0.0.1:8080"]));
    assert!(!following.is_finished());
}
