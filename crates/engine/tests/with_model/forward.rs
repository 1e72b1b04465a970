//! The forward: batched like single, fast like exact.

use candle_core::Device;
use cherokee_engine::{
    model::{Llama, Piece, Precision, Wanted},
    sampler::argmax,
    tokenizer::Tokenizer,
};

const CONTEXT: usize = 256;
const TEXT: &str = "The Cherokee syllabary was made by Sequoyah in the 1820s. It has 85 characters, each of which stands \
                    for a syllable. Within a few years most of the nation could read and write:\n\nfn main() { \
                    println!(\"{}\", 85); }\n\nOn 21 February 1828 the first newspaper was printed in New Echota.";

fn model(precision: Precision) -> Llama {
    Llama::load(&mut super::file(), precision, CONTEXT, &Device::Cpu).expect("the model loads")
}

fn tokens(text: &str) -> Vec<u32> {
    Tokenizer::read(&super::file()).and_then(|tokenizer| tokenizer.encode(text)).expect("tokens")
}

fn piece(slot: usize, start: usize, tokens: &[u32], logits: Wanted) -> Piece {
    Piece { slot, start, tokens: tokens.to_vec(), logits }
}

/// Logits of every token, computed at once.
fn all(model: &Llama, tokens: &[u32]) -> Vec<Vec<f32>> {
    let mut cache = model.cache(1, CONTEXT).expect("a cache");
    model.forward(&mut cache, &[piece(0, 0, tokens, Wanted::All)]).expect("logits")
}

fn largest_difference(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// How far the best logit is above the second.
fn margin(logits: &[f32]) -> f32 {
    let best = argmax(logits);
    let second = logits.iter().enumerate().filter(|(at, _)| *at != best).map(|(_, logit)| *logit);
    logits[best] - second.fold(f32::NEG_INFINITY, f32::max)
}

/// Kullback-Leibler divergence of `q` from `p`, both logits.
fn divergence(p: &[f32], q: &[f32]) -> f64 {
    let logs = |logits: &[f32]| {
        let top = f64::from(logits[argmax(logits)]);
        let total: f64 = logits.iter().map(|&logit| (f64::from(logit) - top).exp()).sum();
        logits.iter().map(|&logit| f64::from(logit) - top - total.ln()).collect::<Vec<f64>>()
    };
    logs(p).iter().zip(logs(q)).map(|(p, q)| p.exp() * (p - q)).sum()
}

#[test]
fn a_ragged_batch_in_chunks_gives_what_each_sequence_gives_alone() {
    let model = model(Precision::Exact);
    let (long, short) = (tokens(TEXT), tokens("Hello there, how are"));
    let (long, short) = (&long[..40], &short[..]);
    let mut cache = model.cache(3, CONTEXT).expect("a cache");
    // The long prompt in two chunks; the short one and then its last token as a generated one beside them.
    let (head, tail) = short.split_at(short.len() - 1);
    let first = [piece(2, 0, &long[..25], Wanted::Nothing), piece(0, 0, head, Wanted::Nothing)];
    assert!(model.forward(&mut cache, &first).expect("a step").is_empty());
    let second = [piece(0, head.len(), tail, Wanted::Last), piece(2, 25, &long[25..], Wanted::Last)];
    let batched = model.forward(&mut cache, &second).expect("a step");
    for (batched, alone) in batched.iter().zip([all(&model, short), all(&model, long)]) {
        let difference = largest_difference(batched, alone.last().expect("a row"));
        assert!(difference < 1e-3, "largest difference {difference}");
    }
}

#[test]
fn the_fast_form_stays_close_to_the_exact_one_and_agrees_where_the_margin_is_large() {
    let tokens = tokens(TEXT);
    let (exact, fast) = (all(&model(Precision::Exact), &tokens), all(&model(Precision::Fast), &tokens));
    let divergences: Vec<f64> = exact.iter().zip(&fast).map(|(exact, fast)| divergence(exact, fast)).collect();
    let mean = divergences.iter().sum::<f64>() / f64::from(u32::try_from(divergences.len()).expect("few"));
    assert!(mean < 1.5e-2, "mean divergence {mean}");
    for (at, (exact, fast)) in exact.iter().zip(&fast).enumerate() {
        let margin = margin(exact);
        assert!(margin < 1.0 || argmax(exact) == argmax(fast), "token {at} differs at a margin of {margin}");
    }
}
