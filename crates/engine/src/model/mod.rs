//! Models of Llama's kind (Llama, Qwen 2): one forward over a packed batch of pieces of many sequences.
//!
//! Prompt chunks and single generated tokens lie below each other in `[rows, hidden]`; a row knows its position, a piece
//! knows its place in the KV cache. That is all that batching, chunked prompts and priorities need from the model.

mod attention;
mod batch;
mod cache;
mod config;
mod file;
mod rope;
mod weights;

pub use batch::{Piece, Wanted};
pub use cache::{KvCache, token_bytes};
pub use config::Config;
pub use file::ModelFile;
pub use weights::{Precision, loaded_bytes};

use crate::error::Error;
use attention::Attention;
use batch::{Packed, Span};
use candle_core::{Device, Tensor};
use rope::Rope;
use weights::Linear;

/// A loaded model. It holds weights only; sequences live in a [`KvCache`].
pub struct Llama {
    config: Config,
    device: Device,
    embedding: Linear,
    blocks: Vec<Block>,
    norm: Norm,
    output: Linear,
    rope: Rope,
}

impl Llama {
    /// Reads the weights to `device`; positions up to `context` will be usable.
    pub fn load(file: &mut ModelFile, precision: Precision, context: usize, device: &Device) -> Result<Self, Error> {
        let config = Config::read(file)?;
        let embedding = Linear::load(file, "token_embd", precision, device)?;
        // Models with tied embeddings have no output matrix.
        let output = if file.has("output.weight") {
            Linear::load(file, "output", precision, device)?
        } else {
            embedding.clone()
        };
        let blocks = (0..config.layers)
            .map(|layer| Block::load(file, layer, &config, precision, device))
            .collect::<Result<_, Error>>()?;
        let norm = Norm::load(file, "output_norm.weight", config.norm_epsilon, device)?;
        let rope = Rope::load(file, &config, context, device)?;
        Ok(Self { config, device: device.clone(), embedding, blocks, norm, output, rope })
    }

    /// Sizes and constants.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// A cache for `slots` sequences of `context` tokens on the model's device.
    pub fn cache(&self, slots: usize, context: usize) -> candle_core::Result<KvCache> {
        KvCache::new(&self.config, slots, context, &self.device)
    }

    /// Computes `pieces` and puts their keys and values into `cache`.
    ///
    /// Returns the wanted logits, a row each, in order of the pieces. A piece has at least one token, two pieces never
    /// share a slot, and a piece starts where its sequence ends in the cache.
    pub fn forward(&self, cache: &mut KvCache, pieces: &[Piece]) -> candle_core::Result<Vec<Vec<f32>>> {
        let packed = Packed::new(pieces, &self.device)?;
        let turns = self.rope.at(&packed.positions)?;
        let mut x = self.embedding.rows(&packed.tokens)?;
        for (layer, block) in self.blocks.iter().enumerate() {
            x = (&x + block.attend(&self.config, &x, &turns, cache, layer, &packed.spans)?)?;
            x = (&x + block.feed_forward(&x)?)?;
        }
        if packed.wanted.is_empty() {
            return Ok(Vec::new());
        }
        let wanted = Tensor::new(packed.wanted, &self.device)?;
        let last = self.norm.forward(&x.index_select(&wanted, 0)?)?;
        self.output.forward(&last)?.to_vec2()
    }
}

/// One transformer block.
struct Block {
    attention_norm: Norm,
    q: Linear,
    k: Linear,
    v: Linear,
    output: Linear,
    feed_forward_norm: Norm,
    gate: Linear,
    up: Linear,
    down: Linear,
}

impl Block {
    fn load(
        file: &mut ModelFile,
        layer: usize,
        config: &Config,
        precision: Precision,
        device: &Device,
    ) -> Result<Self, Error> {
        let norm = |file: &mut ModelFile, part: &str| {
            Norm::load(file, &format!("blk.{layer}.{part}.weight"), config.norm_epsilon, device)
        };
        let attention_norm = norm(file, "attn_norm")?;
        let feed_forward_norm = norm(file, "ffn_norm")?;
        let mut linear = |part: &str| Linear::load(file, &format!("blk.{layer}.{part}"), precision, device);
        Ok(Self {
            attention_norm,
            q: linear("attn_q")?,
            k: linear("attn_k")?,
            v: linear("attn_v")?,
            output: linear("attn_output")?,
            feed_forward_norm,
            gate: linear("ffn_gate")?,
            up: linear("ffn_up")?,
            down: linear("ffn_down")?,
        })
    }

    fn attend(
        &self,
        config: &Config,
        x: &Tensor,
        turns: &(Tensor, Tensor),
        cache: &KvCache,
        layer: usize,
        spans: &[Span],
    ) -> candle_core::Result<Tensor> {
        let x = self.attention_norm.forward(x)?;
        let q = rope::turn(&self.q.forward(&x)?, config, turns)?;
        let k = rope::turn(&self.k.forward(&x)?, config, turns)?;
        cache.write(layer, spans, &k, &self.v.forward(&x)?)?;
        let attention = Attention {
            heads: config.heads,
            kv_heads: config.kv_heads,
            head_dim: config.head_dim,
            context: cache.context(),
            spans,
        };
        self.output.forward(&attention.forward(&q, cache.layer(layer))?)
    }

    fn feed_forward(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        let x = self.feed_forward_norm.forward(x)?;
        let gated = (self.gate.forward(&x)?.silu()? * self.up.forward(&x)?)?;
        self.down.forward(&gated)
    }
}

/// Root-mean-square norm with a weight for each value.
struct Norm {
    weight: Tensor,
    epsilon: f32,
}

impl Norm {
    fn load(file: &mut ModelFile, name: &str, epsilon: f32, device: &Device) -> Result<Self, Error> {
        Ok(Self { weight: file.tensor(name, device)?.dequantize(device)?, epsilon })
    }

    fn forward(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        candle_nn::ops::rms_norm(x, &self.weight, self.epsilon)
    }
}
