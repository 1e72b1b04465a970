//! What a model of Llama's kind looks like, read from the file's metadata.

use super::file::ModelFile;
use crate::error::Error;

/// Sizes and constants of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Width of the hidden state.
    pub hidden: usize,
    /// Transformer blocks.
    pub layers: usize,
    /// Query heads.
    pub heads: usize,
    /// Key and value heads; each serves `heads / kv_heads` query heads.
    pub kv_heads: usize,
    /// Width of one head.
    pub head_dim: usize,
    /// Width of the feed-forward part.
    pub feed_forward: usize,
    /// Tokens in the vocabulary.
    pub vocabulary: usize,
    /// Longest context that the model was trained for, in tokens.
    pub context: usize,
    /// Added to the variance in norms.
    pub norm_epsilon: f32,
    /// Base of the rotary embedding's wavelengths.
    pub rope_base: f32,
    /// Divides positions (linear scaling); 1 for none.
    pub rope_factor: f32,
    /// Which values of a head turn together.
    pub pairing: Pairing,
}

/// Which values of a head the rotary embedding turns together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pairing {
    /// Neighbours, as GGUF files of Llama have them.
    Neighbours,
    /// A value of the first half with its like of the second, as in Qwen 2.
    Halves,
}

impl Config {
    /// Reads and checks the metadata.
    pub fn read(file: &ModelFile) -> Result<Self, Error> {
        let (architecture, pairing) = match file.text("general.architecture")? {
            "llama" => ("llama", Pairing::Neighbours),
            "qwen2" => ("qwen2", Pairing::Halves),
            other => return Err(unsupported("general.architecture", other, "llama, qwen2")),
        };
        let key = |name: &str| format!("{architecture}.{name}");
        let experts = key("expert_count");
        if let Some(count) = file.number_if(&experts).filter(|&count| count > 0) {
            return Err(unsupported(&experts, count, "0 (no experts)"));
        }
        let hidden = file.number(&key("embedding_length"))?;
        let heads = file.number(&key("attention.head_count"))?;
        let kv_heads = file.number_if(&key("attention.head_count_kv")).unwrap_or(heads);
        if heads == 0 || kv_heads == 0 || heads % kv_heads != 0 || hidden % heads != 0 {
            return Err(Error::Format(format!(
                "{heads} query heads do not go with {kv_heads} key heads and a width of {hidden}"
            )));
        }
        let head_dim = file.number_if(&key("attention.key_length")).unwrap_or(hidden / heads);
        let rotated = file.number_if(&key("rope.dimension_count")).unwrap_or(head_dim);
        if rotated != head_dim || !head_dim.is_multiple_of(2) {
            return Err(unsupported(&key("rope.dimension_count"), rotated, "the whole of an even head width"));
        }
        let epsilon = key("attention.layer_norm_rms_epsilon");
        Ok(Self {
            hidden,
            layers: file.number(&key("block_count"))?,
            heads,
            kv_heads,
            head_dim,
            feed_forward: file.number(&key("feed_forward_length"))?,
            vocabulary: vocabulary(file)?,
            context: file.number(&key("context_length"))?,
            norm_epsilon: file
                .fraction_if(&epsilon)
                .ok_or_else(|| Error::Format(format!("metadata `{epsilon}` is missing")))?,
            rope_base: file.fraction_if(&key("rope.freq_base")).unwrap_or(10_000.0),
            rope_factor: rope_factor(file, architecture)?,
            pairing,
        })
    }

    /// Width of keys and of values in one layer.
    pub fn kv_width(&self) -> usize {
        self.kv_heads * self.head_dim
    }
}

fn vocabulary(file: &ModelFile) -> Result<usize, Error> {
    file.tensors()
        .find(|(name, _)| *name == "token_embd.weight")
        .map(|(_, info)| info.shape.dims()[0])
        .ok_or_else(|| Error::Format("tensor `token_embd.weight` is missing".into()))
}

fn rope_factor(file: &ModelFile, architecture: &str) -> Result<f32, Error> {
    let kind = format!("{architecture}.rope.scaling.type");
    match file.text_if(&kind) {
        None | Some("none") => Ok(1.0),
        Some("linear") => Ok(file.fraction_if(&format!("{architecture}.rope.scaling.factor")).unwrap_or(1.0)),
        Some(other) => Err(unsupported(&kind, other, "none, linear")),
    }
}

fn unsupported(what: &str, found: impl ToString, supported: &'static str) -> Error {
    Error::Unsupported { what: what.to_owned(), found: found.to_string(), supported }
}
