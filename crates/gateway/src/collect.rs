//! Puts an answer together, from a stream's events or from a whole body, and judges whether it may be remembered.

use cherokee_memory::{Answer, Endpoint};
use cherokee_wire::openai::{FinishReason, Usage};
use serde_json::{Map, Value};

/// Data of the event that ends a stream.
pub const DONE: &str = "[DONE]";

/// What became of an answer, as far as memory is concerned.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Whole, ended by the model: may be remembered.
    Whole(Answer),
    /// Whole, but cut by the limit of tokens: a dream may answer it better.
    Limited(Usage),
    /// Not to be remembered, for this reason.
    Unfit(&'static str),
}

/// Collects the events of one stream.
#[derive(Debug)]
pub struct Collector {
    endpoint: Endpoint,
    content: String,
    extra: Map<String, Value>,
    finish: Option<String>,
    usage: Option<Usage>,
    done: bool,
    unfit: Option<&'static str>,
}

impl Collector {
    /// An empty answer of `endpoint`.
    pub fn new(endpoint: Endpoint) -> Self {
        Self {
            endpoint,
            content: String::new(),
            extra: Map::new(),
            finish: None,
            usage: None,
            done: false,
            unfit: None,
        }
    }

    /// Whether the event that ends a stream was there.
    pub fn done(&self) -> bool {
        self.done
    }

    /// Takes the data of one event, parsed where it is JSON.
    pub fn take(&mut self, data: &str, json: Option<&Value>) {
        if data.trim() == DONE {
            self.done = true;
            return;
        }
        let Some(json) = json else {
            self.unfit = Some("an event is not JSON");
            return;
        };
        if json.get("error").is_some() {
            self.unfit = Some("an event is an error");
        }
        if let Some(usage) = usage(json) {
            self.usage = Some(usage);
        }
        for choice in json.get("choices").and_then(Value::as_array).into_iter().flatten() {
            self.take_choice(choice);
        }
    }

    fn take_choice(&mut self, choice: &Value) {
        if choice.get("index").and_then(Value::as_u64).unwrap_or(0) != 0 {
            self.unfit = Some("several choices");
        }
        match self.endpoint {
            Endpoint::Chat => {
                for (name, value) in choice.get("delta").and_then(Value::as_object).into_iter().flatten() {
                    self.grow(name, value);
                }
            }
            Endpoint::Completion => {
                self.content.push_str(choice.get("text").and_then(Value::as_str).unwrap_or_default());
            }
        }
        if let Some(word) = choice.get("finish_reason").and_then(Value::as_str) {
            self.finish = Some(word.to_owned());
        }
    }

    /// Adds one field of a delta: texts grow, all else is replaced, null says nothing.
    fn grow(&mut self, name: &str, value: &Value) {
        match (name, value) {
            ("role", _) | (_, Value::Null) => {}
            ("content", Value::String(text)) => self.content.push_str(text),
            (_, Value::String(text)) => match self.extra.get_mut(name) {
                Some(Value::String(so_far)) => so_far.push_str(text),
                _ => drop(self.extra.insert(name.to_owned(), value.clone())),
            },
            _ => drop(self.extra.insert(name.to_owned(), value.clone())),
        }
    }

    /// The judgement, when the stream is over.
    pub fn outcome(self) -> Outcome {
        match self.unfit {
            Some(reason) => Outcome::Unfit(reason),
            None if !self.done => Outcome::Unfit("the stream was cut"),
            None => judge(self.content, self.extra, self.finish.as_deref(), self.usage),
        }
    }
}

/// Judges a whole body.
pub fn whole(endpoint: Endpoint, body: &Value) -> Outcome {
    let Some([choice]) = body.get("choices").and_then(Value::as_array).map(Vec::as_slice) else {
        return Outcome::Unfit("not exactly one choice");
    };
    let finish = choice.get("finish_reason").and_then(Value::as_str);
    let (content, extra) = match endpoint {
        Endpoint::Completion => (choice.get("text").and_then(Value::as_str), Map::new()),
        Endpoint::Chat => {
            let mut message = choice.get("message").and_then(Value::as_object).cloned().unwrap_or_default();
            message.retain(|name, value| !matches!(name.as_str(), "role" | "content") && !value.is_null());
            (choice.pointer("/message/content").and_then(Value::as_str), message)
        }
    };
    match content {
        Some(content) => judge(content.to_owned(), extra, finish, usage(body)),
        None => Outcome::Unfit("no text"),
    }
}

