//! ServiceAccounts and the little that each may do.

use super::child::{Child, Component, Frame, Kind};
use cherokee_api::names::child;
use serde_json::{Value, json};

/// Workers and Redis: no rights, no token.
pub(crate) fn worker(frame: &Frame<'_>) -> Vec<Child> {
    vec![account(frame, &child::worker(&frame.name), Component::Worker)]
}

/// The gateway reads its layout and follows the endpoints of the slots.
pub(crate) fn gateway(frame: &Frame<'_>) -> Vec<Child> {
    let rules = json!([
        {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": [child::layout(&frame.name)], "verbs": ["get", "list", "watch"]},
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["get", "list", "watch"]},
    ]);
    with_rights(frame, &child::gateway(&frame.name), Component::Gateway, rules)
}

/// The daemon writes its hints, and nothing else.
pub(crate) fn autonomic(frame: &Frame<'_>) -> Vec<Child> {
    let rules = json!([
        {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": [child::hints(&frame.name)], "verbs": ["get", "patch"]},
    ]);
    with_rights(frame, &child::autonomic(&frame.name), Component::Autonomic, rules)
}

fn account(frame: &Frame<'_>, name: &str, component: Component) -> Child {
    frame.child(Kind::ServiceAccount, name, component, json!({"automountServiceAccountToken": false}))
}

fn with_rights(frame: &Frame<'_>, name: &str, component: Component, rules: Value) -> Vec<Child> {
    let binding = json!({
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": frame.namespace}],
    });
    vec![
        account(frame, name, component),
        frame.child(Kind::Role, name, component, json!({"rules": rules})),
        frame.child(Kind::RoleBinding, name, component, binding),
    ]
}
