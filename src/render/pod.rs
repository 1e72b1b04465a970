//! What all pods have in common: the restricted Pod Security profile, probes, a preStop sleep and no surprises.

use super::child::Frame;
use serde_json::{Value, json};

/// Seconds that a pod goes on accepting after it was told to end, so that all who route have noticed.
pub(crate) const PRE_STOP_SECONDS: i64 = 5;
/// Seconds beside preStop and drain until a pod is killed.
pub(crate) const GRACE_SECONDS: i64 = 10;
/// User and group of all pods: the images' `nonroot`.
const NONROOT: i64 = 65532;
pub(crate) use crate::children::PORT;

/// Security context of all containers.
pub(crate) fn confined() -> Value {
    json!({
        "allowPrivilegeEscalation": false,
        "readOnlyRootFilesystem": true,
        "capabilities": {"drop": ["ALL"]},
    })
}

/// Security context of all pods.
pub(crate) fn restricted() -> Value {
    json!({
        "runAsNonRoot": true,
        "runAsUser": NONROOT,
        "runAsGroup": NONROOT,
        "fsGroup": NONROOT,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    })
}

/// Readiness (`/readyz`, each second) and liveness (`/healthz`) of a program that answers on `port`.
pub(crate) fn probes(container: &mut Value, port: u16) {
    container["readinessProbe"] = json!({"httpGet": {"path": "/readyz", "port": port}, "periodSeconds": 1, "timeoutSeconds": 5, "failureThreshold": 3});
    container["livenessProbe"] = json!({"httpGet": {"path": "/healthz", "port": port}, "periodSeconds": 10, "timeoutSeconds": 5, "failureThreshold": 6});
}

/// A startup probe that allows this many seconds until the program is ready for the first time.
pub(crate) fn startup(container: &mut Value, port: u16, seconds: u32) {
    container["startupProbe"] = json!({"httpGet": {"path": "/readyz", "port": port}, "periodSeconds": 1, "timeoutSeconds": 5, "failureThreshold": seconds});
}

/// A container without rights, that waits before it ends and writes its last words where Kubernetes reads them.
pub(crate) fn container(frame: &Frame<'_>, name: &str, image: &str, args: &[String]) -> Value {
    json!({
        "name": name,
        "image": image,
        "imagePullPolicy": frame.settings.image_pull_policy,
        "args": args,
        "securityContext": confined(),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "lifecycle": {"preStop": {"sleep": {"seconds": PRE_STOP_SECONDS}}},
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
    })
}

/// A pod spec of these containers and volumes; `drain` seconds for running queries to end.
pub(crate) fn spec(account: &str, token: bool, drain: i64, containers: Value, volumes: Vec<Value>) -> Value {
    let mut all = vec![json!({"name": "tmp", "emptyDir": {}})];
    all.extend(volumes);
    json!({
        "serviceAccountName": account,
        "automountServiceAccountToken": token,
        "enableServiceLinks": false,
        "securityContext": restricted(),
        "terminationGracePeriodSeconds": PRE_STOP_SECONDS + drain + GRACE_SECONDS,
        "containers": containers,
        "volumes": all,
    })
}

/// Mounts a volume read-only.
pub(crate) fn mount(container: &mut Value, volume: &str, path: &str) {
    push(&mut container["volumeMounts"], json!({"name": volume, "mountPath": path, "readOnly": true}));
}

/// Appends to a list, which is made if it is absent.
pub(crate) fn push(list: &mut Value, item: Value) {
    match list.as_array_mut() {
        Some(items) => items.push(item),
        None => *list = json!([item]),
    }
}
