//! The daemon that tends the muscle memory: one copy.

use super::{
    Scene,
    child::{Child, Component, Frame, Kind},
    gateway::{LAYOUT_FOLDER, identity, layout_volume},
    memory,
    pod::{self, PORT, mount},
};
use cherokee_api::names::{annotation, child};
use serde_json::json;

/// Seconds that the daemon gets to end the step it is at.
const DRAIN_SECONDS: i64 = 5;

/// The daemon's Deployment. Never two at once: each evicts by what it has read.
pub(crate) fn deployment(frame: &Frame<'_>, scene: &Scene<'_>) -> Child {
    let memory = &frame.cluster.spec.autonomic.memory.0;
    let mut args = identity(frame, "autonomic");
    args.push(format!("--listen=[::]:{PORT}"));
    let mut container = pod::container(frame, "autonomic", &frame.settings.image, &[]);
    let connection = memory::connect(frame, scene, &mut container, &mut args);
    mount(&mut container, "layout", LAYOUT_FOLDER);
    container["args"] = json!(args);
    container["ports"] = json!([{"name": "http", "containerPort": PORT, "protocol": "TCP"}]);
    container["resources"] = json!({"requests": {"cpu": "50m", "memory": memory}, "limits": {"memory": memory}});
    pod::probes(&mut container, PORT);
    let mut volumes = vec![layout_volume(frame)];
    volumes.extend(connection.volumes);
    let mut pod = pod::spec(&child::autonomic(&frame.name), true, DRAIN_SECONDS, json!([container]), volumes);
    memory::pull_secrets(frame, &mut pod);
    let body = json!({"spec": {
        "replicas": 1,
        "selector": {"matchLabels": frame.selector(Component::Autonomic)},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}},
        "template": {
            "metadata": {"labels": frame.labels(Component::Autonomic), "annotations": {annotation::CONFIG_HASH: connection.hash}},
            "spec": pod,
        },
    }});
    frame.child(Kind::Deployment, child::autonomic(&frame.name), Component::Autonomic, body)
}
