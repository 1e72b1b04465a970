//! The CRD before a real API server: every example is taken, every wrong resource of tests/api/cases.yaml is refused with the
//! words that stand there, the install manifest is taken whole. Needs `CHEROKEE_TEST_KUBECONFIG`, except for what is compared without a server.
#![expect(clippy::disallowed_methods, reason = "the test plays the administrator who installs the CRD")]

mod server;

use cherokee_api::CherokeeCluster;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api, Client, Resource,
    api::{ApiResource, DeleteParams, DynamicObject, GroupVersionKind, Patch, PatchParams},
    runtime::wait::{await_condition, conditions},
};
use serde::Deserialize;
use serde_json::Value;
use server::client;
use std::{collections::BTreeMap, fs, path::Path, time::Duration};

/// The API server takes a moment to serve a new kind.
const PATIENCE: Duration = Duration::from_mins(1);
const CRD: &str = "cherokeeclusters.cherokee.ai";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cases {
    base: Value,
    refused: Vec<Case>,
    accepted: Vec<Case>,
}

/// A change of the base, and for a refusal what must be said.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    #[serde(default)]
    set: BTreeMap<String, Value>,
    #[serde(default)]
    append: BTreeMap<String, Value>,
    #[serde(default)]
    remove: Vec<String>,
    /// Path of the field, as the API server writes it; absent where it writes none.
    #[serde(default)]
    field: Option<String>,
    #[serde(default)]
    message: String,
}

