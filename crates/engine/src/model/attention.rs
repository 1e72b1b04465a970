//! Causal attention of a packed batch over the KV cache.

use super::batch::Span;
use candle_core::{CpuStorage, CustomOp3, DType, Device, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

/// Multiplications from which several threads pay.
const PARALLEL_FROM: usize = 400_000;

/// Sizes of attention and where each sequence lies.
pub(super) struct Attention<'a> {
    pub(super) heads: usize,
    pub(super) kv_heads: usize,
    pub(super) head_dim: usize,
    pub(super) context: usize,
    pub(super) spans: &'a [Span],
}

impl Attention<'_> {
    /// Attends `q` (`[rows, heads * head_dim]`) to all earlier tokens of each sequence and to itself.
    pub(super) fn forward(&self, q: &Tensor, (k, v): (&Tensor, &Tensor)) -> Result<Tensor> {
        match q.device() {
            Device::Cpu => q.apply_op3_no_bwd(k, v, self),
            _ => self.by_tensors(q, k, v),
        }
    }

    /// The same with tensor operations, for devices without an operation of our own.
    pub(super) fn by_tensors(&self, q: &Tensor, k: &Tensor, v: &Tensor) -> Result<Tensor> {
        let outputs = self.spans.iter().map(|span| self.sequence(span, q, k, v)).collect::<Result<Vec<_>>>()?;
        Tensor::cat(&outputs, 0)
    }

    fn sequence(&self, span: &Span, q: &Tensor, k: &Tensor, v: &Tensor) -> Result<Tensor> {
        let (groups, share) = (self.kv_heads, self.heads / self.kv_heads);
        let (rows, seen) = (span.rows, span.start + span.rows);
        let heads = |cache: &Tensor| {
            cache
                .narrow(0, span.slot * self.context, seen)?
                .reshape((seen, groups, self.head_dim))?
                .transpose(0, 1)?
                .contiguous()
        };
        // Scaled before the product, so that it stays in the range of f16.
        let q = (q.narrow(0, span.first, rows)? * self.scale())?
            .to_dtype(k.dtype())?
            .reshape((rows, groups, share, self.head_dim))?
            .permute((1, 2, 0, 3))?
            .contiguous()?
            .reshape((groups, share * rows, self.head_dim))?;
        let scores = q.matmul(&heads(k)?.transpose(1, 2)?.contiguous()?)?.to_dtype(DType::F32)?;
        let scores = scores.reshape((groups * share, rows, seen))?.broadcast_add(&mask(span, q.device())?)?;
        let shares =
            candle_nn::ops::softmax_last_dim(&scores)?.to_dtype(v.dtype())?.reshape((groups, share * rows, seen))?;
        shares
            .matmul(&heads(v)?)?
            .to_dtype(DType::F32)?
            .reshape((groups, share, rows, self.head_dim))?
            .permute((2, 0, 1, 3))?
            .contiguous()?
            .reshape((rows, self.heads * self.head_dim))
    }

    #[expect(clippy::cast_precision_loss, reason = "head widths are below 2^24")]
    fn scale(&self) -> f64 {
        1.0 / (self.head_dim as f64).sqrt()
    }

    /// First cache row of the sequence and how many of its tokens each packed row sees.
    fn rows(&self) -> Vec<(usize, usize)> {
        self.spans
            .iter()
            .flat_map(|span| (0..span.rows).map(|row| (span.slot * self.context, span.start + row + 1)))
            .collect()
    }

    /// One row: every head attends to the `seen` cache rows from `first`.
    #[expect(clippy::cast_possible_truncation, reason = "the scale is exact enough as f32")]
    fn row(&self, q: &[f32], k: &[f32], v: &[f32], (first, seen): (usize, usize), out: &mut [f32]) {
        let (dim, width, share) = (self.head_dim, self.kv_heads * self.head_dim, self.heads / self.kv_heads);
        let scale = self.scale() as f32;
        let cached = |cache: &'_ [f32], at: usize, group: usize| -> std::ops::Range<usize> {
            let begin = (first + at) * width + group * dim;
            debug_assert!(begin + dim <= cache.len(), "a row of the cache is out of its bounds");
            begin..begin + dim
        };
        let mut scores = vec![0.0; seen];
        for (head, (q, out)) in q.chunks_exact(dim).zip(out.chunks_exact_mut(dim)).enumerate() {
            let group = head / share;
            for (at, score) in scores.iter_mut().enumerate() {
                *score = dot(q, &k[cached(k, at, group)]) * scale;
            }
            softmax(&mut scores);
            out.fill(0.0);
            for (at, score) in scores.iter().enumerate() {
                for (sum, value) in out.iter_mut().zip(&v[cached(v, at, group)]) {
                    *sum += score * value;
                }
            }
        }
    }
}

