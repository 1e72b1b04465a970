//! Kubeconfigs as people have them.

use crate::{
    plugin::{Plugin, kubeconfig, plugin},
    standin::{Answer, Api, cluster, list},
};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Answers only to the token `good`.
fn api() -> Api {
    Api::start(|request| match request.header("authorization") {
        "Bearer good" => Answer::new(200, list(cluster("x"))),
        _ => Answer::new(401, json!({"kind": "Status", "status": "Failure", "code": 401, "message": "Unauthorized"})),
    })
}

fn write(name: &str, text: &str) -> PathBuf {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&file, text).unwrap();
    file
}

fn of(name: &str, api: &Api, user: Value) -> String {
    kubeconfig(name, json!({"server": api.url()}), user).to_str().unwrap().to_owned()
}

#[test]
fn a_file_of_kubeconfig_that_is_not_there_is_skipped() {
    let api = api();
    let good = of("skipped", &api, json!({"token": "good"}));
    let gone = format!("{good}.gone");
    for list in [format!("{gone}:{good}"), format!("{good}:{gone}"), format!(":{gone}::{good}")] {
        let run = Plugin::new(&list).run(&["status"]);
        assert!(run.good, "{list}: {run:?}");
    }
    let run = Plugin::new(&gone).run(&["status"]);
    assert!(!run.good && run.told.contains(&gone) && run.told.contains("hint: set KUBECONFIG"), "{run:?}");
}

#[test]
fn an_unset_current_context_yields_to_the_next_files() {
    let api = api();
    let good = of("current", &api, json!({"token": "good"}));
    let unset = write("unset.kubeconfig", r#"{"apiVersion": "v1", "kind": "Config", "current-context": ""}"#);
    let run = Plugin::new(&format!("{}:{good}", unset.display())).run(&["status"]);
    assert!(run.good, "{run:?}");
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let broken = write("broken.kubeconfig", "clusters: {");
    let run = Plugin::new(broken.to_str().unwrap()).run(&["status"]);
    assert!(!run.good && run.told.contains("broken.kubeconfig"), "{run:?}");
    assert!(!run.told.contains("in-cluster"), "{run:?}");
}

#[test]
fn a_token_file_may_end_with_a_new_line() {
    let api = api();
    let token = |name: &str, text: &str| write(name, text).to_str().unwrap().to_owned();
    let user = json!({"tokenFile": token("token", "good\n")});
    let run = Plugin::new(&of("token-file", &api, user)).run(&["status"]);
    assert!(run.good, "{run:?}");
    let user = json!({"tokenFile": token("fresh", "good\n"), "token": "old"});
    let run = Plugin::new(&of("token-both", &api, user)).run(&["status"]);
    assert!(run.good, "the file is fresher: {run:?}");
    let user = json!({"tokenFile": token("empty", "\n")});
    let run = Plugin::new(&of("token-empty", &api, user)).run(&["status"]);
    assert!(!run.good && run.told.contains("empty` is empty"), "{run:?}");
}

#[test]
fn a_credential_plugin_that_is_not_installed_is_named_with_its_hint() {
    let api = api();
    let login = |hint: Value| {
        json!({"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "no-such-login",
            "interactiveMode": "Never", "installHint": hint}})
    };
    let run = Plugin::new(&of("exec", &api, login(json!("get it from the intranet\n")))).run(&["status"]);
    assert!(!run.good && run.told.contains("`no-such-login`"), "{run:?}");
    assert!(run.told.ends_with("hint: get it from the intranet\n"), "{run:?}");
    let run = Plugin::new(&of("exec-bare", &api, login(json!(null)))).run(&["status"]);
    assert!(run.told.contains("hint: install it"), "{run:?}");
}

#[test]
fn a_credential_plugin_that_fails_says_why() {
    let exec = json!({"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "/bin/sh",
        "args": ["-c", "echo log in first >&2; exit 3"], "interactiveMode": "Never"}});
    let run = Plugin::new(&of("exec-fails", &api(), exec)).run(&["status"]);
    assert!(!run.good && run.told.contains("`/bin/sh`") && run.told.contains(": log in first"), "{run:?}");
}

#[test]
fn a_credential_plugin_that_wants_the_cluster_is_told_the_server_that_is_asked() {
    let exec = json!({"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "/bin/sh",
        "args": ["-c", "echo $KUBERNETES_EXEC_INFO >&2; exit 3"], "interactiveMode": "Never", "provideClusterInfo": true}});
    let plugin = Plugin::new(&of("exec-cluster", &api(), exec));
    let run = plugin.run(&["status", "--server", "http://other.invalid"]);
    assert!(run.told.contains(r#""server":"http://other.invalid""#), "{run:?}");
}

#[test]
fn a_context_that_is_not_there_is_named_beside_those_that_are() {
    let run = plugin("context", "http://127.0.0.1:1").run(&["status", "--context", "elsewhere"]);
    assert!(!run.good && run.told.contains("`elsewhere`") && run.told.contains("hint: there are `c`"), "{run:?}");
}
