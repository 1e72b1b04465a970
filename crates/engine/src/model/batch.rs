//! What one step computes: pieces of several sequences, packed below each other without padding.

use candle_core::{Device, Result, Tensor};

/// New tokens of one sequence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Place of the sequence in the KV cache.
    pub slot: usize,
    /// Position of the first of `tokens`, which is how many tokens of the sequence are in the cache.
    pub start: usize,
    /// The tokens.
    pub tokens: Vec<u32>,
    /// Which of their logits are wanted.
    pub logits: Wanted,
}

/// Which logits of a piece are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// None: more of the prompt follows.
    Nothing,
    /// Those of the last token.
    Last,
    /// Those of every token.
    All,
}

/// Where a piece lies in the packed batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    /// Its first row.
    pub(super) first: usize,
    /// Its rows.
    pub(super) rows: usize,
    /// Place of the sequence in the KV cache.
    pub(super) slot: usize,
    /// Position of its first row in the sequence.
    pub(super) start: usize,
}

/// The pieces as tensors.
pub(super) struct Packed {
    pub(super) spans: Vec<Span>,
    pub(super) tokens: Tensor,
    pub(super) positions: Tensor,
    /// Rows whose logits are wanted, in order.
    pub(super) wanted: Vec<u32>,
}

impl Packed {
    pub(super) fn new(pieces: &[Piece], device: &Device) -> Result<Self> {
        let (mut spans, mut tokens, mut positions, mut wanted) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for piece in pieces {
            let (first, rows) = (tokens.len(), piece.tokens.len());
            spans.push(Span { first, rows, slot: piece.slot, start: piece.start });
            tokens.extend_from_slice(&piece.tokens);
            positions.extend((piece.start..piece.start + rows).map(row));
            let from = match piece.logits {
                Wanted::Nothing => first + rows,
                Wanted::Last => first + rows - 1,
                Wanted::All => first,
            };
            wanted.extend((from..first + rows).map(row));
        }
        let count = tokens.len();
        Ok(Self {
            spans,
            tokens: Tensor::from_vec(tokens, count, device)?,
            positions: Tensor::from_vec(positions, count, device)?,
            wanted,
        })
    }
}

/// Rows and positions are bounded by the context, far below 2^32.
fn row(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}