/// 0 where a row may look, minus infinity where it would see the future.
fn mask(span: &Span, device: &Device) -> Result<Tensor> {
    let seen = span.start + span.rows;
    let mask = (0..span.rows)
        .flat_map(|row| (0..seen).map(move |at| if at <= span.start + row { 0.0 } else { f32::NEG_INFINITY }))
        .collect::<Vec<f32>>();
    Tensor::from_vec(mask, (1, span.rows, seen), device)
}

impl CustomOp3 for Attention<'_> {
    fn name(&self) -> &'static str {
        "packed-attention"
    }

    fn cpu_fwd(
        &self,
        q: &CpuStorage,
        q_layout: &Layout,
        k: &CpuStorage,
        k_layout: &Layout,
        v: &CpuStorage,
        v_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (q, k, v) = (plain(q, q_layout)?, plain(k, k_layout)?, plain(v, v_layout)?);
        let rows = self.rows();
        let width = self.heads * self.head_dim;
        let mut out = vec![0.0; rows.len() * width];
        let work: usize = rows.iter().map(|(_, seen)| seen * width).sum();
        if work < PARALLEL_FROM || rows.len() == 1 || rayon::current_num_threads() == 1 {
            for ((q, out), row) in q.chunks_exact(width).zip(out.chunks_exact_mut(width)).zip(&rows) {
                self.row(q, k, v, *row, out);
            }
        } else {
            let jobs = q.par_chunks_exact(width).zip(out.par_chunks_exact_mut(width)).zip(&rows);
            jobs.for_each(|((q, out), row)| self.row(q, k, v, *row, out));
        }
        Ok((CpuStorage::F32(out), Shape::from((rows.len(), width))))
    }
}

/// The values of a contiguous f32 tensor.
fn plain<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    match layout.contiguous_offsets() {
        Some((begin, end)) => Ok(&storage.as_slice::<f32>()?[begin..end]),
        None => candle_core::bail!("attention needs contiguous tensors, got {layout:?}"),
    }
}

/// Sum of products, in eight lanes so that the compiler uses vectors.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0_f32; 8];
    let (a8, b8) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f32 = a8.remainder().iter().zip(b8.remainder()).map(|(x, y)| x * y).sum();
    for (x, y) in a8.zip(b8) {
        for ((lane, x), y) in lanes.iter_mut().zip(x).zip(y) {
            *lane += x * y;
        }
    }
    lanes.iter().sum::<f32>() + rest
}

fn softmax(scores: &mut [f32]) {
    let top = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut total = 0.0;
    for score in scores.iter_mut() {
        *score = (*score - top).exp();
        total += *score;
    }
    for score in scores {
        *score /= total;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_operation_and_tensor_operations_agree_on_a_ragged_batch() {
        let spans = [
            Span { first: 0, rows: 3, slot: 1, start: 0 },
            Span { first: 3, rows: 1, slot: 0, start: 6 },
            Span { first: 4, rows: 2, slot: 2, start: 5 },
        ];
        let attention = Attention { heads: 6, kv_heads: 2, head_dim: 12, context: 8, spans: &spans };
        let random = |rows, width| Tensor::randn(0.0_f32, 1.0, (rows, width), &Device::Cpu).expect("a tensor");
        let (q, k, v) = (random(6, 72), random(24, 24), random(24, 24));
        let ours = attention.forward(&q, (&k, &v)).expect("our operation");
        let theirs = attention.by_tensors(&q, &k, &v).expect("tensor operations");
        let difference = (ours - theirs).and_then(|d| d.abs()?.max_all()?.to_scalar::<f32>()).expect("a number");
        assert!(difference < 1e-5, "largest difference {difference}");
    }
}
