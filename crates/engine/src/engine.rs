//! The engine as its callers see it: a bounded queue in front of the device thread.

use crate::{
    contract::{Class, Load, ModelInfo, Query, Refused, Report, Shape, Ticket},
    device::Compute,
    error::Error,
    loading::{Model, Options, step_tokens},
    memory::Memory,
    runner::{self, Lane},
    schedule::Limits,
    sequence::Sequence,
};
use std::{
    borrow::Cow,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};
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
        !self.shared.inbox().closed
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

/// What callers and the device thread share.
pub(crate) struct Shared {
    inbox: Mutex<Inbox>,
    wake: Condvar,
    running: AtomicUsize,
    places: usize,
    max_waiting: usize,
}

struct Inbox {
    arrived: Vec<(usize, Sequence)>,
    /// Unfinished queries by class.
    open: [usize; 2],
    next: u64,
    closed: bool,
}

impl Shared {
    fn new(places: usize, max_waiting: usize) -> Self {
        let inbox = Mutex::new(Inbox { arrived: Vec::new(), open: [0; 2], next: 0, closed: false });
        Self { inbox, wake: Condvar::new(), running: AtomicUsize::new(0), places, max_waiting }
    }

    /// Reserves a place in the queue, unless too many of its class wait. Background work never takes an interactive
    /// query's room.
    fn reserve(&self, class: Class) -> Result<Reserved<'_>, Refused> {
        let mut inbox = self.inbox();
        if inbox.closed {
            return Err(Refused::Ended);
        }
        let open = inbox.open[index(class)];
        if open >= self.places + self.max_waiting {
            return Err(Refused::Full { waiting: open - self.places, limit: self.max_waiting });
        }
        inbox.open[index(class)] += 1;
        Ok(Reserved { shared: self, class, is_taken: false })
    }

    /// What has arrived; waits for something if `idle`. Nothing when the engine is closed.
    pub(crate) fn take(&self, idle: bool) -> Option<Vec<(usize, Sequence)>> {
        let mut inbox = self.inbox();
        while idle && inbox.arrived.is_empty() && !inbox.closed {
            inbox = self.wake.wait(inbox).unwrap_or_else(PoisonError::into_inner);
        }
        (!inbox.closed).then(|| std::mem::take(&mut inbox.arrived))
    }

    /// Notes that a query of `class` has ended.
    pub(crate) fn ended(&self, class: Class) {
        self.inbox().open[index(class)] -= 1;
    }

    /// Notes how many queries have a place.
    pub(crate) fn note_running(&self, running: usize) {
        self.running.store(running, Ordering::Relaxed);
    }

    /// Ends the device thread before its next step; nothing is accepted any more.
    pub(crate) fn close(&self) {
        let mut inbox = self.inbox();
        inbox.closed = true;
        // Their listeners learn it by the end of their channels.
        inbox.arrived.clear();
        self.wake.notify_all();
    }

    fn load(&self) -> Load {
        let open: usize = self.inbox().open.iter().sum();
        let running = self.running.load(Ordering::Relaxed).min(open);
        Load { running, waiting: open - running, limit: self.max_waiting }
    }

    /// A poisoned lock is usable: every change under it is a single step.
    fn inbox(&self) -> MutexGuard<'_, Inbox> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in the queue for a query to be; given back unless one takes it.
struct Reserved<'a> {
    shared: &'a Shared,
    class: Class,
    is_taken: bool,
}

impl Reserved<'_> {
    /// Queues the query that `make` makes.
    fn put(mut self, make: impl FnOnce(u64) -> (usize, Sequence)) -> Result<(), Refused> {
        let mut inbox = self.shared.inbox();
        if inbox.closed {
            return Err(Refused::Ended);
        }
        inbox.next += 1;
        let arrival = make(inbox.next);
        inbox.arrived.push(arrival);
        self.is_taken = true;
        self.shared.wake.notify_one();
        Ok(())
    }
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        if !self.is_taken {
            self.shared.ended(self.class);
        }
    }
}

fn index(class: Class) -> usize {
    match class {
        Class::Interactive => 0,
        Class::Background => 1,
    }
}
