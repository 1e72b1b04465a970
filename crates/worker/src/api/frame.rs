//! The bodies of an answer, whole or in chunks, for both endpoints. Pure.

use cherokee_engine::{Finish, Usage};
use cherokee_wire::openai::{
    self, ChatAnswer, ChatChoice, ChatChunk, ChunkChoice, CompletionAnswer, CompletionChoice, Content, Delta,
    FinishReason, Message,
};
use serde::Serialize;

/// Which endpoint answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Endpoint {
    /// `/v1/chat/completions`.
    Chat,
    /// `/v1/completions`.
    Completion,
}

/// What all bodies of one answer have in common.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    pub(super) endpoint: Endpoint,
    pub(super) id: String,
    pub(super) created: i64,
    pub(super) model: String,
    /// Whether a stream ends with a chunk that holds the usage.
    pub(super) usage: bool,
    /// Whether a chunk was made already.
    pub(super) begun: bool,
}

impl Frame {
    /// The whole answer.
    pub(super) fn whole(self, text: String, finish: Finish, usage: Usage) -> String {
        match self.endpoint {
            Endpoint::Chat => json(&ChatAnswer {
                id: self.id,
                object: "chat.completion".into(),
                created: self.created,
                model: self.model,
                choices: vec![ChatChoice {
                    index: 0,
                    message: Message {
                        role: "assistant".into(),
                        content: Some(Content::Text(text)),
                        extra: serde_json::Map::new(),
                    },
                    logprobs: None,
                    finish_reason: Some(reason(finish)),
                }],
                usage: wire(usage),
            }),
            Endpoint::Completion => json(&self.completion(text, Some(finish), Some(Some(wire(usage))))),
        }
    }

    /// The chunk with new text. The first one of a chat also has the role.
    pub(super) fn text(&mut self, text: String) -> String {
        let usage = self.usage.then_some(None);
        match self.endpoint {
            Endpoint::Chat => {
                let role = (!std::mem::replace(&mut self.begun, true)).then(|| "assistant".to_owned());
                json(&self.chunk(Some((Delta { role, content: Some(text) }, None)), usage))
            }
            Endpoint::Completion => json(&self.completion(text, None, usage)),
        }
    }

    /// The chunks after the last text: the reason, and the usage if it was asked for.
    pub(super) fn end(&mut self, finish: Finish, usage: Usage) -> Vec<String> {
        let mut chunks = Vec::new();
        if self.endpoint == Endpoint::Chat && !self.begun {
            chunks.push(self.text(String::new()));
        }
        let none = self.usage.then_some(None);
        chunks.push(match self.endpoint {
            Endpoint::Chat => json(&self.chunk(Some((Delta::default(), Some(finish))), none)),
            Endpoint::Completion => json(&self.completion(String::new(), Some(finish), none)),
        });
        if self.usage {
            let used = Some(Some(wire(usage)));
            chunks.push(match self.endpoint {
                Endpoint::Chat => json(&self.chunk(None, used)),
                Endpoint::Completion => {
                    json(&CompletionAnswer { choices: Vec::new(), ..self.completion(String::new(), None, used) })
                }
            });
        }
        chunks
    }

    #[expect(clippy::option_option, reason = "absent, null and given are three answers in OpenAI's streams")]
    fn chunk(&self, choice: Option<(Delta, Option<Finish>)>, usage: Option<Option<openai::Usage>>) -> ChatChunk {
        let choice = choice.map(|(delta, finish)| ChunkChoice {
            index: 0,
            delta,
            logprobs: None,
            finish_reason: finish.map(reason),
        });
        ChatChunk {
            id: self.id.clone(),
            object: "chat.completion.chunk".into(),
            created: self.created,
            model: self.model.clone(),
            choices: choice.into_iter().collect(),
            usage,
        }
    }

    #[expect(clippy::option_option, reason = "absent, null and given are three answers in OpenAI's streams")]
    fn completion(
        &self,
        text: String,
        finish: Option<Finish>,
        usage: Option<Option<openai::Usage>>,
    ) -> CompletionAnswer {
        CompletionAnswer {
            id: self.id.clone(),
            object: "text_completion".into(),
            created: self.created,
            model: self.model.clone(),
            choices: vec![CompletionChoice { text, index: 0, logprobs: None, finish_reason: finish.map(reason) }],
            usage,
        }
    }
}

