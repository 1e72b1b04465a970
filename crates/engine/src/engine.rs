//! The engine as its callers see it: a bounded queue in front of the device thread.

use crate::{
    contract::{Load, ModelInfo, Query, Refused, Report, Shape, Ticket},
    device::Compute,
    error::Error,
    loading::{Model, Options, step_tokens},
    memory::Memory,
    queue::Shared,
    runner::{self, Lane},
    schedule::Limits,
    sequence::Sequence,
};
use std::{borrow::Cow, sync::Arc};
use tokio::sync::mpsc::unbounded_channel;

/// Loaded models on a device. Dropping it ends the device thread; unfinished queries end without `Done`.
pub struct Engine {
    models: Vec<Arc<Model>>,
    shared: Arc<Shared>,
    report: Report,
    compute: Compute,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Engine {
    /// Allocates the KV caches and starts the device thread.
    pub fn start((models, memory): (Vec<Model>, Memory), options: &Options, compute: Compute) -> Result<Self, Error> {
        let models: Vec<Arc<Model>> = models.into_iter().map(Arc::new).collect();
        let lanes = models.iter().map(|model| lane(model, options.sequences)).collect::<Result<Vec<_>, Error>>()?;
        let limits = Limits { slots: options.sequences, tokens: step_tokens(options, compute.device.is_cpu()) };
        let shared = Arc::new(Shared::new(options.sequences * models.len(), options.max_waiting));
        let thread = std::thread::Builder::new().name("engine".into()).spawn({
            let shared = Arc::clone(&shared);
            move || runner::run(&shared, lanes, limits)
        });
        let thread = thread.map_err(|source| Error::Format(format!("no thread can be started: {source}")))?;
        let report = Report { device: compute.info.clone(), memory, models: models.iter().map(info).collect() };
        Ok(Self { models, shared, report, compute, thread: Some(thread) })
    }

    /// Accepts or refuses `query`. A long prompt takes a while to become tokens: not for a thread that others wait for.
    pub fn submit(&self, query: Query) -> Result<Ticket, Refused> {
        let (lane, model) = self
            .models
            .iter()
            .enumerate()
            .find(|(_, model)| model.name == query.model)
            .ok_or_else(|| self.unknown(&query.model))?;
        // First, so that no more prompts become tokens at once than the queue takes.
        let place = self.shared.reserve(query.class)?;
        let prompt = prompt(model, &query.shape)?;
        if prompt.len() >= model.context {
            return Err(Refused::TooLong { prompt: prompt.len(), context: model.context });
        }
        let (sender, events) = unbounded_channel();
        let prompt_tokens = prompt.len();
        place.put(|id| (lane, Sequence::new(id, query, prompt, model.context, sender)))?;
        Ok(Ticket { prompt_tokens, events })
    }

    /// How busy it is.
    pub fn load(&self) -> Load {
        self.shared.load()
    }

    /// What it is made of.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// Bytes really held: of the device on a GPU, of the process elsewhere.
    pub fn observed_bytes(&self) -> Option<u64> {
        self.compute.used_bytes().or_else(crate::memory::resident_bytes)
    }

    /// Whether the device thread still runs.
    pub fn alive(&self) -> bool {
        self.shared.is_open()
    }

    fn unknown(&self, name: &str) -> Refused {
        let loaded: Vec<&str> = self.models.iter().map(|model| model.name.as_str()).collect();
        Refused::UnknownModel { name: name.to_owned(), loaded: loaded.join(", ") }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.shared.close();
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was reported by the panic hook already.
            let _ = thread.join();
        }
    }
}

fn lane(model: &Arc<Model>, sequences: usize) -> Result<Lane, Error> {
    let cache = model.llama.cache(sequences, model.context)?;
    Ok(Lane { model: Arc::clone(model), cache, sequences: Vec::new(), last_step: 0 })
}

fn info(model: &Arc<Model>) -> ModelInfo {
    ModelInfo { name: model.name.clone(), context_tokens: model.context }
}

fn prompt(model: &Model, shape: &Shape) -> Result<Vec<u32>, Refused> {
    let fault = |fault: Error| Refused::Prompt(fault.to_string());
    let text: Result<Cow<'_, str>, Error> = match (shape, &model.template) {
        (Shape::Text(text), _) => Ok(Cow::Borrowed(text.as_str())),
        (Shape::Chat(turns), Some(template)) => template.render(turns).map(Cow::Owned),
        (Shape::Chat(_), None) => {
            Err(Error::Template(format!("model `{}` has none in its file; use the completions endpoint", model.name)))
        }
    };
    let text = text.map_err(fault)?;
    // Far too long a text is not worth the time that its tokens take.
    let least = model.tokenizer.least_tokens(&text);
    if least >= model.context {
        return Err(Refused::TooLong { prompt: least, context: model.context });
    }
    let tokens = model.tokenizer.prompt(&text).map_err(fault)?;
    if tokens.is_empty() { Err(Refused::Prompt("the prompt is empty".into())) } else { Ok(tokens) }
}
