//! Control characters in what the cluster says.

use crate::{
    plugin::plugin,
    standin::{Answer, Api, cluster, list},
};
use serde_json::{Value, json};

const WORDS: &str = "llama\u{1b}[2K\u{1b}[1A\u{9b}1A\u{7}\u{7f}\rReady\u{1b}]0;title\u{7}";

fn raw(text: &str) -> Vec<char> {
    text.chars().filter(|c| c.is_control() && *c != '\n').collect()
}

#[test]
fn tables_show_them_as_text() {
    let api = Api::start(|request| {
        let one = cluster(WORDS);
        Answer::new(200, if request.path.contains("/cherokeeclusters/c") { one } else { list(one) })
    });
    for args in [&["status", "c"][..], &["status"]] {
        let run = plugin("table", &api.url()).run(args);
        assert!(run.good && run.out.contains("llama^[[2K^[[1AM-^[1A^G^?^MReady^[]0;title^G"), "{run:?}");
        assert_eq!(raw(&(run.out + &run.told)), Vec::<char>::new());
    }
}

#[test]
fn a_line_end_does_not_add_a_row_to_the_table() {
    let api = Api::start(|_| Answer::new(200, cluster("failed\nReady       True     AllReady")));
    let run = plugin("rows", &api.url()).run(&["status", "c"]);
    let rows = |word: &str| run.out.lines().filter(|line| line.starts_with(word)).count();
    assert_eq!((rows("Ready "), rows("WorkersReady ")), (1, 1), "{}", run.out);
}

#[test]
fn json_and_yaml_have_the_text_itself() {
    let api = Api::start(|_| Answer::new(200, cluster(WORDS)));
    let run = plugin("json", &api.url()).run(&["status", "c", "-o", "json"]);
    let shown: Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!(shown[0]["status"]["conditions"][0]["message"], WORDS);
    let run = plugin("yaml", &api.url()).run(&["status", "c", "-o", "yaml"]);
    let shown: Vec<Value> = serde_saphyr::from_str(&run.out).unwrap();
    assert_eq!(shown[0]["status"]["conditions"][0]["message"], WORDS);
}

#[test]
fn errors_show_them_as_text() {
    let api =
        Api::start(|_| Answer::new(403, json!({"kind": "Status", "status": "Failure", "code": 403, "message": WORDS})));
    let run = plugin("error", &api.url()).run(&["status"]);
    assert!(!run.good && run.told.contains("llama^[[2K"), "{run:?}");
    assert_eq!(raw(&run.told), Vec::<char>::new());
    let api = Api::start(|_| Answer::new(503, json!({"error": {"message": WORDS, "type": "server_error"}})));
    let run = plugin("refusal", &api.url()).run(&["query", "c", "hi"]);
    assert!(!run.good && run.told.contains("llama^[[2K"), "{run:?}");
    assert_eq!(raw(&run.told), Vec::<char>::new());
}

#[test]
fn a_models_text_in_a_pipe_is_the_text_itself() {
    let choice = json!({"index": 0, "message": {"role": "assistant", "content": WORDS}, "finish_reason": "stop"});
    let answer = json!({"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}});
    let api = Api::start(move |_| Answer::new(200, answer.clone()));
    let run = plugin("pipe", &api.url()).run(&["query", "c", "hi"]);
    assert_eq!(run.out, format!("{WORDS}\n"), "{run:?}");
}
