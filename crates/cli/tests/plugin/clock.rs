//! `dream` goes by the API server's clock.

use crate::{
    plugin::{Run, plugin},
    standin::{Answer, Api, cluster},
};
use serde_json::Value;

/// A wake-up for ten minutes by a server whose answers to a read and to a write have these dates; what was written.
fn dream(name: &str, read: &'static str, write: &'static str) -> (Run, String) {
    let api = Api::start(move |request| {
        let date = if request.method == "PATCH" { write } else { read };
        let answer = Answer::new(200, cluster("x"));
        if date.is_empty() { answer } else { answer.header("date", date) }
    });
    let run = plugin(name, &api.url()).run(&["dream", "c", "--for", "10m"]);
    let patch = api.seen().into_iter().find(|request| request.method == "PATCH").unwrap();
    let patch: Value = serde_json::from_str(&patch.body).unwrap();
    let annotations = patch["metadata"]["annotations"].as_object().unwrap();
    (run, annotations.values().next().unwrap().as_str().unwrap().to_owned())
}

#[test]
fn a_wake_up_is_by_the_api_servers_clock_and_a_wrong_one_here_is_told() {
    let noon = "Wed, 01 Jan 2020 12:00:00 GMT";
    let (run, written) = dream("behind", noon, noon);
    assert_eq!(written, "2020-01-01T12:00:00Z/2020-01-01T12:10:00Z");
    assert!(run.good && run.told.contains("s ahead of the API server's"), "{run:?}");
    let far = "Thu, 01 Jan 2099 12:00:00 GMT";
    let (run, written) = dream("ahead", far, far);
    assert_eq!(written, "2099-01-01T12:00:00Z/2099-01-01T12:10:00Z");
    assert!(run.good && run.told.contains("s behind the API server's"), "{run:?}");
}

#[test]
fn a_wake_up_that_is_past_when_it_is_stored_is_an_error() {
    let (run, _) = dream("past", "Wed, 01 Jan 2020 12:00:00 GMT", "Wed, 01 Jan 2020 12:10:00 GMT");
    assert!(!run.good && run.out.is_empty(), "{run:?}");
    assert!(run.told.contains("ends at 2020-01-01T12:10:00Z, which is past"), "{run:?}");
}

#[test]
fn without_a_date_this_machines_clock_is_used_and_that_is_told() {
    let (run, written) = dream("dateless", "", "");
    assert!(run.good && run.told.contains("sends no Date"), "{run:?}");
    assert!(!written.starts_with("2020"), "{written}");
}
