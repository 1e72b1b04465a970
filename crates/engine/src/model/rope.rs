//! Rotary position embedding: cosine and sine of every position, computed once.

use super::{
    config::{Config, Pairing},
    file::ModelFile,
};
use crate::error::Error;
use candle_core::{Device, Tensor};
use candle_nn::rotary_emb::{rope, rope_i};

/// Tables of `[positions, head_dim / 2]`.
#[derive(Clone, Debug)]
pub(super) struct Rope {
    cos: Tensor,
    sin: Tensor,
}

impl Rope {
    /// Tables for positions below `context`, with the file's own factors per frequency where it has them (Llama 3).
    pub(super) fn load(file: &mut ModelFile, config: &Config, context: usize, device: &Device) -> Result<Self, Error> {
        let half = config.head_dim / 2;
        let factors = if file.has("rope_freqs.weight") {
            file.tensor("rope_freqs.weight", &Device::Cpu)?.dequantize(&Device::Cpu)?.to_vec1::<f32>()?
        } else {
            vec![1.0; half]
        };
        if factors.len() != half {
            return Err(Error::Format(format!("`rope_freqs.weight` has {} values, {half} are needed", factors.len())));
        }
        let frequencies: Vec<f32> =
            factors.iter().enumerate().map(|(at, factor)| frequency(config, at) / factor).collect();
        let frequencies = Tensor::from_vec(frequencies, (1, half), device)?;
        let end = u32::try_from(context).map_err(|_| Error::Format(format!("a context of {context} tokens")))?;
        let positions = Tensor::arange(0, end, device)?.to_dtype(candle_core::DType::F32)?.reshape((context, 1))?;
        let angles = positions.matmul(&frequencies)?;
        Ok(Self { cos: angles.cos()?, sin: angles.sin()? })
    }

    /// The rows of both tables for `positions`, as `[positions, 1, head_dim / 2]`.
    pub(super) fn at(&self, positions: &Tensor) -> candle_core::Result<(Tensor, Tensor)> {
        Ok((self.cos.index_select(positions, 0)?.unsqueeze(1)?, self.sin.index_select(positions, 0)?.unsqueeze(1)?))
    }
}

/// Radians a token by which pair `at` of a head turns.
#[expect(clippy::cast_precision_loss, reason = "head widths are below 2^24")]
fn frequency(config: &Config, at: usize) -> f32 {
    let exponent = 2.0 * at as f32 / config.head_dim as f32;
    1.0 / config.rope_base.powf(exponent) / config.rope_factor
}

/// Turns the heads of `x`, `[rows, heads * head_dim]`.
pub(super) fn turn(x: &Tensor, config: &Config, (cos, sin): &(Tensor, Tensor)) -> candle_core::Result<Tensor> {
    let (rows, width) = x.dims2()?;
    // Each row is a batch of its own, so that it may have its own position.
    let heads = x.reshape((rows, width / config.head_dim, 1, config.head_dim))?;
    let turned = match config.pairing {
        Pairing::Neighbours => rope_i(&heads, cos, sin),
        Pairing::Halves => rope(&heads, cos, sin),
    };
    turned?.reshape((rows, width))
}
