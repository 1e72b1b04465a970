//! Whether what is wanted is there already: then nothing is written.

use crate::quantity;
use serde_json::Value;

/// Whether every field of `desired` is in `live` with the same meaning.
///
/// What the API server adds (defaults, status, other owners' fields) does not count; quantities compare by amount, and an
/// empty list or object equals an absent one. Entries of lists are matched by `name` where they have one, else by place.
pub(crate) fn contains(live: &Value, desired: &Value) -> bool {
    match (live, desired) {
        (_, Value::Null) => true,
        (Value::Object(live), Value::Object(desired)) => desired.iter().all(|(key, wanted)| match live.get(key) {
            Some(found) => contains(found, wanted),
            None => is_empty(wanted),
        }),
        (Value::Array(live), Value::Array(desired)) => contains_all(live, desired),
        (Value::String(live), Value::String(desired)) => live == desired || same_amount(live, desired),
        _ => live == desired,
    }
}

fn contains_all(live: &[Value], desired: &[Value]) -> bool {
    let named = desired.iter().all(|item| item.get("name").is_some());
    if named {
        return desired
            .iter()
            .all(|wanted| live.iter().any(|found| found.get("name") == wanted.get("name") && contains(found, wanted)));
    }
    live.len() == desired.len() && live.iter().zip(desired).all(|(found, wanted)| contains(found, wanted))
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(fields) => fields.values().all(is_empty),
        Value::Array(items) => items.is_empty(),
        // The API server drops what is at its zero value.
        Value::Bool(set) => !set,
        Value::String(text) => text.is_empty(),
        Value::Number(_) => false,
    }
}

fn same_amount(a: &str, b: &str) -> bool {
    quantity::thousandths(a).is_some_and(|a| Some(a) == quantity::thousandths(b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_the_api_server_adds_does_not_count() {
        let live = json!({"spec": {"replicas": 1, "progressDeadlineSeconds": 600, "template": {"spec": {"containers": [
            {"name": "worker", "resources": {"limits": {"memory": "1Gi"}}, "terminationMessagePath": "/dev/termination-log"}]}}}, "status": {}});
        let desired = json!({"spec": {"replicas": 1, "template": {"spec": {"volumes": [], "containers": [
            {"name": "worker", "resources": {"limits": {"memory": "1024Mi"}}}]}}}});
        assert!(contains(&live, &desired));
    }

    #[test]
    fn what_was_changed_by_hand_is_seen() {
        let live = json!({"data": {"layout.json": "{}"}, "args": ["a", "b"], "on": true});
        assert!(!contains(&live, &json!({"data": {"layout.json": "{ }"}})));
        assert!(!contains(&live, &json!({"args": ["a"]})));
        assert!(!contains(&live, &json!({"args": ["b", "a"]})));
        assert!(!contains(&live, &json!({"on": false})));
        assert!(!contains(&live, &json!({"more": "x"})));
    }

    #[test]
    fn named_entries_that_others_added_do_not_count() {
        let live = json!([{"name": "injected"}, {"name": "worker", "image": "a"}]);
        assert!(contains(&live, &json!([{"name": "worker", "image": "a"}])));
        assert!(!contains(&live, &json!([{"name": "worker", "image": "b"}])));
    }
}
