//! A remembered answer says the same in every form.

use super::*;
use crate::{
    collect::{self, Collector, Outcome},
    sse::Splitter,
};
use cherokee_memory::{Answer, Asked, Key, Verdict, key};
use cherokee_wire::openai::{FinishReason, Usage};
use http_body_util::BodyExt;
use proptest::prelude::*;

fn entry(endpoint: Endpoint, content: &str, extra: Map<String, Value>) -> Entry {
    let asked = Asked { tenant: "t", model: "resonance", revision: "r", endpoint };
    let body = json!({"messages": [{"role": "user", "content": "hi"}], "prompt": "hi"});
    let Verdict::Remember(key) = key::judge(&asked, &body) else { panic!("bypass") };
    let key: Key = *key;
    let usage = Usage { prompt_tokens: 2, completion_tokens: 3, total_tokens: 5 };
    let answer = Answer { content: content.into(), finish_reason: FinishReason::Stop, usage, extra };
    Entry::by_day(&key, "conscious", Some("cpu"), answer, DateTime::UNIX_EPOCH)
}

async fn bytes_of(entry: &Entry, ask: &Ask) -> (String, Bytes) {
    let response = replay(entry, ask, DateTime::UNIX_EPOCH);
    let kind = response.headers()[header::CONTENT_TYPE].to_str().unwrap().to_owned();
    (kind, response.into_body().collect().await.unwrap().to_bytes())
}

fn ask(endpoint: Endpoint, body: Value) -> Ask {
    Ask::read(endpoint, body.to_string().as_bytes()).unwrap()
}

async fn chunks(entry: &Entry, wants_usage: bool) -> (Vec<Value>, Outcome) {
    let options = json!({"stream": true, "stream_options": {"include_usage": wants_usage}});
    let (kind, bytes) = bytes_of(entry, &ask(entry.endpoint, options)).await;
    assert_eq!(kind, "text/event-stream");
    let mut collector = Collector::new(entry.endpoint);
    let mut chunks = Vec::new();
    for event in Splitter::default().push(&bytes).unwrap() {
        assert!(!collector.done(), "[DONE] is last");
        let data = event.data.unwrap();
        let json = serde_json::from_str(&data).ok();
        collector.take(&data, json.as_ref());
        chunks.extend(json);
    }
    (chunks, collector.outcome())
}

#[tokio::test]
async fn a_replayed_stream_has_the_shape_that_clients_insist_on() {
    let extra = Map::from_iter([("reasoning_content".to_owned(), json!("hmm"))]);
    let entry = entry(Endpoint::Chat, "Twelve clans meet at the council house tonight.", extra);
    let (chunks, outcome) = chunks(&entry, true).await;
    assert_eq!(outcome, Outcome::Whole(entry.answer));
    for chunk in &chunks {
        assert_eq!(
            (&chunk["id"], &chunk["created"], &chunk["model"]),
            (&chunks[0]["id"], &json!(0), &json!("resonance"))
        );
        assert_eq!(chunk["object"], "chat.completion.chunk");
    }
    let (usage, chunks) = chunks.split_last().unwrap();
    assert_eq!((&usage["choices"], &usage["usage"]["total_tokens"]), (&json!([]), &json!(5)));
    assert!(chunks.iter().all(|chunk| chunk["usage"].is_null() && chunk["choices"][0]["index"] == 0));
    assert_eq!(chunks[0]["choices"][0]["delta"]["role"], "assistant");
    let (last, others) = chunks.split_last().unwrap();
    assert_eq!((&last["choices"][0]["delta"], &last["choices"][0]["finish_reason"]), (&json!({}), &json!("stop")));
    assert!(others.iter().all(|chunk| chunk["choices"][0]["finish_reason"].is_null()));
    assert!(others.len() > 3, "several deltas, not one blob");
}

#[tokio::test]
async fn usage_is_streamed_only_when_asked_for() {
    let (chunks, outcome) = chunks(&entry(Endpoint::Chat, "hi", Map::new()), false).await;
    assert!(chunks.iter().all(|chunk| chunk.get("usage").is_none()));
    assert_eq!(outcome, Outcome::Unfit("no usage"));
}

#[tokio::test]
async fn ids_are_fresh() {
    let entry = entry(Endpoint::Completion, "hi", Map::new());
    let ask = ask(Endpoint::Completion, json!({"prompt": "hi"}));
    let id = |bytes: &Bytes| serde_json::from_slice::<Value>(bytes).unwrap()["id"].as_str().unwrap().to_owned();
    let (first, second) = (id(&bytes_of(&entry, &ask).await.1), id(&bytes_of(&entry, &ask).await.1));
    assert!(first.starts_with("cmpl-") && first != second);
}

proptest! {
    #[test]
    fn stream_and_whole_body_say_what_is_remembered(content in "\\PC{0,90}", is_chat in any::<bool>()) {
        let endpoint = if is_chat { Endpoint::Chat } else { Endpoint::Completion };
        let entry = entry(endpoint, &content, Map::new());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (_, streamed) = chunks(&entry, true).await;
            let (_, body) = bytes_of(&entry, &ask(endpoint, json!({"prompt": "", "messages": []}))).await;
            let whole = collect::whole(endpoint, &serde_json::from_slice(&body).unwrap());
            assert_eq!(streamed, Outcome::Whole(entry.answer.clone()));
            assert_eq!(whole, streamed);
        });
    }
}
