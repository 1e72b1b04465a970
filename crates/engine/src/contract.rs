//! What a server and the engine say to each other.

use crate::{device::DeviceInfo, memory::Memory};
use tokio::sync::mpsc::UnboundedReceiver;

/// Who is served first. The lesser value wins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// A person waits.
    #[default]
    Interactive,
    /// Dream work: computes only in steps in which no interactive query has work.
    Background,
}

/// One turn of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Turn {
    /// `system`, `user`, `assistant`, …
    pub role: String,
    /// Its text.
    pub content: String,
}

/// What is to be continued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A conversation, put into text by the model's own template.
    Chat(Vec<Turn>),
    /// Plain text.
    Text(String),
}

/// How the next token is chosen.
#[derive(Clone, Debug, PartialEq)]
pub struct Sampling {
    /// Randomness from 0; 0 takes the likeliest token.
    pub temperature: f64,
    /// Share of probability that is sampled from, above 0 to 1.
    pub top_p: f64,
    /// Makes the answer repeatable; absent: drawn.
    pub seed: Option<u64>,
}

impl Default for Sampling {
    fn default() -> Self {
        Self { temperature: 1.0, top_p: 1.0, seed: None }
    }
}

/// A question to a model.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// Name of a loaded model.
    pub model: String,
    /// What is to be continued.
    pub shape: Shape,
    /// Most tokens of the answer; absent: as many as the context holds.
    pub max_tokens: Option<usize>,
    /// Texts that end the answer; they are not part of it.
    pub stop: Vec<String>,
    /// How tokens are chosen.
    pub sampling: Sampling,
    /// Who is served first.
    pub class: Class,
}

/// Tokens that a query took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Tokens of the prompt.
    pub prompt_tokens: usize,
    /// Tokens of the answer, without the one that ended it.
    pub completion_tokens: usize,
}

/// Why an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finish {
    /// The model ended it, or a stop text was met.
    Stop,
    /// The token limit or the end of the context was met.
    Length,
}

/// What happens to an accepted query, in this order: any number of `Text`, then `Done` or `Failed`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// New text, whole characters, never empty.
    Text(String),
    /// The end.
    Done {
        /// Why.
        finish: Finish,
        /// What it took.
        usage: Usage,
    },
    /// The engine could not go on; a sentence for the log.
    Failed(String),
}

/// An accepted query. Dropping it cancels the query before the next step.
#[derive(Debug)]
pub struct Ticket {
    /// Tokens of the prompt.
    pub prompt_tokens: usize,
    /// What happens to it.
    pub events: UnboundedReceiver<Event>,
}

/// Why a query was not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// No such model.
    #[error("model `{name}` is not loaded here; loaded: {loaded}")]
    UnknownModel {
        /// The name asked for.
        name: String,
        /// Names of those loaded.
        loaded: String,
    },
    /// The queue is full.
    #[error("{waiting} queries wait already, the queue takes {limit}; try again later")]
    Full {
        /// Queries waiting.
        waiting: usize,
        /// Most that may wait.
        limit: usize,
    },
    /// The prompt does not leave room for an answer.
    #[error("the prompt has {prompt} tokens, the context holds {context} for prompt and answer together; shorten it")]
    TooLong {
        /// Tokens of the prompt.
        prompt: usize,
        /// Tokens of the context.
        context: usize,
    },
    /// The prompt cannot be made into tokens.
    #[error("{0}")]
    Prompt(String),
    /// The engine has ended.
    #[error("the engine has ended")]
    Ended,
}

/// How busy the engine is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Queries with a place in the KV cache.
    pub running: usize,
    /// Queries waiting for one.
    pub waiting: usize,
    /// Most that may wait.
    pub limit: usize,
}

/// A loaded model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelInfo {
    /// Its name.
    pub name: String,
    /// Tokens of prompt and answer together.
    pub context_tokens: usize,
}

/// What the engine is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Where it computes.
    pub device: DeviceInfo,
    /// What it takes there.
    pub memory: Memory,
    /// What it answers with.
    pub models: Vec<ModelInfo>,
}
