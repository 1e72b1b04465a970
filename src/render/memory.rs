//! The managed Redis: config, password, Service and StatefulSet.

use super::{
    Password, Scene,
    child::{Child, Component, Frame, Kind, hash},
    pod::{self, confined, mount},
};
use crate::{
    children::{FRAGMENT_KEY, PASSWORD_KEY, fragment},
    quantity,
};
use cherokee_api::names::{annotation, child};
use k8s_openapi::api::core::v1::Secret;
use serde_json::{Value, json};

/// Port of Redis.
pub(crate) const REDIS_PORT: u16 = 6379;
/// Folder of that line: not inside the config's, which is read-only and could not take a mount.
const FRAGMENT_FOLDER: &str = "/etc/redis-password";
/// Folder of the password in the pods that use it.
const PASSWORD_FOLDER: &str = "/etc/cherokee/redis";

/// Redis' config. Its limit is a quarter above the budget that the daemon keeps to, so Redis itself never evicts.
pub(crate) fn config(frame: &Frame<'_>) -> Child {
    let body = json!({"data": {"redis.conf": config_text(frame)}});
    frame.child(Kind::ConfigMap, child::memory(&frame.name), Component::Memory, body)
}

fn config_text(frame: &Frame<'_>) -> String {
    let limit = budget(frame) / 4 * 5;
    format!(
        "bind * -::*\nport {REDIS_PORT}\ndir /data\nmaxmemory {limit}\nmaxmemory-policy noeviction\n\
         appendonly yes\nappendfsync everysec\nsave \"\"\ntcp-keepalive 60\ninclude {FRAGMENT_FOLDER}/{FRAGMENT_KEY}\n"
    )
}

fn budget(frame: &Frame<'_>) -> u64 {
    quantity::bytes(&frame.cluster.spec.muscle_memory.memory.0).unwrap_or(0)
}

/// The Secret with a new password. Created once, never applied.
pub(crate) fn secret(namespace: &str, cluster: &cherokee_api::CherokeeCluster, password: &Password) -> Secret {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
    use kube::{Resource, ResourceExt};
    let name = cluster.name_any();
    let labels = [
        (cherokee_api::names::label::CLUSTER, name.as_str()),
        (cherokee_api::names::label::MANAGED_BY, cherokee_api::names::MANAGED_BY),
    ];
    Secret {
        metadata: ObjectMeta {
            name: Some(child::memory_password(&name)),
            namespace: Some(namespace.to_owned()),
            labels: Some(labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into()),
            owner_references: cluster.controller_owner_ref(&()).map(|owner| vec![owner]),
            ..ObjectMeta::default()
        },
        string_data: Some(
            [(PASSWORD_KEY.to_owned(), password.secret.clone()), (FRAGMENT_KEY.to_owned(), fragment(&password.secret))]
                .into(),
        ),
        ..Secret::default()
    }
}

/// The Service by which the managed Redis is found.
pub(crate) fn service(frame: &Frame<'_>) -> Child {
    let body = json!({"spec": {
        "type": "ClusterIP",
        "selector": frame.selector(Component::Memory),
        "ports": [{"name": "redis", "port": REDIS_PORT, "targetPort": REDIS_PORT, "protocol": "TCP"}],
    }});
    frame.child(Kind::Service, child::memory(&frame.name), Component::Memory, body)
}

/// One Redis on a volume of its own.
pub(crate) fn stateful_set(frame: &Frame<'_>, scene: &Scene<'_>) -> Child {
    let spec = &frame.cluster.spec.muscle_memory;
    let name = child::memory(&frame.name);
    let image = spec.image.as_ref().unwrap_or(&frame.settings.redis_image);
    // Half as much again as the budget: Redis' own limit, and the pages that a rewrite of the log copies.
    let memory = (budget(frame) / 2 * 3 + (64 << 20)).to_string();
    let mut redis = json!({
        "name": "redis",
        "image": image,
        "imagePullPolicy": frame.settings.image_pull_policy,
        "command": ["redis-server", "/etc/redis/redis.conf"],
        "securityContext": confined(),
        "ports": [{"name": "redis", "containerPort": REDIS_PORT, "protocol": "TCP"}],
        "resources": {"requests": {"cpu": "100m", "memory": memory}, "limits": {"memory": memory}},
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "livenessProbe": {"tcpSocket": {"port": REDIS_PORT}, "periodSeconds": 10, "timeoutSeconds": 5, "failureThreshold": 6},
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}, {"name": "data", "mountPath": "/data"}],
    });
    probes(frame, &mut redis);
    mount(&mut redis, "config", "/etc/redis");
    mount(&mut redis, "password", FRAGMENT_FOLDER);
    let volumes = vec![
        json!({"name": "config", "configMap": {"name": name}}),
        json!({"name": "password", "secret": {"secretName": child::memory_password(&frame.name), "items": [{"key": FRAGMENT_KEY, "path": FRAGMENT_KEY}]}}),
    ];
    let mut pod = pod::spec(&child::worker(&frame.name), false, 0, json!([redis]), volumes);
    pod["initContainers"] = json!([mender(frame)]);
    pull_secrets(frame, &mut pod);
    let mut claim = json!({
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": spec.persistence.size.0}}},
    });
    if let Some(class) = &spec.persistence.storage_class_name {
        claim["spec"]["storageClassName"] = json!(class);
    }
    let body = json!({"spec": {
        "replicas": 1,
        "serviceName": name,
        "selector": {"matchLabels": frame.selector(Component::Memory)},
        "template": {
            "metadata": {
                "labels": frame.labels(Component::Memory),
                "annotations": {annotation::CONFIG_HASH: hash(&[&config_text(frame), &scene.password.secret])},
            },
            "spec": pod,
        },
        "volumeClaimTemplates": [claim],
    }});
    frame.child(Kind::StatefulSet, name, Component::Memory, body)
}

