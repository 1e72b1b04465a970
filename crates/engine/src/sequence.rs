//! One answer in the making.

use crate::{
    contract::{Class, Event, Finish, Query, Usage},
    model::{Piece, Wanted},
    sampler::Sampler,
    schedule::Entry,
    stop::StopMatcher,
    tokenizer::{Detokenizer, Tokenizer},
};
use tokio::sync::mpsc::UnboundedSender;

/// A query from acceptance to its end.
pub(crate) struct Sequence {
    id: u64,
    class: Class,
    /// Prompt and answer so far.
    tokens: Vec<u32>,
    /// How many of them are in the KV cache.
    computed: usize,
    prompt: usize,
    /// Length of `tokens` at which the answer ends.
    end: usize,
    /// Place in the KV cache.
    pub(crate) slot: Option<usize>,
    sampler: Sampler,
    detokenizer: Detokenizer,
    stop: StopMatcher,
    events: UnboundedSender<Event>,
}

impl Sequence {
    /// A sequence without a place. `prompt` has a token at least and leaves room in `context`.
    pub(crate) fn new(id: u64, query: Query, prompt: Vec<u32>, context: usize, events: UnboundedSender<Event>) -> Self {
        let room = context - prompt.len();
        Self {
            id,
            class: query.class,
            computed: 0,
            prompt: prompt.len(),
            end: prompt.len() + query.max_tokens.unwrap_or(room).min(room),
            tokens: prompt,
            slot: None,
            sampler: Sampler::new(&query.sampling),
            detokenizer: Detokenizer::default(),
            stop: StopMatcher::new(query.stop),
            events,
        }
    }

    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    pub(crate) fn class(&self) -> Class {
        self.class
    }

    /// Whether nobody listens any more.
    pub(crate) fn cancelled(&self) -> bool {
        self.events.is_closed()
    }

    /// As the scheduler sees it.
    pub(crate) fn entry(&self) -> Entry {
        Entry { id: self.id, class: self.class, remaining: self.tokens.len() - self.computed, slot: self.slot }
    }

    /// Gives up its place; what was computed is computed again when it gets another.
    pub(crate) fn evict(&mut self) {
        self.slot = None;
        self.computed = 0;
    }

    /// Its next `count` tokens to compute in `slot`.
    pub(crate) fn piece(&self, slot: usize, count: usize) -> Piece {
        let until = self.computed + count;
        let logits = if until == self.tokens.len() { Wanted::Last } else { Wanted::Nothing };
        Piece { slot, start: self.computed, tokens: self.tokens[self.computed..until].to_vec(), logits }
    }

    /// Notes that `count` tokens are in the cache now.
    pub(crate) fn computed(&mut self, count: usize) {
        self.computed += count;
    }

    /// Chooses the next token and sends what became text. Returns whether the answer has ended.
    pub(crate) fn advance(&mut self, logits: &[f32], tokenizer: &Tokenizer) -> bool {
        let token = self.sampler.next(logits);
        if tokenizer.ends(token) {
            return self.finish(Finish::Stop);
        }
        self.tokens.push(token);
        let text = self.detokenizer.push(tokenizer.bytes(token));
        let (shown, stopped) = self.stop.push(&text);
        self.send(shown);
        if stopped {
            self.done(Finish::Stop);
            return true;
        }
        self.tokens.len() >= self.end && self.finish(Finish::Length)
    }

    /// Ends the answer because the engine cannot go on.
    pub(crate) fn fail(&self, fault: &str) {
        // A listener that is gone needs no word.
        let _ = self.events.send(Event::Failed(fault.to_owned()));
    }

    /// Sends what was held back, unless that holds a stop text, and the end.
    fn finish(&mut self, finish: Finish) -> bool {
        let rest = self.detokenizer.finish();
        let (shown, stopped) = self.stop.push(&rest);
        self.send(shown);
        if !stopped {
            let held = self.stop.finish();
            self.send(held);
        }
        self.done(if stopped { Finish::Stop } else { finish });
        true
    }

    fn send(&self, text: String) {
        if !text.is_empty() {
            let _ = self.events.send(Event::Text(text));
        }
    }

    fn done(&self, finish: Finish) {
        let usage = Usage { prompt_tokens: self.prompt, completion_tokens: self.tokens.len() - self.prompt };
        let _ = self.events.send(Event::Done { finish, usage });
    }
}