fn judge(content: String, extra: Map<String, Value>, finish: Option<&str>, usage: Option<Usage>) -> Outcome {
    match (finish, usage) {
        (_, None) => Outcome::Unfit("no usage"),
        (Some("stop"), Some(usage)) => {
            Outcome::Whole(Answer { content, finish_reason: FinishReason::Stop, usage, extra })
        }
        (Some("length"), Some(usage)) => Outcome::Limited(usage),
        (Some(_), _) => Outcome::Unfit("ended in another way"),
        (None, _) => Outcome::Unfit("no finish reason"),
    }
}

fn usage(json: &Value) -> Option<Usage> {
    serde_json::from_value(json.get("usage")?.clone()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn chat(events: &[Value], done: bool) -> Outcome {
        let mut collector = Collector::new(Endpoint::Chat);
        for event in events {
            collector.take(&event.to_string(), Some(event));
        }
        if done {
            collector.take(DONE, None);
        }
        collector.outcome()
    }

    fn events(finish: &str) -> Vec<Value> {
        vec![
            json!({"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": null}]}),
            json!({"choices": [{"index": 0, "delta": {"reasoning_content": "hm", "content": null}}]}),
            json!({"choices": [{"index": 0, "delta": {"reasoning_content": "m"}}]}),
            json!({"choices": [{"index": 0, "delta": {"content": "ᎣᏏ"}}], "usage": null}),
            json!({"choices": [{"index": 0, "delta": {"content": "Ᏺ"}}]}),
            json!({"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]}),
            json!({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}}),
        ]
    }

    #[test]
    fn a_whole_stream_becomes_one_answer_with_its_unknown_fields() {
        let Outcome::Whole(answer) = chat(&events("stop"), true) else { panic!("not whole") };
        assert_eq!((answer.content.as_str(), answer.usage.total_tokens), ("ᎣᏏᏲ", 5));
        assert_eq!(Value::Object(answer.extra), json!({"reasoning_content": "hmm"}));
    }

    #[test]
    fn a_stream_that_is_cut_limited_or_failed_is_not_remembered() {
        assert_eq!(chat(&events("stop"), false), Outcome::Unfit("the stream was cut"));
        assert_eq!(chat(&events("stop")[..5], true), Outcome::Unfit("no usage"));
        assert!(matches!(chat(&events("length"), true), Outcome::Limited(_)));
        assert_eq!(chat(&events("tool_calls"), true), Outcome::Unfit("ended in another way"));
        let mut failed = events("stop");
        failed.push(json!({"error": {"message": "cut"}}));
        assert_eq!(chat(&failed, true), Outcome::Unfit("an event is an error"));
    }

    #[test]
    fn a_whole_body_and_its_stream_give_the_same_answer() {
        let body = json!({
            "choices": [{"index": 0, "finish_reason": "stop", "message":
                {"role": "assistant", "content": "ᎣᏏᏲ", "reasoning_content": "hmm", "refusal": null}}],
            "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
        });
        assert_eq!(whole(Endpoint::Chat, &body), chat(&events("stop"), true));
    }

    #[test]
    fn a_completion_is_collected_from_its_texts() {
        let mut collector = Collector::new(Endpoint::Completion);
        let usage = json!({"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2});
        for event in [
            json!({"choices": [{"index": 0, "text": "a"}]}),
            json!({"choices": [{"index": 0, "text": "b", "finish_reason": "stop"}], "usage": usage}),
        ] {
            collector.take("", Some(&event));
        }
        collector.take(DONE, None);
        let Outcome::Whole(answer) = collector.outcome() else { panic!("not whole") };
        assert_eq!(answer.content, "ab");
    }
}
