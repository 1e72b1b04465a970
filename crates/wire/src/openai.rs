//! OpenAI's requests and answers, as far as our programs read them. Unknown request fields are kept in `extra`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Body of `POST /v1/chat/completions`.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq)]
pub struct ChatRequest {
    /// Model or role asked for; empty or `default`: the default route.
    #[serde(default)]
    pub model: String,
    /// The conversation, oldest first.
    pub messages: Vec<Message>,
    /// Fields that both endpoints share.
    #[serde(flatten)]
    pub sampling: Sampling,
}

/// Body of `POST /v1/completions`.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq)]
pub struct CompletionRequest {
    /// Model or role asked for; empty or `default`: the default route.
    #[serde(default)]
    pub model: String,
    /// The text to go on from.
    pub prompt: OneOrMany,
    /// Fields that both endpoints share.
    #[serde(flatten)]
    pub sampling: Sampling,
}

/// How to sample and how to answer.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq)]
pub struct Sampling {
    /// Most tokens of the answer, older name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u32>,
    /// Most tokens of the answer; wins over `max_tokens`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_completion_tokens: Option<u32>,
    /// Randomness, 0 to 2; 0 is greedy. Default 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// Share of probability that is sampled from, 0 to 1. Default 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    /// Makes sampling repeatable; may be negative.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<i64>,
    /// Texts that end the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop: Option<OneOrMany>,
    /// Answers to give; only 1 is offered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n: Option<u32>,
    /// Send the answer as it grows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<bool>,
    /// Options of a stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream_options: Option<StreamOptions>,
    /// All other fields, untouched.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Sampling {
    /// Most tokens of the answer that the client allows.
    pub fn limit(&self) -> Option<u32> {
        self.max_completion_tokens.or(self.max_tokens)
    }
    /// Whether the client wants a stream.
    pub fn streams(&self) -> bool {
        self.stream == Some(true)
    }
    /// Whether the client wants a last chunk with the usage.
    pub fn wants_usage(&self) -> bool {
        self.stream_options.as_ref().is_some_and(|o| o.include_usage)
    }
}

/// Options of a stream.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
pub struct StreamOptions {
    /// Send a last chunk with the usage and no choices.
    #[serde(default)]
    pub include_usage: bool,
}

/// A string or a list of strings.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(untagged)]
pub enum OneOrMany {
    /// One string.
    One(String),
    /// Several.
    Many(Vec<String>),
}

impl Default for OneOrMany {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

impl OneOrMany {
    /// The strings in order.
    pub fn as_slice(&self) -> &[String] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }
}

/// One turn of a conversation.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq)]
pub struct Message {
    /// `system`, `developer`, `user`, `assistant` or `tool`.
    pub role: String,
    /// Its text, plain or in parts; absent beside tool calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Content>,
    /// All other fields, untouched.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// Content of a message.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(untagged)]
pub enum Content {
    /// Plain text.
    Text(String),
    /// Parts, of which only `text` ones are understood.
    Parts(Vec<Part>),
}

/// One part of a message's content.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq)]
pub struct Part {
    /// `text`, `image_url`, …
    #[serde(rename = "type")]
    pub kind: String,
    /// The text of a `text` part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// All other fields, untouched.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// Tokens that a query cost.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
pub struct Usage {
    /// Tokens of the prompt.
    pub prompt_tokens: u32,
    /// Tokens of the answer.
    pub completion_tokens: u32,
    /// Their sum.
    pub total_tokens: u32,
}

/// Why an answer ended.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// The model ended it, or a stop text was met.
    Stop,
    /// The token limit was met.
    Length,
}

/// Whole answer of the chat endpoint (`object` = `chat.completion`).
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
pub struct ChatAnswer {
    /// `chatcmpl-…`.
    pub id: String,
    /// `chat.completion`.
    pub object: String,
    /// Seconds since 1970.
    pub created: i64,
    /// Model that answered.
    pub model: String,
    /// One choice.
    pub choices: Vec<ChatChoice>,
    /// Tokens used.
    pub usage: Usage,
}

/// One choice of a whole chat answer.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
pub struct ChatChoice {
    /// Position, from 0.
    pub index: u32,
    /// The assistant's turn.
    pub message: Message,
    /// Always null: not offered.
    pub logprobs: Option<Value>,
    /// Why it ended.
    pub finish_reason: Option<FinishReason>,
}

/// One event of a streamed chat answer (`object` = `chat.completion.chunk`).
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
pub struct ChatChunk {
    /// The same in all chunks of an answer.
    pub id: String,
    /// `chat.completion.chunk`.
    pub object: String,
    /// The same in all chunks of an answer.
    pub created: i64,
    /// Model that answers.
    pub model: String,
    /// One choice, none in the usage chunk.
    pub choices: Vec<ChunkChoice>,
    /// Absent unless asked for; then null in all chunks but the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Option<Usage>>,
}

/// One choice of a chunk.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
pub struct ChunkChoice {
    /// Position, from 0.
    pub index: u32,
    /// Fields added by this chunk.
    pub delta: Delta,
    /// Always null: not offered.
    pub logprobs: Option<Value>,
    /// Set exactly once, with an empty delta.
    pub finish_reason: Option<FinishReason>,
}

/// Fields added by one chunk.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq)]
pub struct Delta {
    /// `assistant`, in the first chunk only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// New text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
}

/// Whole answer, or one event, of the legacy endpoint (`object` = `text_completion`).
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
pub struct CompletionAnswer {
    /// `cmpl-…`.
    pub id: String,
    /// `text_completion`.
    pub object: String,
    /// Seconds since 1970.
    pub created: i64,
    /// Model that answered.
    pub model: String,
    /// One choice, none in a usage chunk.
    pub choices: Vec<CompletionChoice>,
    /// Tokens used; in a stream as in [`ChatChunk::usage`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Option<Usage>>,
}

/// One choice of the legacy endpoint.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
pub struct CompletionChoice {
    /// The text, or the part added by this chunk.
    pub text: String,
    /// Position, from 0.
    pub index: u32,
    /// Always null: not offered.
    pub logprobs: Option<Value>,
    /// Why it ended.
    pub finish_reason: Option<FinishReason>,
}

/// Answer of `GET /v1/models`.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
pub struct ModelList {
    /// `list`.
    pub object: String,
    /// The models.
    pub data: Vec<ModelCard>,
}

/// Answer of `GET /v1/models/{id}`.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
pub struct ModelCard {
    /// Name to use in `model`.
    pub id: String,
    /// `model`.
    pub object: String,
    /// Seconds since 1970.
    pub created: i64,
    /// `cherokee`.
    pub owned_by: String,
}
