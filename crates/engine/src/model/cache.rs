//! The KV cache: allocated once, one place a sequence, keys and values of each layer apart.

use super::{batch::Span, config::Config};
use candle_core::{DType, Device, Result, Tensor};

/// Keys and values of all sequences.
pub struct KvCache {
    layers: Vec<(Tensor, Tensor)>,
    context: usize,
}

impl KvCache {
    /// Room for `slots` sequences of `context` tokens.
    pub fn new(config: &Config, slots: usize, context: usize, device: &Device) -> Result<Self> {
        let shape = (slots * context, config.kv_width());
        let zeros = || Tensor::zeros(shape, dtype(device.is_cpu()), device);
        let layers = (0..config.layers).map(|_| Ok((zeros()?, zeros()?))).collect::<Result<_>>()?;
        Ok(Self { layers, context })
    }

    /// Tokens that one place holds.
    pub fn context(&self) -> usize {
        self.context
    }

    /// Stores the packed rows of `keys` and `values` where `spans` say.
    pub(super) fn write(&self, layer: usize, spans: &[Span], keys: &Tensor, values: &Tensor) -> Result<()> {
        let (k, v) = &self.layers[layer];
        let (keys, values) = (keys.to_dtype(k.dtype())?, values.to_dtype(v.dtype())?);
        for span in spans {
            let at = self.row(span);
            k.slice_set(&keys.narrow(0, span.first, span.rows)?, 0, at)?;
            v.slice_set(&values.narrow(0, span.first, span.rows)?, 0, at)?;
        }
        Ok(())
    }

    /// Keys and values of a layer, all places below each other.
    pub(super) fn layer(&self, layer: usize) -> (&Tensor, &Tensor) {
        let (k, v) = &self.layers[layer];
        (k, v)
    }

    /// Row of the first new token of `span`.
    fn row(&self, span: &Span) -> usize {
        span.slot * self.context + span.start
    }
}

/// f16 on a GPU; f32 on the CPU, where portable code converts f16 slowly.
fn dtype(on_cpu: bool) -> DType {
    if on_cpu { DType::F32 } else { DType::F16 }
}

/// Bytes that one token takes in the cache.
pub fn token_bytes(config: &Config, on_cpu: bool) -> u64 {
    let bytes = 2 * config.layers * config.kv_width() * dtype(on_cpu).size_in_bytes();
    u64::try_from(bytes).unwrap_or(u64::MAX)
}
