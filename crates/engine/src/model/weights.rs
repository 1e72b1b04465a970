//! Weight matrices: as stored, in a form that computes fast, or exact.

use super::file::ModelFile;
use crate::error::Error;
use candle_core::{
    Device, Module, Tensor,
    quantized::{GgmlDType, QMatMul, QTensor, gguf_file::TensorInfo},
};
use std::sync::Arc;

/// How weights are held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// Quantised as in the file, except where the device computes another type much faster.
    #[default]
    Fast,
    /// Every weight as f32: the oracle that fast results are compared with.
    Exact,
}

/// A matrix that multiplies from the right, `x * W^T + b`, or looks up rows.
#[derive(Clone, Debug)]
pub(super) struct Linear {
    weight: QMatMul,
    bias: Option<Tensor>,
}

impl Linear {
    /// Reads the tensors `<name>.weight` and, where the file has it, `<name>.bias`.
    pub(super) fn load(file: &mut ModelFile, name: &str, precision: Precision, device: &Device) -> Result<Self, Error> {
        let bias = format!("{name}.bias");
        let bias = if file.has(&bias) { Some(file.tensor(&bias, device)?.dequantize(device)?) } else { None };
        // Converted on the CPU: only there does a type need it.
        let stored = file.tensor(&format!("{name}.weight"), device)?;
        let weight = match precision {
            Precision::Exact => QMatMul::Tensor(stored.dequantize(device)?),
            Precision::Fast => {
                let wanted = held_as(stored.dtype(), device.is_cpu());
                let held = if wanted == stored.dtype() {
                    stored
                } else {
                    QTensor::quantize(&stored.dequantize(device)?, wanted)?
                };
                QMatMul::from_arc(Arc::new(held))?
            }
        };
        Ok(Self { weight, bias })
    }

    /// `x * W^T + b`, row by row.
    pub(super) fn forward(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        let product = self.weight.forward(x)?;
        match &self.bias {
            Some(bias) => product.broadcast_add(bias),
            None => Ok(product),
        }
    }

    /// The rows of the matrix named by `ids`, as f32.
    pub(super) fn rows(&self, ids: &Tensor) -> candle_core::Result<Tensor> {
        self.weight.embedding(ids)
    }
}

/// Bytes that a tensor takes once loaded.
pub fn loaded_bytes(info: &TensorInfo, precision: Precision, on_cpu: bool) -> u64 {
    let elements = info.shape.elem_count();
    // Vectors (norms, rotary factors) are always f32.
    let dtype = match precision {
        Precision::Fast if info.shape.rank() > 1 => held_as(info.ggml_dtype, on_cpu),
        _ => GgmlDType::F32,
    };
    let bytes = match dtype {
        GgmlDType::F16 | GgmlDType::BF16 => elements * 4,
        dtype => elements / dtype.block_size() * dtype.type_size(),
    };
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

/// The type in which a matrix is held. On the CPU these have no vector code in candle, and 8 bits lose nothing of them
/// that matters; decoding is three times as fast.
fn held_as(stored: GgmlDType, on_cpu: bool) -> GgmlDType {
    match stored {
        GgmlDType::Q4_1 | GgmlDType::Q5_0 | GgmlDType::Q5_1 | GgmlDType::Q8_1 if on_cpu => GgmlDType::Q8_0,
        other => other,
    }
}
