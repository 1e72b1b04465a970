//! A CherokeeCluster from a file; what the schema does not know is named, as the API server would.

use crate::kubectl::Fault;
use cherokee_api::CherokeeCluster;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use serde_json::Value;
use std::{
    io::{Read, stdin},
    path::Path,
};

/// Reads the one CherokeeCluster of a YAML or JSON file (`-`: of stdin); `name` picks one of several.
pub(crate) fn read(path: &Path, name: Option<&str>) -> Result<CherokeeCluster, Fault> {
    let file = path.display();
    let text = if path.as_os_str() == "-" {
        let mut text = String::new();
        stdin().read_to_string(&mut text).map(|_| text)
    } else {
        std::fs::read_to_string(path)
    };
    let text = text.map_err(|error| Fault::new(format!("{file}: {error}")))?;
    pick(&text, name).map_err(|fault| Fault { message: format!("{file}: {}", fault.message), ..fault })
}

fn pick(text: &str, name: Option<&str>) -> Result<CherokeeCluster, Fault> {
    let mut found = Vec::new();
    for value in serde_saphyr::from_multiple::<Value>(text).map_err(Fault::new)? {
        let named = name.is_none_or(|name| value.pointer("/metadata/name").and_then(Value::as_str) == Some(name));
        if value["kind"] == "CherokeeCluster" && named {
            found.push(value);
        }
    }
    match found.len() {
        0 => Err(Fault::new("no CherokeeCluster in it")),
        1 => checked(found.remove(0)),
        n => Err(Fault::new(format!("{n} CherokeeClusters in it")).hint("give the name of one after `plan`")),
    }
}

fn checked(value: Value) -> Result<CherokeeCluster, Fault> {
    let schema = cherokee_api::crd::crd().spec.versions.into_iter().find_map(|v| v.schema?.open_api_v3_schema);
    let spec = schema.and_then(|schema| schema.properties?.remove("spec"));
    if let (Some(schema), Some(spec)) = (&spec, value.get("spec"))
        && let Some(field) = unknown(schema, spec, "spec")
    {
        return Err(
            Fault::new(format!("unknown field `{field}`")).hint(format!("kubectl explain ckc.{}", parent(&field)))
        );
    }
    serde_path_to_error::deserialize(value).map_err(Fault::new)
}

fn parent(field: &str) -> String {
    let path = field.rsplit_once('.').map_or(field, |(parent, _)| parent);
    path.split('.').map(|part| part.split('[').next().unwrap_or(part)).collect::<Vec<_>>().join(".")
}

/// The first field of `value` that `schema` does not know.
fn unknown(schema: &JSONSchemaProps, value: &Value, path: &str) -> Option<String> {
    match value {
        Value::Object(fields) => fields.iter().find_map(|(key, value)| {
            let below = format!("{path}.{key}");
            match (schema.properties.as_ref().and_then(|p| p.get(key)), &schema.additional_properties) {
                (Some(property), _) => unknown(property, value, &below),
                (None, Some(JSONSchemaPropsOrBool::Schema(values))) => unknown(values, value, &below),
                (None, Some(JSONSchemaPropsOrBool::Bool(true))) => None,
                _ => Some(below),
            }
        }),
        Value::Array(items) => match &schema.items {
            Some(JSONSchemaPropsOrArray::Schema(schema)) => {
                items.iter().enumerate().find_map(|(i, item)| unknown(schema, item, &format!("{path}[{i}]")))
            }
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "kind: ConfigMap\n---\nkind: CherokeeCluster\napiVersion: cherokee.ai/v1alpha1\nmetadata: {name: a}\nspec:\n  models: [{name: m, uri: 'pvc://c/m', size: 1Gi}]\n  roles: [{name: r, layer: Conscious, model: m, placement: {nodeSelector: {any: label}}}]\n";

    #[test]
    fn the_one_cherokee_cluster_is_found_among_other_objects() {
        assert_eq!(pick(GOOD, None).unwrap().metadata.name.as_deref(), Some("a"));
        assert!(pick(GOOD, Some("b")).unwrap_err().message.contains("no CherokeeCluster"));
        assert!(pick(&format!("{GOOD}---\n{GOOD}"), None).unwrap_err().message.contains("2 CherokeeClusters"));
    }

    #[test]
    fn a_wrong_field_is_named() {
        let said = |from: &str, to: &str| pick(&GOOD.replace(from, to), None).unwrap_err();
        let unknown = said("layer: Conscious,", "layer: Conscious, modle: m,");
        assert_eq!(unknown.message, "unknown field `spec.roles[0].modle`");
        assert_eq!(unknown.hint.as_deref(), Some("kubectl explain ckc.spec.roles"));
        let wrong = said("layer: Conscious", "layer: Concious").message;
        assert!(wrong.contains("spec.roles[0].layer") && wrong.contains("Concious"), "{wrong}");
        let missing = said("model: m, ", "").message;
        assert!(missing.contains("spec.roles[0]") && missing.contains("model"), "{missing}");
    }
}
