use super::*;
use serde_json::json;

fn deployment() -> Value {
    json!({"metadata": {"name": "h", "labels": {"a": "b"}, "annotations": {"cherokee.ai/rendered": "r"}},
        "spec": {"replicas": 1, "template": {"metadata": {"labels": {"a": "b"}}, "spec": {
            "securityContext": {"runAsNonRoot": true}, "volumes": [{"name": "tmp", "emptyDir": {}}],
            "containers": [{"name": "autonomic", "image": "i", "args": ["x"], "env": [{"name": "A", "value": "1"}],
                "resources": {"limits": {"memory": "1024Mi"}},
                "securityContext": {"capabilities": {"drop": ["ALL"]}},
                "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}, {"name": "tmp", "mountPath": "/data"}]}]}}}})
}

fn service() -> Value {
    json!({"metadata": {"name": "h"}, "spec": {"type": "ClusterIP", "selector": {"app": "h"},
        "ports": [{"name": "http", "port": 80, "targetPort": 8080, "protocol": "TCP"}]}})
}

fn policy() -> Value {
    json!({"metadata": {"name": "h"}, "spec": {"podSelector": {"matchLabels": {"app": "h"}}, "policyTypes": ["Ingress"],
        "ingress": [{"from": [{"podSelector": {"matchLabels": {"app": "g"}}}]}]}})
}

fn binding() -> Value {
    json!({"metadata": {"name": "h"}, "roleRef": {"name": "h"},
        "subjects": [{"kind": "ServiceAccount", "name": "h", "namespace": "n"}]})
}

/// An object as the API server keeps it: with its defaults and what it knows itself.
fn stored(mut body: Value) -> Value {
    body["metadata"]["uid"] = json!("u");
    body["status"] = json!({"observedGeneration": 1});
    if body["spec"]["template"].is_object() {
        body["spec"]["progressDeadlineSeconds"] = json!(600);
        let pod = &mut body["spec"]["template"]["spec"];
        pod["dnsPolicy"] = json!("ClusterFirst");
        pod["containers"][0]["terminationMessagePath"] = json!("/dev/termination-log");
        pod["containers"][0]["resources"]["limits"]["memory"] = json!("1Gi");
    }
    if body["spec"]["ports"].is_array() {
        body["spec"]["clusterIP"] = json!("10.0.0.1");
        body["spec"]["sessionAffinity"] = json!("None");
    }
    body
}

/// The edits of a hand: what is edited, where, and to what. The last word says whether it stays and is shown.
#[expect(clippy::too_many_lines, reason = "a table")]
fn edits() -> Vec<(&'static str, Kind, Value, &'static str, Value, bool)> {
    let pod = "/spec/template/spec";
    let at = |path: &str| -> &'static str { Box::leak(format!("{pod}{path}").into_boxed_str()) };
    let first = |field: &str| at(&format!("/containers/0/{field}"));
    vec![
        ("gateway Service: port 81", Kind::Service, service(), "/spec/ports/0/port", json!(81), false),
        ("gateway Service: selector", Kind::Service, service(), "/spec/selector/no", json!("such"), false),
        ("slot Service: selector", Kind::Service, service(), "/spec/selector", json!({"no": "such"}), false),
        (
            "gateway Service: second port",
            Kind::Service,
            service(),
            "/spec/ports/-",
            json!({"name": "x", "port": 9}),
            false,
        ),
        ("gateway Service: NodePort", Kind::Service, service(), "/spec/type", json!("NodePort"), false),
        (
            "gateway Service: ExternalName",
            Kind::Service,
            service(),
            "/spec/externalName",
            json!("other.example"),
            false,
        ),
        (
            "Deployment: env",
            Kind::Deployment,
            deployment(),
            first("env/-"),
            json!({"name": "RUST_LOG", "value": "off"}),
            true,
        ),
        ("Deployment: command", Kind::Deployment, deployment(), first("command"), json!(["/nope"]), false),
        (
            "Deployment: extra container",
            Kind::Deployment,
            deployment(),
            at("/containers/-"),
            json!({"name": "extra"}),
            false,
        ),
        ("Deployment: hostNetwork", Kind::Deployment, deployment(), at("/hostNetwork"), json!(true), false),
        (
            "Deployment: capabilities",
            Kind::Deployment,
            deployment(),
            first("securityContext/capabilities/add"),
            json!(["X"]),
            false,
        ),
        ("Deployment: paused", Kind::Deployment, deployment(), "/spec/paused", json!(true), false),
        ("Deployment: nodeSelector", Kind::Deployment, deployment(), at("/nodeSelector"), json!({"no": "such"}), true),
        (
            "NetworkPolicy: podSelector narrowed",
            Kind::NetworkPolicy,
            policy(),
            "/spec/podSelector/matchLabels/no",
            json!("such"),
            false,
        ),
        (
            "NetworkPolicy: peer narrowed",
            Kind::NetworkPolicy,
            policy(),
            "/spec/ingress/0/from/0/podSelector/matchLabels/no",
            json!("such"),
            false,
        ),
        (
            "RoleBinding: subject appended",
            Kind::RoleBinding,
            binding(),
            "/subjects/-",
            json!({"kind": "ServiceAccount", "name": "default"}),
            false,
        ),
        (
            "RoleBinding: a subject named as ours",
            Kind::RoleBinding,
            binding(),
            "/subjects/-",
            json!({"kind": "User", "name": "h"}),
            false,
        ),
        (
            "Deployment: a label that opens a NetworkPolicy",
            Kind::Deployment,
            deployment(),
            "/spec/template/metadata/labels/cherokee.ai~1dream",
            json!("true"),
            false,
        ),
        (
            "Deployment: volume of the node",
            Kind::Deployment,
            deployment(),
            at("/volumes/-"),
            json!({"name": "h", "hostPath": {"path": "/"}}),
            false,
        ),
    ]
}

fn edit(body: &mut Value, path: &str, value: Value) {
    let (parent, key) = path.rsplit_once('/').unwrap();
    match body.pointer_mut(parent).unwrap() {
        Value::Array(items) => items.push(value),
        fields => fields[key.replace("~1", "/")] = value,
    }
}

/// Managed fields of somebody who set this path, as the API server keeps them.
fn by_hand(path: &str, value: &Value) -> Value {
    let keys: Vec<&str> = path.split('/').skip(1).collect();
    let mut tree = json!({});
    for (n, key) in keys.iter().enumerate().rev() {
        let name = match *key {
            "-" => format!("k:{}", json!({"name": value["name"]})),
            "0" if keys[n - 1] == "containers" => "k:{\"name\":\"autonomic\"}".to_owned(),
            "0" => continue,
            key => format!("f:{key}"),
        };
        tree = json!({name: tree});
    }
    json!([{"manager": "kubectl-patch", "operation": "Update", "fieldsV1": tree}])
}

#[test]
fn each_edit_by_hand_is_put_back_or_left_and_shown() {
    for (what, kind, desired, path, value, shown) in edits() {
        let sound = stored(desired.clone());
        assert_eq!(compare(kind, &sound, &desired).ours_changed, Vec::<String>::new(), "{what}");
        let mut live = sound.clone();
        edit(&mut live, path, value.clone());
        live["metadata"]["managedFields"] = by_hand(path, &value);
        let found = compare(kind, &live, &desired);
        assert_eq!(found.ours_changed.is_empty(), shown, "{what}: {:?}", found.ours_changed);
        let fields: Vec<_> = found.foreign_fields.iter().map(|field| field.manager.as_str()).collect();
        assert_eq!(fields, if shown { vec!["kubectl-patch"] } else { vec![] }, "{what}");
        let again = compare(kind, &found.fixed, &desired);
        assert_eq!(again.ours_changed, Vec::<String>::new(), "{what}: once put back it stays so");
        if !shown {
            live["metadata"].as_object_mut().unwrap().remove("managedFields");
            assert!(!compare(kind, &live, &desired).ours_changed.is_empty(), "{what}, whoever says what of himself");
        }
    }
}

#[test]
fn what_controllers_and_a_restart_by_hand_add_is_neither_taken_out_nor_shown() {
    let restarted = json!({"kubectl.kubernetes.io/restartedAt": "2026-11-24T12:00:00Z"});
    let mut live = stored(deployment());
    live["spec"]["template"]["metadata"]["annotations"] = restarted;
    let tree = json!({"f:spec": {"f:template": {"f:metadata": {"f:annotations": {"f:kubectl.kubernetes.io/restartedAt": {}}}}}});
    live["metadata"]["managedFields"] = json!([{"manager": "kubectl-rollout", "fieldsV1": tree}]);
    let found = compare(Kind::Deployment, &live, &deployment());
    assert_eq!((found.ours_changed, found.foreign_fields), (vec![], vec![]));
    let account = json!({"metadata": {"name": "h"}, "automountServiceAccountToken": false});
    let mut live = stored(account.clone());
    live["imagePullSecrets"] = json!([{"name": "h-dockercfg"}]);
    live["metadata"]["managedFields"] = json!([{"manager": "openshift", "fieldsV1": {"f:imagePullSecrets": {}}}]);
    let found = compare(Kind::ServiceAccount, &live, &account);
    assert_eq!((found.ours_changed, found.foreign_fields), (vec![], vec![]));
}

#[test]
fn an_immutable_config_map_is_made_anew() {
    let desired = json!({"metadata": {"name": "h-layout"}, "data": {"layout.json": "{}"}});
    let mut live = stored(desired.clone());
    live["immutable"] = json!(true);
    let found = compare(Kind::ConfigMap, &live, &desired);
    assert!(found.frozen && !found.ours_changed.is_empty());
}

#[test]
fn what_the_api_server_adds_does_not_count_and_what_we_do_not_render_any_more_does() {
    let desired = deployment();
    let mut live = stored(desired.clone());
    live["spec"]["minReadySeconds"] = json!(5);
    assert!(compare(Kind::Deployment, &live, &desired).ours_changed.is_empty(), "a default");
    let ours = json!([{"manager": "cherokee-operator", "operation": "Update", "fieldsV1": {"f:spec": {"f:minReadySeconds": {}}}}]);
    live["metadata"]["managedFields"] = ours;
    let found = compare(Kind::Deployment, &live, &desired);
    assert_eq!(found.ours_changed, ["spec.minReadySeconds"]);
    assert_eq!(found.fixed["spec"].get("minReadySeconds"), None);
}

#[test]
fn lists_without_names_are_compared_by_place_and_a_missing_field_is_put_back() {
    let desired = json!({"data": {"a": "b"}, "args": ["a", "b"], "on": true});
    for live in [
        json!({"data": {"a": "c"}, "args": ["a", "b"], "on": true}),
        json!({"data": {"a": "b"}, "args": ["b", "a"], "on": true}),
        json!({"data": {"a": "b"}, "args": ["a", "b", "c"], "on": true}),
        json!({"data": {"a": "b"}, "args": ["a", "b"]}),
    ] {
        let found = compare(Kind::ConfigMap, &live, &desired);
        assert!(!found.ours_changed.is_empty(), "{live}");
        assert_eq!(found.fixed, desired);
    }
}

#[test]
fn a_merge_patch_takes_out_what_was_added() {
    let from = json!({"spec": {"selector": {"app": "h", "no": "such"}, "type": "NodePort"}, "same": 1});
    let to = json!({"spec": {"selector": {"app": "h"}, "type": "ClusterIP", "new": {"x": 1}}, "same": 1});
    let patch = merge_patch(&from, &to);
    assert_eq!(patch, json!({"spec": {"selector": {"no": null}, "type": "ClusterIP", "new": {"x": 1}}}));
}

#[test]
fn what_stood_in_the_answer_to_our_own_write_is_left_until_either_side_changes() {
    let desired = deployment();
    let mut live = stored(desired.clone());
    live["spec"]["template"]["spec"]["containers"][0]["image"] = json!("mirror/i");
    assert!(!settled(Kind::Deployment, &live, &desired));
    live["metadata"]["annotations"]["cherokee.ai/left"] = json!(mark(&live, &desired));
    live["status"]["observedGeneration"] = json!(7);
    assert!(settled(Kind::Deployment, &live, &desired));
    let mut edited = live.clone();
    edited["spec"]["paused"] = json!(true);
    assert!(!settled(Kind::Deployment, &edited, &desired), "somebody edited it since");
    let mut rendered = desired.clone();
    rendered["metadata"]["annotations"]["cherokee.ai/rendered"] = json!("s");
    assert!(!settled(Kind::Deployment, &live, &rendered), "we render something else");
}
