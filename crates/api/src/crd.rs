//! The CustomResourceDefinition as it is installed: what the derive writes, with what it cannot say put right.

use crate::{CherokeeCluster, GpuHold};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use kube::CustomResourceExt;

/// The CustomResourceDefinition of [`CherokeeCluster`].
pub fn crd() -> CustomResourceDefinition {
    corrected(CherokeeCluster::crd())
}

/// The CustomResourceDefinition of [`GpuHold`].
pub fn holds() -> CustomResourceDefinition {
    corrected(GpuHold::crd())
}

fn corrected(mut crd: CustomResourceDefinition) -> CustomResourceDefinition {
    for version in &mut crd.spec.versions {
        if let Some(schema) = version.schema.as_mut().and_then(|s| s.open_api_v3_schema.as_mut()) {
            without_null(schema);
        }
    }
    crd
}

/// Takes `null` out of the values that a field may have: for the derive every optional field may be null, while `has()` in a rule
/// would call it present. Leaving a field out says the same.
fn without_null(schema: &mut JSONSchemaProps) {
    schema.nullable = None;
    if let Some(values) = &mut schema.enum_ {
        values.retain(|value| !value.0.is_null());
    }
    for property in schema.properties.iter_mut().flat_map(|all| all.values_mut()) {
        without_null(property);
    }
    match &mut schema.items {
        Some(JSONSchemaPropsOrArray::Schema(item)) => without_null(item),
        Some(JSONSchemaPropsOrArray::Schemas(items)) => items.iter_mut().for_each(without_null),
        None => {}
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = &mut schema.additional_properties {
        without_null(values);
    }
}
