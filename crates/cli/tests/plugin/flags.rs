//! Flags that the plugin shares with kubectl.

use crate::{
    plugin::{Plugin, plugin},
    standin::{Answer, Api, cluster, list},
};
use std::{net::TcpListener, path::Path};

fn api() -> Api {
    Api::start(|_| Answer::new(200, list(cluster("x"))))
}

#[test]
fn kubeconfig_comes_before_the_environment_and_must_be_there() {
    let api = api();
    plugin("flagged", &api.url());
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("flagged.kubeconfig");
    let run = plugin("unflagged", "http://127.0.0.1:1").run(&["status", "--kubeconfig", file.to_str().unwrap()]);
    assert!(run.good && api.seen().len() == 1, "{run:?}");
    let run = plugin("unflagged", &api.url()).run(&["status", "--kubeconfig", "/no/such/file"]);
    assert!(!run.good && run.told.contains("`/no/such/file` does not exist"), "{run:?}");
}

#[test]
fn as_and_as_group_impersonate() {
    let api = api();
    let run = plugin("as", &api.url()).run(&["status", "--as", "eve", "--as-group", "a", "--as-group", "b"]);
    assert!(run.good, "{run:?}");
    let seen = api.seen();
    let sent = |name: &str| {
        let headers = seen[0].headers.iter().filter(|(known, _)| known == name);
        headers.map(|(_, value)| value.clone()).collect::<Vec<_>>()
    };
    assert_eq!(
        (sent("impersonate-user"), sent("impersonate-group")),
        (vec!["eve".into()], vec!["a".into(), "b".into()])
    );
    let run = plugin("as-group", &api.url()).run(&["status", "--as-group", "a"]);
    assert!(!run.good && run.told.contains("hint: add --as"), "{run:?}");
}

#[test]
fn server_replaces_the_contexts_and_needs_no_kubeconfig() {
    let api = api();
    let run = plugin("server", "http://127.0.0.1:1").run(&["status", "--server", &api.url()]);
    assert!(run.good && api.seen()[0].header("authorization") == "Bearer good", "{run:?}");
    let run = Plugin::new("").run(&["status", "-s", &api.address]);
    assert!(run.good && api.seen()[0].header("authorization").is_empty(), "{run:?}");
}

#[test]
fn request_timeout_ends_the_wait_for_a_server_that_does_not_answer() {
    // The kernel takes the connection; nobody ever reads it.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    for args in [&["status"][..], &["query", "c", "hi"], &["query", "c", "hi", "--url", &url]] {
        let run = plugin("silent", &url).run(&[args, &["--request-timeout", "200ms"]].concat());
        assert!(!run.good && run.told.contains("does not answer"), "{args:?}: {run:?}");
    }
    for wrong in ["soon", "-1s"] {
        let run = plugin("silent", &url).run(&["status", &format!("--request-timeout={wrong}")]);
        assert!(!run.good && run.told.contains("--request-timeout"), "{run:?}");
    }
    let api = api();
    for limit in ["0", "5", "1m"] {
        assert!(plugin("limit", &api.url()).run(&["status", "--request-timeout", limit]).good, "{limit}");
    }
}

#[test]
fn all_namespaces_lists_all() {
    let api = api();
    for flag in ["-A", "--all-namespaces"] {
        let run = plugin("all", &api.url()).run(&["status", flag, "-n", "ignored"]);
        assert!(run.good && run.out.starts_with("default/c: "), "{run:?}");
        let path = api.seen().remove(0).path;
        assert!(path.starts_with("/apis/cherokee.ai/v1alpha1/cherokeeclusters"), "{path}");
    }
    let run = plugin("all", &api.url()).run(&["status", "c", "-A"]);
    assert!(!run.good && api.seen().is_empty(), "{run:?}");
}
