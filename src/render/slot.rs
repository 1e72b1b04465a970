//! A slot's Deployment: one worker process on one device, 0 or 1 replica. Its pod template is the same all day.

use super::{
    Scene,
    child::{Child, Component, Frame, Kind},
    claim,
    gateway::{LAYOUT_FOLDER, identity, layout_volume},
    memory, model,
    pod::{self, PORT, mount, push},
};
use crate::quantity;
use cherokee_api::{
    accelerator::Mode,
    memory::MemoryMode,
    names::{annotation, child, label},
};
use cherokee_plan::{Access, Layer, Slot};
use serde_json::{Value, json};
use std::time::Duration;

/// Port of a dream container, beside its worker's.
const DREAM_PORT: u16 = PORT + 1;
/// Seconds that a worker gets to load a file that is there.
const LOAD_SECONDS: u32 = 1200;
/// Seconds that a worker gets to download and load its file.
const DOWNLOAD_SECONDS: u32 = 4 * 3600;
/// Main memory of a worker beside its model, where the CPU computes.
const CPU_OVERHEAD_MIB: u64 = 512;
/// Main memory of a worker whose model is on a GPU.
const GPU_WORKER_MEMORY: &str = "4Gi";

/// Seconds that a slot's worker gets until it is ready for the first time.
pub(crate) fn start_seconds(cluster: &cherokee_api::CherokeeCluster, slot: &Slot) -> u32 {
    let held = cluster.spec.models.iter().filter(|m| slot.models.contains(&m.name));
    if held.into_iter().any(crate::children::downloaded) { DOWNLOAD_SECONDS } else { LOAD_SECONDS }
}

/// Deployments of all slots, the least urgent first, so that dream workers show an update before others get it.
pub(crate) fn deployments(frame: &Frame<'_>, scene: &Scene<'_>) -> Vec<Child> {
    let mut slots: Vec<_> = scene.changing().collect();
    slots.sort_by_key(|(name, slot)| (std::cmp::Reverse(slot.most_urgent(scene.intent)), (*name).clone()));
    slots.into_iter().map(|(name, slot)| deployment(frame, scene, name, slot)).collect()
}

fn deployment(frame: &Frame<'_>, scene: &Scene<'_>, name: &str, slot: &Slot) -> Child {
    let spec = &frame.cluster.spec;
    let drain = Duration::from(spec.workers.drain).as_secs();
    let mut volumes = Vec::new();
    let mut containers = vec![worker(frame, scene, slot, &mut volumes)];
    let mut labels = frame.labels(Component::Worker);
    labels[label::SLOT] = json!(name);
    // A slot's pod can run on its device only: an autoscaler that empties its node ends the role.
    let mut annotations = json!({annotation::SAFE_TO_EVICT: "false", annotation::DO_NOT_DISRUPT: "true"});
    let dreams = slot.roles.iter().any(|r| scene.intent.roles.get(r).is_some_and(|r| r.layer == Layer::Subconscious));
    if dreams && spec.muscle_memory.mode != MemoryMode::Disabled {
        let (dream, hash) = dream(frame, scene, name, &mut volumes);
        containers.push(dream);
        labels[label::DREAM] = json!("true");
        annotations[annotation::CONFIG_HASH] = json!(hash);
    }
    let drain = i64::try_from(drain).unwrap_or(0);
    let mut pod = pod::spec(&child::worker(&frame.name), false, drain, json!(containers), volumes);
    place(frame, name, slot, &mut pod);
    let body = json!({
        "metadata": {
            "labels": {label::SLOT: name},
            "annotations": {
                annotation::DEVICE: format!("{}/{}", slot.device.node, slot.device.uuid),
                annotation::SINCE: scene.since.get(name),
            },
        },
        "spec": {
            "replicas": i32::from(slot.on),
            "revisionHistoryLimit": 2,
            "selector": {"matchLabels": {label::CLUSTER: frame.name, label::SLOT: name}},
            // The device is held until the old pod has gone; `Recreate` would wait for ever for one on a dead node.
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}},
            "template": {"metadata": {"labels": labels, "annotations": annotations}, "spec": pod},
        },
    });
    frame.child(Kind::Deployment, name, Component::Worker, body)
}

