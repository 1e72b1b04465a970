//! Who finds whom, and who may talk to whom.

use super::{
    child::{Child, Component, Frame, Kind},
    memory::REDIS_PORT,
    pod::PORT,
};
use cherokee_api::names::{child, label};
use serde_json::{Value, json};

/// Headless Service of a slot: its EndpointSlices carry the labels by which gateways follow them. Pods that are not ready
/// are left out.
pub(crate) fn slot_service(frame: &Frame<'_>, slot: &str) -> Child {
    let body = json!({
        "metadata": {"labels": {label::SLOT: slot}},
        "spec": {
            "type": "ClusterIP",
            "clusterIP": "None",
            "publishNotReadyAddresses": false,
            "selector": {label::CLUSTER: frame.name, label::SLOT: slot},
            "ports": [{"name": "http", "port": PORT, "targetPort": PORT, "protocol": "TCP"}],
        },
    });
    frame.child(Kind::Service, slot, Component::Worker, body)
}

/// Workers know no API keys, so only the gateways of their cluster reach them, and the operator, which asks how far their
/// downloads are. A policy beside this one may allow more.
pub(crate) fn workers(frame: &Frame<'_>) -> Child {
    let operator = json!({
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": frame.settings.namespace}},
        "podSelector": {"matchLabels": {"app.kubernetes.io/component": "operator"}},
    });
    let from = json!([peer(frame.selector(Component::Gateway)), operator]);
    policy(frame, child::worker(&frame.name), Component::Worker, &from, PORT)
}

/// Only gateways, the daemon and dream workers reach the managed Redis.
pub(crate) fn memory(frame: &Frame<'_>) -> Child {
    let from = json!([
        peer(frame.selector(Component::Gateway)),
        peer(frame.selector(Component::Autonomic)),
        peer(json!({label::CLUSTER: frame.name, label::DREAM: "true"})),
    ]);
    policy(frame, child::memory(&frame.name), Component::Memory, &from, REDIS_PORT)
}

fn peer(labels: Value) -> Value {
    json!({"podSelector": {"matchLabels": labels}})
}

fn policy(frame: &Frame<'_>, name: String, to: Component, from: &Value, port: u16) -> Child {
    let body = json!({"spec": {
        "podSelector": {"matchLabels": frame.selector(to)},
        "policyTypes": ["Ingress"],
        "ingress": [{"from": from, "ports": [{"port": port, "protocol": "TCP"}]}],
    }});
    frame.child(Kind::NetworkPolicy, name, to, body)
}
