//! Schemas that the derive cannot write: what the API server admits, serde must be able to read.

use schemars::{Schema, SchemaGenerator, json_schema};

/// A quantity with the pattern that the API server itself uses; the stock schema accepts any string.
pub fn quantity(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "anyOf": [{"type": "integer"}, {"type": "string"}],
        "pattern": r"^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))))?$",
        "maxLength": 32,
        "x-kubernetes-int-or-string": true,
    })
}

/// A duration in hours, minutes and seconds. Without the pattern the API server takes `1d`, which nobody here can read.
pub fn duration(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "format": "duration", "minLength": 2, "maxLength": 32,
        "pattern": "^([0-9]+h)?([0-9]+m)?([0-9]+s)?$"})
}

/// A positive decimal number as a string: floats have no exact form in JSON.
pub fn decimal(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "maxLength": 16, "pattern": r"^[0-9]{1,8}(\.[0-9]{1,6})?$"})
}

/// Conditions as a list map by `type`.
pub fn conditions(generator: &mut SchemaGenerator) -> Schema {
    let mut list =
        <Vec<k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition> as schemars::JsonSchema>::json_schema(
            generator,
        );
    list.insert("x-kubernetes-list-type".into(), "map".into());
    list.insert("x-kubernetes-list-map-keys".into(), serde_json::json!(["type"]));
    list.insert("maxItems".into(), 16.into());
    list
}
