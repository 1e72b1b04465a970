//! Models from files to the device, within the memory budget.

use crate::{
    device::Compute,
    error::Error,
    memory::{self, Extent, Memory},
    model::{Config, Llama, ModelFile, Precision},
    template::ChatTemplate,
    tokenizer::Tokenizer,
};
use std::path::{Path, PathBuf};

/// Context of a model when nothing else is said, in tokens: KV cache is allocated for all of it.
const DEFAULT_CONTEXT: usize = 2048;

/// How much to allocate and how to compute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Tokens of prompt and answer together; absent: 2048, or the model's own if that is less.
    pub context_tokens: Option<usize>,
    /// Sequences of each model that have a place in the KV cache, at least 1.
    pub sequences: usize,
    /// Queries of each class that may wait beyond those.
    pub max_waiting: usize,
    /// Most bytes for weights, KV cache and reserve together; absent: no limit.
    pub memory_limit: Option<u64>,
    /// How weights are held.
    pub precision: Precision,
}

impl Default for Options {
    fn default() -> Self {
        Self { context_tokens: None, sequences: 4, max_waiting: 32, memory_limit: None, precision: Precision::Fast }
    }
}

/// A loaded model, with all that makes text of it.
pub struct Model {
    pub(crate) name: String,
    pub(crate) llama: Llama,
    pub(crate) tokenizer: Tokenizer,
    pub(crate) template: Option<ChatTemplate>,
    pub(crate) context: usize,
}

/// Loads all models, or none: what they take together is checked against the budget before anything is allocated.
pub fn load(
    sources: &[(String, PathBuf)],
    options: &Options,
    compute: &Compute,
) -> Result<(Vec<Model>, Memory), Error> {
    let memory = measure(sources, options, compute.device.is_cpu())?;
    let models = sources.iter().map(|(name, path)| one(name, path, options, compute)).collect::<Result<_, _>>()?;
    Ok((models, memory))
}

/// What the models take together, and whether that is within the budget. Reads only the heads of the files.
pub fn measure(sources: &[(String, PathBuf)], options: &Options, on_cpu: bool) -> Result<Memory, Error> {
    let mut sum = Memory { reserve: memory::runtime(on_cpu), ..Memory::default() };
    let mut longest = 0;
    for (_, path) in sources {
        let file = ModelFile::open(path)?;
        let config = Config::read(&file)?;
        let context = context(&config, options);
        let extent =
            Extent { sequences: options.sequences, context, step_tokens: step_tokens(options, on_cpu), on_cpu };
        let Memory { weights, kv_cache, reserve } = memory::of_model(&file, &config, options.precision, extent);
        sum.weights += weights;
        sum.kv_cache += kv_cache;
        sum.reserve += reserve;
        longest = longest.max(context);
    }
    match options.memory_limit {
        Some(limit) if sum.total() > limit => {
            let names: Vec<&str> = sources.iter().map(|(name, _)| name.as_str()).collect();
            Err(Error::OverBudget {
                model: names.join("+"),
                needs: mib(sum.total()),
                weights: mib(sum.weights),
                kv_cache: mib(sum.kv_cache),
                reserve: mib(sum.reserve),
                budget: limit >> 20,
                sequences: options.sequences,
                context: longest,
            })
        }
        _ => Ok(sum),
    }
}

/// Most tokens that one step computes. Longer steps use the device better and make others wait longer.
pub(crate) fn step_tokens(options: &Options, on_cpu: bool) -> usize {
    options.sequences + if on_cpu { 64 } else { 512 }
}

fn one(name: &str, path: &Path, options: &Options, compute: &Compute) -> Result<Model, Error> {
    let mut file = ModelFile::open(path)?;
    let tokenizer = Tokenizer::read(&file)?;
    let template = ChatTemplate::read(&file, &tokenizer)?;
    let context = context(&Config::read(&file)?, options);
    let llama = Llama::load(&mut file, options.precision, context, &compute.device)?;
    Ok(Model { name: name.to_owned(), llama, tokenizer, template, context })
}

fn context(config: &Config, options: &Options) -> usize {
    options.context_tokens.unwrap_or(DEFAULT_CONTEXT).min(config.context)
}

/// Rounded up: a budget of exactly this many is enough.
fn mib(bytes: u64) -> u64 {
    bytes.div_ceil(1 << 20)
}
