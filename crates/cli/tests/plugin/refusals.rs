//! A query that the gateway refuses, by both ways to it.

use crate::{
    plugin::plugin,
    standin::{Answer, Api, cluster, list},
};
use serde_json::json;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

fn refused_once(name: &str, status: u16, code: &'static str, retry_after: &'static str) {
    let words = "everybody who could answer sleeps";
    let body = json!({"error": {"message": words, "type": "server_error", "param": null, "code": code}});
    // A client that obeys `Retry-After` does not end within the patience of a run.
    let api = Api::start(move |_| Answer::new(status, body.clone()).header("retry-after", retry_after));
    let url = api.url();
    for (way, more) in [("by the API server", vec![]), ("by --url", vec!["--url", &url])] {
        let run = plugin(name, &url).run(&[&["query", "c", "hi"], &more[..]].concat());
        assert!(!run.good && run.told.contains(words), "{way}: {run:?}");
        assert_eq!(api.seen().len(), 1, "{way}");
    }
}

#[test]
fn a_query_to_a_sleeping_cluster_is_asked_once_and_says_so_at_once() {
    refused_once("asleep", 503, "asleep", "3600");
}

#[test]
fn a_full_queue_is_not_asked_again() {
    refused_once("full", 429, "queue_full", "3600");
}

#[test]
fn the_hint_says_when_to_try_again_unless_the_gateway_says_that_it_is_later() {
    let refusal = || Answer::new(503, json!({"error": {"message": "asleep", "type": "server_error"}}));
    let hint = |answer: fn(Answer) -> Answer, name| {
        let api = Api::start(move |_| answer(refusal().header("retry-after", "60")));
        plugin(name, &api.url()).run(&["query", "c", "hi"]).told
    };
    assert!(hint(|answer| answer, "soon").contains("hint: try again in 60 s"));
    let later = hint(|answer| answer.header("x-should-retry", "false"), "later");
    assert!(later.contains("asleep") && !later.contains("hint"), "{later}");
}

#[test]
fn other_commands_still_obey_a_short_retry_after() {
    let asked = AtomicUsize::new(0);
    let api = Api::start(move |_| match asked.fetch_add(1, Relaxed) {
        0 => Answer::new(429, json!({"kind": "Status", "status": "Failure", "code": 429, "message": "busy"}))
            .header("retry-after", "0"),
        _ => Answer::new(200, list(cluster("x"))),
    });
    let run = plugin("busy", &api.url()).run(&["status"]);
    assert!(run.good, "{run:?}");
    assert_eq!(api.seen().len(), 2);
}