fn worker(frame: &Frame<'_>, scene: &Scene<'_>, slot: &Slot, volumes: &mut Vec<Value>) -> Value {
    let spec = &frame.cluster.spec;
    let simulated = scene.fleet.nodes.get(&slot.device.node).is_some_and(|node| node.simulated);
    let device = match (spec.accelerator.mode, simulated) {
        (Mode::Cpu, _) => "cpu",
        (Mode::Gpu, true) => "simulated",
        (Mode::Gpu, false) => "gpu",
    };
    let context = slot.models.iter().filter_map(|m| scene.intent.models.get(m)).map(|m| m.context_tokens).max();
    let mut args = vec![
        format!("--listen=[::]:{PORT}"),
        format!("--device={device}"),
        format!("--max-sequences={}", slot.max_sequences),
        format!("--memory-limit-mib={}", slot.memory.total.0),
        format!("--drain-seconds={}", Duration::from(spec.workers.drain).as_secs()),
    ];
    args.extend(context.map(|tokens| format!("--context-tokens={tokens}")));
    // Workers of one node that each take all of its CPUs for their own slow each other down.
    let cpus = quantity::thousandths(&spec.workers.cpu.0).map(|thousandths| (thousandths + 999) / 1000);
    args.extend(cpus.filter(|_| device != "gpu").map(|cpus| format!("--threads={cpus}")));
    let mut container = pod::container(frame, "worker", &frame.settings.worker_image, &[]);
    let models: Vec<_> = spec.models.iter().filter(|m| slot.models.contains(&m.name)).collect();
    model::add(frame, &models, &mut container, &mut args, volumes);
    container["args"] = json!(args);
    container["ports"] = json!([{"name": "http", "containerPort": PORT, "protocol": "TCP"}]);
    container["resources"] = resources(frame, slot, device);
    pod::probes(&mut container, PORT);
    pod::startup(&mut container, PORT, start_seconds(frame.cluster, slot));
    container
}

fn resources(frame: &Frame<'_>, slot: &Slot, device: &str) -> Value {
    let spec = &frame.cluster.spec;
    let memory = match (&spec.workers.memory, device) {
        (Some(memory), _) => memory.0.clone(),
        (None, "gpu") => GPU_WORKER_MEMORY.to_owned(),
        (None, _) => format!("{}Mi", slot.memory.total.0 + CPU_OVERHEAD_MIB),
    };
    let mut resources = json!({
        "requests": {"cpu": spec.workers.cpu.0, "memory": memory},
        "limits": {"memory": memory},
    });
    match slot.access {
        Access::Dra => resources["claims"] = json!([{"name": claim::REQUEST}]),
        Access::DevicePlugin => {
            // Said twice, because the API server would fill it in: what is applied is what is stored.
            resources["limits"][&spec.accelerator.resource_name] = json!("1");
            resources["requests"][&spec.accelerator.resource_name] = json!("1");
        }
        Access::None | Access::Twice => {}
    }
    resources
}

/// The container that dreams with the worker beside it, and the hash that restarts it.
fn dream(frame: &Frame<'_>, scene: &Scene<'_>, slot: &str, volumes: &mut Vec<Value>) -> (Value, String) {
    let mut args = identity(frame, "dream");
    args.extend([
        format!("--slot={slot}"),
        format!("--worker-url=http://127.0.0.1:{PORT}"),
        format!("--listen=[::]:{DREAM_PORT}"),
    ]);
    let mut container = pod::container(frame, "dream", &frame.settings.image, &[]);
    let connection = memory::connect(frame, scene, &mut container, &mut args);
    volumes.push(layout_volume(frame));
    volumes.extend(connection.volumes);
    mount(&mut container, "layout", LAYOUT_FOLDER);
    container["args"] = json!(args);
    container["ports"] = json!([{"name": "dream-http", "containerPort": DREAM_PORT, "protocol": "TCP"}]);
    container["resources"] = json!({"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}});
    // No readiness probe: a dream that waits for its memory must not take its worker out of service.
    container["livenessProbe"] = json!({"httpGet": {"path": "/healthz", "port": DREAM_PORT}, "periodSeconds": 10, "timeoutSeconds": 5, "failureThreshold": 6});
    (container, connection.hash)
}

/// Where the pod runs and what it gets there.
fn place(frame: &Frame<'_>, name: &str, slot: &Slot, pod: &mut Value) {
    let spec = &frame.cluster.spec;
    // In CPU mode any node may do. By affinity, not by spec.nodeName: the scheduler has to see the pod, or nobody
    // allocates its device.
    if !slot.device.node.is_empty() {
        let node = json!({"key": "metadata.name", "operator": "In", "values": [slot.device.node]});
        pod["affinity"] = json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [{"matchFields": [node]}],
        }}});
    }
    if slot.access == Access::Dra {
        let template = claim::template_name(frame, name, slot);
        push(&mut pod["resourceClaims"], json!({"name": claim::REQUEST, "resourceClaimTemplateName": template}));
    }
    if !spec.workers.tolerations.is_empty() {
        pod["tolerations"] = json!(spec.workers.tolerations);
    }
    if let Some(class) = &spec.workers.priority_class_name {
        pod["priorityClassName"] = json!(class);
    }
    if let (Mode::Gpu, Some(class)) = (spec.accelerator.mode, &spec.accelerator.runtime_class_name) {
        pod["runtimeClassName"] = json!(class);
    }
    memory::pull_secrets(frame, pod);
}
