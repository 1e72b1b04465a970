//! The exact forward against another implementation: logits and greedy tokens that `tests/oracle/record.py` recorded from
//! llama.cpp, which computed with the same weights as F16.

use cherokee_engine::{
    model::{Llama, Piece, Precision, Wanted},
    sampler::argmax,
};

const CONTEXT: usize = 256;
/// llama.cpp rounds keys, values and activations to F16: its own batch and its token by token differ by 0.08.
const LARGEST_DIFFERENCE: f32 = 0.15;
/// Below this margin rounding may choose the other token.
const CLEAR: f32 = 0.1;

#[derive(serde::Deserialize)]
struct Oracle {
    /// Every so many logits of a row are kept.
    every: usize,
    tokens: Vec<u32>,
    rows: Vec<Row>,
    prompt: Vec<u32>,
    greedy: Vec<u32>,
    /// How far each greedy token was above the second.
    margins: Vec<f32>,
}

#[derive(serde::Deserialize)]
struct Row {
    best: usize,
    margin: f32,
    logits: Vec<f32>,
}

fn oracle() -> Oracle {
    serde_json::from_str(include_str!("oracle.json")).expect("a recorded oracle")
}

fn model() -> Llama {
    Llama::load(&mut super::file(), Precision::Exact, CONTEXT, &candle_core::Device::Cpu).expect("the model loads")
}

#[test]
fn the_exact_forward_has_the_logits_of_llama_cpp() {
    let (oracle, model) = (oracle(), model());
    let mut cache = model.cache(1, CONTEXT).expect("a cache");
    let piece = Piece { slot: 0, start: 0, tokens: oracle.tokens.clone(), logits: Wanted::All };
    let rows = model.forward(&mut cache, &[piece]).expect("logits");
    assert_eq!((rows.len(), oracle.tokens.len() > 60), (oracle.rows.len(), true));
    for (at, (row, recorded)) in rows.iter().zip(&oracle.rows).enumerate() {
        let kept = row.iter().step_by(oracle.every);
        let difference = kept.zip(&recorded.logits).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(difference < LARGEST_DIFFERENCE, "token {at} differs by {difference}");
        let same = argmax(row) == recorded.best;
        assert!(same || recorded.margin < CLEAR, "token {at} has another best at a margin of {}", recorded.margin);
    }
}

#[test]
fn greedily_it_says_what_llama_cpp_says() {
    let (oracle, model) = (oracle(), model());
    let mut cache = model.cache(1, CONTEXT).expect("a cache");
    let mut next = Piece { slot: 0, start: 0, tokens: oracle.prompt.clone(), logits: Wanted::Last };
    for (at, (recorded, margin)) in oracle.greedy.iter().zip(&oracle.margins).enumerate() {
        let rows = model.forward(&mut cache, &[next.clone()]).expect("logits");
        let best = u32::try_from(argmax(&rows[0])).expect("a token");
        if best != *recorded {
            // From a near tie on, both are right.
            assert!(*margin < CLEAR, "token {at} is {best}, recorded {recorded} at a margin of {margin}");
            assert!(at >= 16, "too early a tie to say anything: token {at}");
            return;
        }
        next = Piece { slot: 0, start: next.start + next.tokens.len(), tokens: vec![best], logits: Wanted::Last };
    }
}
