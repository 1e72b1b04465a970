//! What a model takes, known from its file before anything is allocated.

use crate::model::{Config, ModelFile, Precision, loaded_bytes, token_bytes};

/// Runtime, tokenizer and buffers of a process on the CPU.
const CPU_RUNTIME_BYTES: u64 = 96 << 20;
/// CUDA context, cuBLAS work space and kernels.
const GPU_RUNTIME_BYTES: u64 = 600 << 20;

/// Bytes by use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Model weights.
    pub weights: u64,
    /// KV cache.
    pub kv_cache: u64,
    /// Activations and runtime.
    pub reserve: u64,
}

impl Memory {
    /// All of it.
    pub fn total(&self) -> u64 {
        self.weights + self.kv_cache + self.reserve
    }
}

/// How much is asked of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) sequences: usize,
    pub(crate) context: usize,
    pub(crate) step_tokens: usize,
    pub(crate) on_cpu: bool,
}

/// What one model takes, without the runtime that it shares with others.
pub(crate) fn of_model(file: &ModelFile, config: &Config, precision: Precision, extent: Extent) -> Memory {
    let weights = file.tensors().map(|(_, info)| loaded_bytes(info, precision, extent.on_cpu)).sum();
    let kv_cache = token_bytes(config, extent.on_cpu) * wide(extent.sequences * extent.context);
    Memory { weights, kv_cache, reserve: activations(config, extent) }
}

/// What the process takes beside its models.
pub(crate) fn runtime(on_cpu: bool) -> u64 {
    if on_cpu { CPU_RUNTIME_BYTES } else { GPU_RUNTIME_BYTES }
}

/// The largest temporaries of a step, at four bytes a value.
fn activations(config: &Config, extent: Extent) -> u64 {
    let row = 4 * config.hidden + 3 * config.feed_forward + 3 * config.heads * config.head_dim;
    // On the CPU a row's scores are made and dropped one head at a time.
    let scores = if extent.on_cpu { 0 } else { 3 * config.heads * extent.context };
    let logits = 2 * extent.sequences * config.vocabulary;
    let rope = extent.context * config.head_dim;
    4 * wide(extent.step_tokens * (row + scores) + logits + rope)
}

/// Bytes of this process that are in physical memory now, as the kernel counts them.
pub fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib << 10)
}

fn wide(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
