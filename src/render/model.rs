//! How the file of a model gets into a worker: as an image volume, from a claim, or by a download.

use super::{child::Frame, pod::mount};
use crate::children::{claim, downloaded};
use cherokee_api::model::Model;
use serde_json::{Value, json};

/// Folder of models in a worker.
const FOLDER: &str = "/models";
/// Folder of downloads in a worker.
const CACHE: &str = "/var/cache/cherokee/models";
/// Folder of download tokens in a worker.
const TOKENS: &str = "/etc/cherokee/model-tokens";

/// Adds a slot's models to its worker: arguments, mounts and volumes.
pub(crate) fn add(
    frame: &Frame<'_>,
    models: &[&Model],
    container: &mut Value,
    args: &mut Vec<String>,
    volumes: &mut Vec<Value>,
) {
    for (index, model) in models.iter().enumerate() {
        // Names of volumes know no dots, names of models do.
        let volume = format!("model-{index}");
        let folder = format!("{FOLDER}/{}", model.name);
        if let Some(image) = model.uri.strip_prefix("oci://") {
            volumes.push(
                json!({"name": volume, "image": {"reference": image, "pullPolicy": frame.settings.image_pull_policy}}),
            );
            mount(container, &volume, &folder);
            args.push(format!("--model={}={folder}/{}", model.name, model.path.as_deref().unwrap_or("models")));
        } else if let Some((claim, path)) = claim(&model.uri) {
            volumes.push(json!({"name": volume, "persistentVolumeClaim": {"claimName": claim, "readOnly": true}}));
            mount(container, &volume, &folder);
            args.push(format!("--model={}={folder}/{path}", model.name));
        } else {
            args.push(format!("--model-url={}={}", model.name, model.uri));
            args.extend(model.sha256.iter().map(|digest| format!("--model-sha256={}={digest}", model.name)));
        }
    }
    if models.iter().any(|m| downloaded(m)) {
        args.push(format!("--model-cache={CACHE}"));
        volumes.push(json!({"name": "downloads", "emptyDir": {}}));
        super::pod::push(&mut container["volumeMounts"], json!({"name": "downloads", "mountPath": CACHE}));
        token(models, container, args, volumes);
    }
}

/// The bearer token of downloads: a worker takes one, the first that its models name.
fn token(models: &[&Model], container: &mut Value, args: &mut Vec<String>, volumes: &mut Vec<Value>) {
    if let Some(secret) = models.iter().find_map(|m| m.credentials_secret_ref.as_ref()) {
        volumes.push(json!({"name": "model-token", "secret": {"secretName": secret.name, "items": [{"key": "token", "path": "token"}]}}));
        mount(container, "model-token", TOKENS);
        args.push(format!("--model-token-file={TOKENS}/token"));
    }
}
