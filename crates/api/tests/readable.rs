//! What the schema admits, serde reads: one stored object that nobody can read must never be possible.

use cherokee_api::{CherokeeCluster, crd::crd};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{JSONSchemaProps, JSONSchemaPropsOrArray};
use proptest::prelude::*;
use serde_json::{Value, json};

fn object(change: impl FnOnce(&mut Value)) -> Value {
    let mut object = json!({
        "apiVersion": "cherokee.ai/v1alpha1", "kind": "CherokeeCluster", "metadata": {"name": "c"},
        "spec": {
            "models": [{"name": "m", "uri": "pvc://claim/m.gguf", "parameters": "1.1B"}],
            "roles": [{"name": "r", "layer": "Conscious", "model": "m", "windows": [{"schedule": "0 6 * * *", "duration": "1h"}],
                "onDemand": {"triggers": ["Manual"]}, "placement": {"device": {"index": 0}}, "split": {"stages": 2}}],
            "accelerator": {}, "workers": {}, "muscleMemory": {"persistence": {}}, "autonomic": {"thermal": {}},
            "gateway": {"auth": {}}, "load": {}
        }
    });
    change(&mut object);
    object
}

fn reads(object: Value) -> Result<CherokeeCluster, String> {
    serde_json::from_value(object.clone()).map_err(|error| format!("{error}: {object}"))
}

/// A path of [`object`], as a JSON pointer.
fn put(path: &str, value: Value) -> Value {
    object(|object| {
        let (parent, field) = path.rsplit_once('/').expect("a path");
        object.pointer_mut(parent).expect("the parent is there")[field] = value;
    })
}

const QUANTITIES: [&str; 7] = [
    "/spec/models/0/size",
    "/spec/roles/0/gpuMemory",
    "/spec/workers/cpu",
    "/spec/workers/memory",
    "/spec/muscleMemory/memory",
    "/spec/muscleMemory/persistence/size",
    "/spec/autonomic/memory",
];
const DURATIONS: [&str; 6] = [
    "/spec/roles/0/windows/0/duration",
    "/spec/roles/0/onDemand/maxDuration",
    "/spec/workers/drain",
    "/spec/workers/leadTime",
    "/spec/muscleMemory/timeToLive",
    "/spec/autonomic/thermal/halfLife",
];

/// Hours, minutes and seconds that the pattern admits and that stay below the 290 years that Go's clock holds.
fn durations() -> impl Strategy<Value = String> {
    let part = |most: u64| proptest::option::of(0..most);
    (part(2_000_000), part(30_000_000), part(1_000_000_000), any::<bool>()).prop_filter_map(
        "not empty",
        |(h, m, s, padded)| {
            let write = |n: Option<u64>, unit: &str| match n {
                Some(n) if padded => format!("{n:03}{unit}"),
                Some(n) => format!("{n}{unit}"),
                None => String::new(),
            };
            let text = write(h, "h") + &write(m, "m") + &write(s, "s");
            (!text.is_empty()).then_some(text)
        },
    )
}

proptest! {
    #[test]
    fn every_quantity_that_the_pattern_admits_is_read(
        text in r"[+-]?([0-9]{1,9}(\.[0-9]{0,5})?|\.[0-9]{1,5})([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]{1,2})?", n in any::<i64>(),
    ) {
        for path in QUANTITIES {
            prop_assert_eq!(reads(put(path, json!(&text))).map(drop), Ok(()));
            prop_assert_eq!(reads(put(path, json!(n))).map(drop), Ok(()));
        }
    }

    #[test]
    fn every_duration_that_the_pattern_admits_is_read(text in durations()) {
        for path in DURATIONS {
            prop_assert_eq!(reads(put(path, json!(&text))).map(drop), Ok(()));
        }
    }
}

/// Paths and values of all enums below `schema`, as JSON pointers into [`object`].
fn enums(path: &str, schema: &JSONSchemaProps, found: &mut Vec<(String, Value)>) {
    for value in schema.enum_.iter().flatten() {
        found.push((path.to_owned(), value.0.clone()));
    }
    for (name, property) in schema.properties.iter().flatten() {
        enums(&format!("{path}/{name}"), property, found);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(item)) = &schema.items {
        enums(&format!("{path}/0"), item, found);
    }
}

#[test]
fn every_value_of_every_enum_is_read_back_as_it_was_written() {
    let version = crd().spec.versions.remove(0);
    let schema = version.schema.and_then(|s| s.open_api_v3_schema).expect("a schema");
    let mut found = Vec::new();
    enums("/spec", &schema.properties.expect("properties")["spec"], &mut found);
    found.retain(|(path, _)| !path.contains("tolerations"));
    assert!(found.len() > 30, "only {} enum values were found", found.len());
    for (path, value) in found {
        let read = reads(put_item(&path, value.clone())).expect("an enum value is read");
        let written = serde_json::to_value(read).expect("it is written");
        assert_eq!(written.pointer(&path), Some(&value), "{path}");
    }
}

/// As [`put`], also for an item of a list.
fn put_item(path: &str, value: Value) -> Value {
    object(|object| *pointer(object, path) = value)
}

fn pointer<'v>(value: &'v mut Value, path: &str) -> &'v mut Value {
    path.split('/').skip(1).fold(value, |value, key| match key.parse::<usize>() {
        Ok(index) => &mut value[index],
        Err(_) => &mut value[key],
    })
}

#[test]
fn what_the_schema_fills_in_is_what_serde_fills_in() {
    // A default of the schema that differs from serde's would make a stored object mean something else than a read one.
    let version = crd().spec.versions.remove(0);
    let schema = version.schema.and_then(|s| s.open_api_v3_schema).expect("a schema");
    let spec = &schema.properties.expect("properties")["spec"];
    let read = reads(
        json!({"metadata": {"name": "c"}, "spec": {"models": [{"name": "m", "uri": "pvc://claim/m", "size": "1Gi"}]}}),
    )
    .expect("the shortest spec is read");
    let written = serde_json::to_value(&read.spec).expect("it is written");
    for (name, property) in spec.properties.iter().flatten() {
        if let Some(default) = &property.default {
            assert_eq!(written.get(name), Some(&default.0), "spec.{name}");
        }
    }
}
