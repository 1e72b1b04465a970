//! Whose an object is: the one rule by which the operator calls a child its own. Pure.

use cherokee_api::{
    CherokeeCluster,
    names::{self, label},
};
use kube::{Resource, ResourceExt};
use serde_json::Value;

/// Whose an object of a child's name is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// Its controller is this cluster, by UID.
    Us,
    /// It has our labels and no controller: left behind by a deletion with `--cascade=orphan`, or made by hand.
    Nobody,
    /// Anybody else's: it is never written.
    Another,
}

/// Whose `body` is. Labels alone make nothing ours: anybody may write them.
pub(super) fn owner(body: &Value, cluster: &CherokeeCluster) -> Owner {
    let owners = body.pointer("/metadata/ownerReferences").and_then(Value::as_array);
    let controller = owners.into_iter().flatten().find(|owner| owner["controller"] == true);
    if let Some(controller) = controller {
        let uid = controller["uid"].as_str().filter(|uid| !uid.is_empty());
        return if uid.is_some() && uid == cluster.meta().uid.as_deref() { Owner::Us } else { Owner::Another };
    }
    let label = |key| body.pointer("/metadata/labels").and_then(|l| l.get(key)).and_then(Value::as_str);
    let named = label(label::CLUSTER) == Some(&cluster.name_any());
    let managed = label(label::MANAGED_BY) == Some(names::MANAGED_BY);
    if named && managed { Owner::Nobody } else { Owner::Another }
}

/// Whether an object is being deleted, and what it waits for.
pub(super) fn deleting(body: &Value) -> Option<String> {
    body.pointer("/metadata/deletionTimestamp")?.as_str()?;
    let finalizers = body.pointer("/metadata/finalizers").and_then(Value::as_array);
    let names: Vec<_> = finalizers.into_iter().flatten().filter_map(Value::as_str).map(|f| format!("`{f}`")).collect();
    Some(if names.is_empty() {
        "it is being deleted, and made anew when it is gone".to_owned()
    } else {
        format!("it is being deleted and waits for the finalizer {}: it is made anew when it is gone", names.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn whose(metadata: &Value) -> Owner {
        let cluster = serde_json::from_value(json!({"apiVersion": "cherokee.ai/v1alpha1", "kind": "CherokeeCluster",
            "metadata": {"name": "c", "namespace": "n", "uid": "u"}, "spec": {"models": []}}));
        owner(&json!({"metadata": metadata}), &cluster.unwrap())
    }

    #[test]
    fn an_object_is_ours_by_the_uid_of_its_controller_and_never_by_its_labels() {
        let labels = json!({"cherokee.ai/cluster": "c", "app.kubernetes.io/managed-by": "cherokee-operator"});
        let by = |uid: &str| json!([{"uid": uid, "controller": true, "name": "c"}]);
        assert_eq!(whose(&json!({"ownerReferences": by("u")})), Owner::Us);
        assert_eq!(whose(&json!({"labels": labels, "ownerReferences": by("v")})), Owner::Another);
        assert_eq!(whose(&json!({"labels": labels, "ownerReferences": [{"uid": "u"}]})), Owner::Nobody);
        assert_eq!(whose(&json!({"labels": labels})), Owner::Nobody);
        assert_eq!(whose(&json!({"labels": {"cherokee.ai/cluster": "c"}})), Owner::Another);
        assert_eq!(whose(&json!({})), Owner::Another);
    }

    #[test]
    fn an_object_that_is_being_deleted_names_its_finalizer() {
        let kept =
            json!({"metadata": {"deletionTimestamp": "2026-11-24T12:00:00Z", "finalizers": ["example.org/hold"]}});
        assert!(deleting(&kept).unwrap().contains("`example.org/hold`"));
        assert_eq!(deleting(&json!({"metadata": {"finalizers": ["example.org/hold"]}})), None);
    }
}