fn reason(finish: Finish) -> FinishReason {
    match finish {
        Finish::Stop => FinishReason::Stop,
        Finish::Length => FinishReason::Length,
    }
}

fn wire(usage: Usage) -> openai::Usage {
    let count = |tokens: usize| u32::try_from(tokens).unwrap_or(u32::MAX);
    let (prompt_tokens, completion_tokens) = (count(usage.prompt_tokens), count(usage.completion_tokens));
    openai::Usage { prompt_tokens, completion_tokens, total_tokens: prompt_tokens.saturating_add(completion_tokens) }
}

fn json(body: &impl Serialize) -> String {
    serde_json::to_string(body).expect("these types have text keys only, so they always become JSON")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const USAGE: Usage = Usage { prompt_tokens: 3, completion_tokens: 2 };

    fn frame(endpoint: Endpoint, usage: bool) -> Frame {
        Frame { endpoint, id: "id-1".into(), created: 7, model: "m".into(), usage, begun: false }
    }

    fn stream(mut frame: Frame, texts: &[&str]) -> Vec<Value> {
        let mut chunks: Vec<String> = texts.iter().map(|text| frame.text((*text).to_owned())).collect();
        chunks.extend(frame.end(Finish::Stop, USAGE));
        chunks.iter().map(|chunk| serde_json::from_str(chunk).expect("JSON")).collect()
    }

    #[test]
    fn a_chat_stream_begins_with_the_role_and_ends_with_one_reason_and_an_empty_delta() {
        let chunks = stream(frame(Endpoint::Chat, false), &["a", "b"]);
        let deltas: Vec<&Value> = chunks.iter().map(|chunk| &chunk["choices"][0]["delta"]).collect();
        assert_eq!(deltas, [&json!({"role": "assistant", "content": "a"}), &json!({"content": "b"}), &json!({})]);
        let reasons: Vec<&Value> = chunks.iter().map(|chunk| &chunk["choices"][0]["finish_reason"]).collect();
        assert_eq!(reasons, [&Value::Null, &Value::Null, &json!("stop")]);
        for chunk in &chunks {
            assert_eq!((&chunk["id"], &chunk["created"], &chunk["model"]), (&json!("id-1"), &json!(7), &json!("m")));
            assert_eq!(chunk["choices"][0]["index"], 0);
            assert!(chunk.get("usage").is_none(), "usage was not asked for");
        }
    }

    #[test]
    fn asked_for_usage_comes_last_without_choices_and_is_null_before() {
        for endpoint in [Endpoint::Chat, Endpoint::Completion] {
            let chunks = stream(frame(endpoint, true), &["a"]);
            let (last, before) = chunks.split_last().expect("chunks");
            assert_eq!(last["choices"], json!([]));
            assert_eq!(last["usage"], json!({"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}));
            assert!(before.iter().all(|chunk| chunk.get("usage") == Some(&Value::Null)));
        }
    }

    #[test]
    fn an_empty_answer_still_names_the_role() {
        let chunks = stream(frame(Endpoint::Chat, false), &[]);
        assert_eq!(chunks[0]["choices"][0]["delta"]["role"], "assistant");
        assert_eq!(chunks.len(), 2);
    }

    #[test]
    fn a_whole_answer_has_text_reason_and_usage() {
        let parse = |body: String| serde_json::from_str::<Value>(&body).expect("JSON");
        let chat = parse(frame(Endpoint::Chat, false).whole("hi".into(), Finish::Length, USAGE));
        assert_eq!(chat["object"], "chat.completion");
        assert_eq!(chat["choices"][0]["message"], json!({"role": "assistant", "content": "hi"}));
        assert_eq!(chat["choices"][0]["finish_reason"], "length");
        let legacy = parse(frame(Endpoint::Completion, false).whole("hi".into(), Finish::Stop, USAGE));
        assert_eq!((&legacy["choices"][0]["text"], &legacy["usage"]["total_tokens"]), (&json!("hi"), &json!(5)));
    }
}
