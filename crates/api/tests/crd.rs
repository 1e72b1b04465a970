//! The CRD is a book for strangers: a walk over the schema that lists every breach at once.

use cherokee_api::crd::crd;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};

/// Types of Kubernetes itself: their words, bounds and formats are not ours.
const KUBERNETES: [&str; 2] = ["spec.workers.tolerations[]", "status.conditions[]"];
/// What a whole number may count; the name must end in one of these, so that a reader knows the unit.
const COUNTED: [&str; 13] = [
    "gpus",
    "Tokens",
    "PerToken",
    "Sequences",
    "replicas",
    "stages",
    "index",
    "PerSecond",
    "Percent",
    "entries",
    "Generation",
    "Version",
    "Seconds",
];

fn schema() -> JSONSchemaProps {
    let version = crd().spec.versions.remove(0);
    version.schema.and_then(|s| s.open_api_v3_schema).expect("a schema")
}

/// Calls `see` with the path and schema of every field and item.
fn walk(path: &str, schema: &JSONSchemaProps, see: &mut dyn FnMut(&str, &JSONSchemaProps)) {
    see(path, schema);
    for (name, property) in schema.properties.iter().flatten() {
        let below = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        walk(&below, property, see);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(item)) = &schema.items {
        walk(&format!("{path}[]"), item, see);
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = &schema.additional_properties {
        walk(&format!("{path}.*"), values, see);
    }
}

/// Breaches that `judge` finds in our own part of the schema, as `path: breach`.
fn breaches(judge: impl Fn(&str, &JSONSchemaProps) -> Option<String>) -> Vec<String> {
    let mut found = Vec::new();
    walk("", &schema(), &mut |path, schema| {
        let ours = !KUBERNETES.iter().any(|k| path.starts_with(k));
        if let Some(breach) = judge(path, schema).filter(|_| ours && !path.is_empty()) {
            found.push(format!("{path}: {breach}"));
        }
    });
    found
}

fn none(found: Vec<String>) {
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn every_field_has_a_description_that_users_understand() {
    none(breaches(|path, schema| {
        let item = path.ends_with("[]") || path.ends_with(".*");
        match schema.description.as_deref() {
            None if item => None,
            None => Some("no description".into()),
            Some(text) => ["Auto-generated", "Option<", "Vec<", "serde", "struct"]
                .into_iter()
                .find(|word| text.contains(word))
                .map(|word| format!("`{word}` is no word for users")),
        }
    }));
}

#[test]
fn numbers_are_whole_bounded_and_name_their_unit() {
    none(breaches(|path, schema| match schema.type_.as_deref() {
        Some("number") => Some("floating point has no exact form in JSON".into()),
        Some("integer") => {
            let format = schema.format.as_deref().unwrap_or_default();
            if format.starts_with('u') || format.starts_with("int8") || format.starts_with("int16") {
                return Some(format!("Kubernetes' conventions do not know the format {format}"));
            }
            if path.starts_with("spec.") && (schema.minimum.is_none() || schema.maximum.is_none()) {
                return Some("no minimum or maximum".into());
            }
            let name = path.rsplit('.').next().unwrap_or(path);
            (!COUNTED.iter().any(|unit| name.ends_with(unit))).then(|| "the name does not say what is counted".into())
        }
        _ => None,
    }));
}

#[test]
fn lists_maps_and_strings_of_the_spec_are_bounded() {
    // Without bounds the API server refuses the rules for their cost.
    none(breaches(|path, schema| {
        if !path.starts_with("spec.") {
            return None;
        }
        let int_or_string = schema.x_kubernetes_int_or_string == Some(true);
        match schema.type_.as_deref() {
            Some("array") if schema.max_items.is_none() => Some("no maxItems".into()),
            Some("object") if schema.additional_properties.is_some() && schema.max_properties.is_none() => {
                Some("no maxProperties".into())
            }
            // The key and value of a label have bounds of their own in the API server.
            Some("string") if path.ends_with(".*") => None,
            Some("string") if schema.enum_.is_none() && schema.max_length.is_none() => Some("no maxLength".into()),
            None if int_or_string && schema.max_length.is_none() => Some("no maxLength".into()),
            _ => None,
        }
    }));
}

#[test]
fn nothing_may_be_null() {
    none(breaches(|_, schema| {
        let listed = schema.enum_.iter().flatten().any(|value| value.0.is_null());
        (schema.nullable.is_some() || listed)
            .then(|| "null is a value: leaving the field out must be the only way".into())
    }));
}

#[test]
fn lists_of_named_things_merge_by_name() {
    none(breaches(|path, schema| {
        let Some(JSONSchemaPropsOrArray::Schema(item)) = &schema.items else { return None };
        let named = item.properties.as_ref().is_some_and(|p| p.contains_key("name"));
        // Secrets to pull with are a plain list in Kubernetes too.
        let merges = schema.x_kubernetes_list_type.as_deref() == Some("map");
        (path.starts_with("spec.") && named && !merges && path != "spec.workers.imagePullSecrets")
            .then(|| "applying from two sides would replace the whole list: make it a map by name".into())
    }));
}

#[test]
fn every_rule_has_a_message_that_names_its_field_and_every_default_is_plain() {
    none(breaches(|path, schema| {
        let silent = schema.x_kubernetes_validations.iter().flatten().find(|rule| {
            let message = rule.message.as_deref().unwrap_or_default();
            !message.starts_with("spec.") && !message.starts_with("metadata.")
        });
        if let Some(rule) = silent {
            return Some(format!("the message of `{}` does not name the field", rule.rule));
        }
        let default = schema.default.as_ref().map(|d| d.0.to_string()).unwrap_or_default();
        default.contains("null").then(|| format!("the default holds null: {default} ({path})"))
    }));
}

#[test]
fn the_definition_is_what_users_expect_of_it() {
    let crd = crd();
    assert_eq!(crd.metadata.name.as_deref(), Some("cherokeeclusters.cherokee.ai"));
    assert_eq!(crd.spec.names.short_names, Some(vec!["ckc".to_owned()]));
    let version = &crd.spec.versions[0];
    assert!(version.subresources.as_ref().is_some_and(|s| s.status.is_some()), "status is a subresource");
    let columns: Vec<_> = version.additional_printer_columns.iter().flatten().map(|c| c.name.as_str()).collect();
    assert_eq!(
        columns,
        ["Ready", "Reason", "Available", "Strategy", "Roles", "GPUs", "Next", "Hit%", "URL", "Message", "Age"]
    );
}

#[test]
fn no_value_is_a_truth_value_to_readers_of_yaml_1_1() {
    let words = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];
    none(breaches(|_, schema| {
        let values = schema.enum_.iter().flatten().filter_map(|value| value.0.as_str());
        let misread: Vec<_> = values.filter(|value| words.contains(&value.to_lowercase().as_str())).collect();
        (!misread.is_empty())
            .then(|| format!("kubectl would read {misread:?} as true, false or null: use another word"))
    }));
}