/// Ready is who answers a command. While Redis loads its log, minutes after a restart, it accepts connections and refuses
/// every command, so an open port says too little. An image of the user need not have `redis-cli`: there the port decides.
fn probes(frame: &Frame<'_>, redis: &mut Value) {
    let answers = if frame.cluster.spec.muscle_memory.image.is_some() {
        json!({"tcpSocket": {"port": REDIS_PORT}})
    } else {
        let from = json!({"secretKeyRef": {"name": child::memory_password(&frame.name), "key": PASSWORD_KEY}});
        pod::push(&mut redis["env"], json!({"name": "REDISCLI_AUTH", "valueFrom": from}));
        // Without `-e` the answer "LOADING" would end with 0.
        json!({"exec": {"command": ["redis-cli", "-e", "-p", REDIS_PORT.to_string(), "ping"]}})
    };
    for (probe, period, failures) in [("startupProbe", 1, 600), ("readinessProbe", 2, 3)] {
        redis[probe] = answers.clone();
        redis[probe]["periodSeconds"] = json!(period);
        redis[probe]["timeoutSeconds"] = json!(2);
        redis[probe]["failureThreshold"] = json!(failures);
    }
}

/// Cuts what a power cut left off the log: Redis itself would end at each start.
fn mender(frame: &Frame<'_>) -> Value {
    let args = ["mend-log".to_owned(), "/data/appendonlydir".to_owned()];
    let mut container = pod::container(frame, "mend", &frame.settings.image, &args);
    // An init container has none.
    container.as_object_mut().map(|fields| fields.remove("lifecycle"));
    container["resources"] = json!({"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": "64Mi"}});
    pod::push(&mut container["volumeMounts"], json!({"name": "data", "mountPath": "/data"}));
    container
}

/// Lets a container reach the muscle memory: address, password file, and a hash that restarts it with a new password.
pub(crate) fn connect(
    frame: &Frame<'_>,
    scene: &Scene<'_>,
    container: &mut Value,
    args: &mut Vec<String>,
) -> Connection {
    use cherokee_api::memory::MemoryMode;
    let spec = &frame.cluster.spec.muscle_memory;
    match spec.mode {
        MemoryMode::Disabled => Connection { volumes: Vec::new(), hash: String::new() },
        MemoryMode::External => {
            if let Some(secret) = &spec.connection_secret_ref {
                let from = json!({"secretKeyRef": {"name": secret.name, "key": "url"}});
                pod::push(&mut container["env"], json!({"name": "CHEROKEE_REDIS_URL", "valueFrom": from}));
            }
            Connection { volumes: Vec::new(), hash: String::new() }
        }
        MemoryMode::Managed => {
            let host = child::memory(&frame.name);
            args.extend([
                format!("--redis-url=redis://{host}:{REDIS_PORT}"),
                format!("--redis-password-file={PASSWORD_FOLDER}/{PASSWORD_KEY}"),
            ]);
            mount(container, "redis-password", PASSWORD_FOLDER);
            let secret = json!({"secretName": child::memory_password(&frame.name), "items": [{"key": PASSWORD_KEY, "path": PASSWORD_KEY}]});
            Connection {
                volumes: vec![json!({"name": "redis-password", "secret": secret})],
                hash: hash(&[&scene.password.secret]),
            }
        }
    }
}

/// What a pod needs beside its container to reach the muscle memory.
pub(crate) struct Connection {
    pub(crate) volumes: Vec<Value>,
    pub(crate) hash: String,
}

/// Secrets by which images are pulled.
pub(crate) fn pull_secrets(frame: &Frame<'_>, pod: &mut Value) {
    let secrets = &frame.cluster.spec.workers.image_pull_secrets;
    if !secrets.is_empty() {
        pod["imagePullSecrets"] = secrets.iter().map(|s| json!({"name": s.name})).collect();
    }
}
