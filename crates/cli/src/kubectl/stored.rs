//! A CherokeeCluster as the API server has it, which another version may have stored: one that cannot be read harms no other.

use cherokee_api::{
    CherokeeCluster,
    names::{condition, reason},
};
use kube::{ResourceExt, api::DynamicObject};
use serde_json::Value;

/// One stored object.
pub(crate) type Stored = Result<CherokeeCluster, Unreadable>;

/// A stored object that does not fit the types of this program.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unreadable {
    pub(crate) namespace: String,
    pub(crate) name: String,
    /// What the operator said of it, else what is wrong with it.
    pub(crate) message: String,
}

/// Reads an object, or says why that cannot be done.
pub(crate) fn read(object: DynamicObject) -> Stored {
    let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
    let told = told(&object.data);
    let wrong = match serde_json::to_value(object).map(serde_path_to_error::deserialize) {
        Ok(Ok(cluster)) => return Ok(cluster),
        Ok(Err(error)) => error.to_string(),
        Err(error) => error.to_string(),
    };
    let message = told.unwrap_or_else(|| format!("the stored object can't be read: {wrong}"));
    Err(Unreadable { namespace, name, message })
}

/// What the operator said of an object that it could not read either.
fn told(data: &Value) -> Option<String> {
    let mut conditions = data.pointer("/status/conditions")?.as_array()?.iter();
    let accepted = conditions.find(|c| c["type"] == condition::ACCEPTED && c["reason"] == reason::UNREADABLE)?;
    accepted["message"].as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn stored(layer: &str, conditions: Value) -> Stored {
        let spec = json!({"models": [{"name": "m", "uri": "pvc://a/b", "size": "1Gi"}],
            "roles": [{"name": "r", "layer": layer, "model": "m"}]});
        let object = json!({"apiVersion": "cherokee.ai/v1alpha1", "kind": "CherokeeCluster",
            "metadata": {"name": "c", "namespace": "n"}, "spec": spec, "status": {"conditions": conditions}});
        read(serde_json::from_value(object).unwrap())
    }

    #[test]
    fn what_this_version_knows_is_read() {
        assert_eq!(stored("Conscious", json!([])).unwrap().spec.roles[0].name, "r");
    }

    #[test]
    fn what_it_does_not_know_is_named_by_its_path() {
        let unreadable = stored("Unconscious", json!([])).unwrap_err();
        assert_eq!((unreadable.namespace.as_str(), unreadable.name.as_str()), ("n", "c"));
        let said = unreadable.message;
        assert!(said.contains("spec.roles[0].layer") && said.contains("Unconscious"), "{said}");
    }

    #[test]
    fn the_operators_own_words_come_first() {
        let condition = |kind: &str| {
            json!({"type": kind, "status": "False", "reason": "Unreadable", "message": "correct that field",
            "lastTransitionTime": "2026-11-24T12:00:00Z"})
        };
        let unreadable = stored("Unconscious", json!([condition("Ready"), condition("Accepted")])).unwrap_err();
        assert_eq!(unreadable.message, "correct that field");
    }
}