impl Case {
    fn object(&self, base: &Value) -> Value {
        let mut object = base.clone();
        for (path, value) in &self.set {
            let (parent, key) = path.rsplit_once('/').expect("a JSON pointer");
            let parent = object.pointer_mut(parent).expect("the parent is in the base");
            match key.parse::<usize>() {
                Ok(index) if parent.is_array() => parent[index] = value.clone(),
                _ => parent[key] = value.clone(),
            }
        }
        for (path, value) in &self.append {
            object.pointer_mut(path).and_then(Value::as_array_mut).expect("a list").push(value.clone());
        }
        for path in &self.remove {
            let (parent, key) = path.rsplit_once('/').expect("a JSON pointer");
            object.pointer_mut(parent).and_then(Value::as_object_mut).expect("an object").remove(key);
        }
        object
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn cases() -> Cases {
    let text = fs::read_to_string(root().join("tests/api/cases.yaml")).expect("the cases");
    serde_saphyr::from_str(&text).expect("readable cases")
}

/// Name and content of all examples.
fn examples() -> Vec<(String, Value)> {
    let mut files: Vec<_> = ["manifests/examples", "manifests/demo"]
        .into_iter()
        .flat_map(|folder| fs::read_dir(root().join(folder)).expect("examples").map(|f| f.expect("a file").path()))
        .collect();
    files.sort();
    let read = |path: &Path| serde_saphyr::from_str(&fs::read_to_string(path).expect("readable")).expect("YAML");
    files.iter().map(|path| (path.display().to_string(), read(path))).collect()
}

#[test]
fn every_rule_of_the_crd_has_a_case() {
    fn messages(schema: &Value, found: &mut Vec<String>) {
        match schema {
            Value::Object(fields) => {
                for rule in fields.get("x-kubernetes-validations").and_then(Value::as_array).into_iter().flatten() {
                    found.push(rule["message"].as_str().unwrap_or_default().to_owned());
                }
                fields.values().for_each(|value| messages(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| messages(value, found)),
            _ => {}
        }
    }
    let mut rules = Vec::new();
    messages(&serde_json::to_value(cherokee_api::crd::crd()).expect("JSON"), &mut rules);
    assert!(rules.len() > 20, "the walk found only {} rules", rules.len());
    let cases = cases();
    let untested: Vec<_> =
        rules.iter().filter(|rule| !cases.refused.iter().any(|case| &case.message == *rule)).collect();
    assert!(untested.is_empty(), "rules without a case in tests/api/cases.yaml: {untested:#?}");
}

#[test]
fn every_example_is_read_and_says_what_a_later_version_serves() {
    for (name, example) in examples() {
        let read: CherokeeCluster = serde_json::from_value(example).expect(&name);
        let later = read.spec.roles.iter().any(|role| role.split.is_some())
            || ["Hybrid", "Enterprise", "Model"].contains(&read.spec.strategy.word());
        let first = fs::read_to_string(&name).expect("readable").lines().next().unwrap_or_default().to_owned();
        assert_eq!(first.contains("later version"), later, "{name}: the first line must say so, and only then");
    }
}

#[tokio::test]
async fn the_api_server_takes_every_example_and_refuses_every_wrong_resource_in_the_right_words() {
    let client = client().await;
    let installed = install(&client).await;
    // All faults at once, and the CRD removed before any of them ends the test: Helm takes no CRD that it did not make.
    let mut faults = Vec::new();
    let cases = cases();
    for (name, example) in examples() {
        if let Err(error) = create(&client, &example).await {
            faults.push(format!("{name} must be accepted: {error}"));
        }
    }
    for case in &cases.accepted {
        if let Err(error) = create(&client, &case.object(&cases.base)).await {
            faults.push(format!("`{}` must be accepted: {error}", case.name));
        }
    }
    for case in &cases.refused {
        faults.extend(fault(case, create(&client, &case.object(&cases.base)).await));
    }
    if installed {
        remove(&client).await;
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

#[tokio::test]
async fn the_api_server_takes_every_object_of_the_rendered_install_manifest() {
    let client = client().await;
    let text = fs::read_to_string(root().join("manifests/install.yaml")).expect("the manifest: run `make gen`");
    let objects: Vec<DynamicObject> = serde_saphyr::from_multiple(&text).expect("objects");
    // Nothing is stored: the operator of the chart, which has the same names, stays as it is.
    let dry = PatchParams::apply("cherokee-test").force().dry_run().validation_strict();
    let (mut faults, mut taken) = (Vec::new(), 0);
    for object in objects {
        let types = object.types.clone().expect("kind and version");
        let resource = ApiResource::from_gvk(&GroupVersionKind::try_from(&types).expect("a kind"));
        let api: Api<DynamicObject> = match &object.metadata.namespace {
            Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
            None => Api::all_with(client.clone(), &resource),
        };
        let name = object.metadata.name.clone().expect("a name");
        match api.patch(&name, &dry, &Patch::Apply(&object)).await {
            Ok(_) => taken += 1,
            Err(error) => faults.push(format!("{} `{name}`: {error}", types.kind)),
        }
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    assert!(taken > 10, "only {taken} objects in the manifest");
}

/// What is wrong with the API server's answer to a wrong resource.
fn fault(case: &Case, answer: Result<(), String>) -> Option<String> {
    let said = match answer {
        Ok(()) => return Some(format!("`{}` must be refused with: {}", case.name, case.message)),
        Err(said) => said,
    };
    let field = case.field.as_ref().is_none_or(|field| said.contains(&format!("{field}: ")));
    (!field || !said.contains(&case.message)).then(|| {
        format!("`{}` must name {:?} and say: {}\n    but it was: {said}", case.name, case.field, case.message)
    })
}

/// Creates `object` for the API server to judge, unknown fields refused as kubectl does: nothing is stored.
async fn create(client: &Client, object: &Value) -> Result<(), String> {
    let url = CherokeeCluster::url_path(&(), Some("default"));
    let request = http::Request::post(format!("{url}?dryRun=All&fieldValidation=Strict"))
        .header(http::header::CONTENT_TYPE, "application/json")
        .body(serde_json::to_vec(object).expect("JSON"))
        .expect("a request");
    match client.request::<Value>(request).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) => Err(status.message.clone()),
        Err(other) => Err(other.to_string()),
    }
}

/// Installs the generated CRD where none is; tells whether it did.
async fn install(client: &Client) -> bool {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    if api.get_opt(CRD).await.expect("an API server that answers").is_some() {
        return false;
    }
    let text =
        fs::read_to_string(root().join("crds/cherokee.ai_cherokeeclusters.yaml")).expect("the CRD: run `make gen`");
    let crd: Value = serde_saphyr::from_str(&text).expect("YAML");
    api.patch(CRD, &PatchParams::apply("cherokee-test").force(), &Patch::Apply(&crd))
        .await
        .expect("the CRD is accepted");
    let established = await_condition(api, CRD, conditions::is_crd_established());
    tokio::time::timeout(PATIENCE, established).await.expect("established in time").expect("established");
    true
}

async fn remove(client: &Client) {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    let deleted = api.delete(CRD, &DeleteParams::default()).await.expect("deleted");
    let uid = deleted.left().and_then(|crd| crd.metadata.uid).unwrap_or_default();
    let gone = await_condition(api, CRD, conditions::is_deleted(&uid));
    tokio::time::timeout(PATIENCE, gone).await.expect("gone in time").expect("gone");
}
