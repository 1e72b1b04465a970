//! What the operator may do, as the rendered manifest grants it.

use serde_json::Value;
use std::{collections::BTreeSet, fs, path::Path};

/// What the rules of manifests/install.yaml for the operator let it do with `resource`, as verbs.
fn verbs(resource: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests/install.yaml");
    let text = fs::read_to_string(path).expect("the manifest: run `make gen`");
    let objects: Vec<Value> = serde_saphyr::from_multiple(&text).expect("objects");
    let has = |rule: &Value, field: &str, word: &str| {
        rule[field].as_array().is_some_and(|all| all.iter().any(|one| one == word || one == "*"))
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    // The roles that are bound to the operator's account.
    let bound = objects
        .iter()
        .filter(|o| o["subjects"].as_array().is_some_and(|all| all.iter().any(|s| s["kind"] == "ServiceAccount")));
    let bound: BTreeSet<_> = bound.map(|o| (text(&o["roleRef"]["kind"]), text(&o["roleRef"]["name"]))).collect();
    let own = objects.iter().filter(|o| bound.contains(&(text(&o["kind"]), text(&o["metadata"]["name"]))));
    let rules = own.flat_map(|object| object["rules"].as_array().cloned().unwrap_or_default());
    let rules: Vec<Value> = rules.filter(|rule| has(rule, "resources", resource)).collect();
    let verbs = rules.iter().flat_map(|rule| rule["verbs"].as_array().cloned().unwrap_or_default());
    verbs.filter_map(|verb| verb.as_str().map(str::to_owned)).collect()
}

#[test]
fn secrets_and_claims_on_volumes_are_got_by_name_and_never_listed() {
    for (resource, may) in [("secrets", &["get", "create", "delete"][..]), ("persistentvolumeclaims", &["get"][..])] {
        assert_eq!(verbs(resource), may, "{resource}");
    }
}

#[test]
fn what_is_watched_may_be_listed_and_watched() {
    let cluster =
        ["nodes", "pods", "deviceclasses", "resourceslices", "resourceclaims", "cherokeeclusters", "gpuholds"];
    let children = [
        "configmaps",
        "services",
        "serviceaccounts",
        "roles",
        "rolebindings",
        "networkpolicies",
        "poddisruptionbudgets",
        "resourceclaimtemplates",
        "statefulsets",
        "deployments",
    ];
    for resource in cluster.into_iter().chain(children) {
        let verbs = verbs(resource);
        assert!(["list", "watch"].iter().all(|verb| verbs.iter().any(|v| v == verb)), "{resource}: {verbs:?}");
    }
}

#[test]
fn holds_are_the_operators_alone() {
    assert_eq!(verbs("gpuholds"), ["get", "list", "watch", "create", "update", "delete"]);
    let chart = Path::new(env!("CARGO_MANIFEST_DIR")).join("charts/cherokee-operator/templates/user-roles.yaml");
    assert!(!fs::read_to_string(chart).expect("the roles of users").contains("gpuholds"));
}
