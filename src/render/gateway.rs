//! The front door: Service, Deployment and, with several copies, a PodDisruptionBudget.

use super::{
    Scene,
    child::{Child, Component, Frame, Kind},
    memory,
    pod::{self, PORT, PRE_STOP_SECONDS, mount},
};
use cherokee_api::{
    gateway::AuthMode,
    names::{annotation, child},
};
use serde_json::json;

/// Where every program finds the layout document.
pub(crate) const LAYOUT_FOLDER: &str = "/etc/cherokee/layout";
/// Where the gateway finds API keys.
const KEYS_FOLDER: &str = "/etc/cherokee/api-keys";

/// Seconds that a gateway which ends gives to the queries it carries: a queue, a worker that is just being replaced, and a long
/// answer behind it. A gateway without queries ends at once.
const DRAIN_SECONDS: i64 = 300;

/// One address for all roles, on port 80.
pub(crate) fn service(frame: &Frame<'_>) -> Child {
    let body = json!({"spec": {
        "type": "ClusterIP",
        "selector": frame.selector(Component::Gateway),
        "ports": [{"name": "http", "port": 80, "targetPort": PORT, "protocol": "TCP"}],
    }});
    frame.child(Kind::Service, child::gateway(&frame.name), Component::Gateway, body)
}

/// Arguments that say to a program which cluster it serves.
pub(crate) fn identity(frame: &Frame<'_>, program: &str) -> Vec<String> {
    vec![
        program.to_owned(),
        format!("--namespace={}", frame.namespace),
        format!("--cluster={}", frame.name),
        format!("--layout-file={LAYOUT_FOLDER}/{}", cherokee_wire::layout::KEY),
    ]
}

/// Volume with the layout document.
pub(crate) fn layout_volume(frame: &Frame<'_>) -> serde_json::Value {
    json!({"name": "layout", "configMap": {"name": child::layout(&frame.name)}})
}

/// The copies. A new one is ready before an old one ends.
pub(crate) fn deployment(frame: &Frame<'_>, scene: &Scene<'_>) -> Vec<Child> {
    let spec = &frame.cluster.spec;
    let mut args = identity(frame, "gateway");
    args.extend([
        format!("--listen=[::]:{PORT}"),
        format!("--pre-stop-seconds={PRE_STOP_SECONDS}"),
        format!("--drain-seconds={DRAIN_SECONDS}"),
    ]);
    let mut container = pod::container(frame, "gateway", &frame.settings.image, &[]);
    // It waits by itself: then it knows that it ends and asks clients to leave their connections.
    container.as_object_mut().map(|fields| fields.remove("lifecycle"));
    let connection = memory::connect(frame, scene, &mut container, &mut args);
    let mut volumes = vec![layout_volume(frame)];
    volumes.extend(connection.volumes);
    mount(&mut container, "layout", LAYOUT_FOLDER);
    if let (AuthMode::ApiKey, Some(secret)) = (spec.gateway.auth.mode, &spec.gateway.auth.secret_ref) {
        args.push(format!("--api-keys-dir={KEYS_FOLDER}"));
        mount(&mut container, "api-keys", KEYS_FOLDER);
        volumes.push(json!({"name": "api-keys", "secret": {"secretName": secret.name}}));
    }
    container["args"] = json!(args);
    container["ports"] = json!([{"name": "http", "containerPort": PORT, "protocol": "TCP"}]);
    container["resources"] = json!({"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "512Mi"}});
    pod::probes(&mut container, PORT);
    pod::startup(&mut container, PORT, 120);

    let mut pod = pod::spec(&child::gateway(&frame.name), true, DRAIN_SECONDS, json!([container]), volumes);
    memory::pull_secrets(frame, &mut pod);
    let selector = json!({"matchLabels": frame.selector(Component::Gateway)});
    pod["topologySpreadConstraints"] = json!([{
        "maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "ScheduleAnyway", "labelSelector": selector,
    }]);
    let body = json!({"spec": {
        "replicas": spec.gateway.replicas,
        "selector": selector,
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
        "template": {
            "metadata": {"labels": frame.labels(Component::Gateway), "annotations": {annotation::CONFIG_HASH: connection.hash}},
            "spec": pod,
        },
    }});
    let name = child::gateway(&frame.name);
    let mut children = vec![frame.child(Kind::Deployment, name.clone(), Component::Gateway, body)];
    if spec.gateway.replicas > 1 {
        let budget = json!({"spec": {"minAvailable": 1, "selector": selector}});
        children.push(frame.child(Kind::PodDisruptionBudget, name, Component::Gateway, budget));
    }
    children
}
