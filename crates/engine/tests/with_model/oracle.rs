//! The exact forward against another implementation: what `tests/oracle/record.py` recorded from llama.cpp.

use cherokee_engine::{
    model::{Llama, ModelFile, Piece, Precision, Wanted},
    sampler::argmax,
};

const CONTEXT: usize = 128;
/// Below this margin rounding may choose the other token: llama.cpp computed with the weights as F16.
const CLEAR: f32 = 0.1;

/// What was said of one text.
#[derive(serde::Deserialize)]
struct Oracle {
    /// Every so many logits of a row are kept.
    every: usize,
    tokens: Vec<u32>,
    rows: Vec<Row>,
    greedy: Option<Greedy>,
}

#[derive(serde::Deserialize)]
struct Row {
    best: usize,
    /// How far it is above the second.
    margin: f32,
    logits: Vec<f32>,
}

#[derive(serde::Deserialize)]
struct Greedy {
    prompt: Vec<u32>,
    said: Vec<u32>,
}

fn read(json: &str) -> Oracle {
    serde_json::from_str(json).expect("a recorded oracle")
}

fn load(mut file: ModelFile) -> Llama {
    Llama::load(&mut file, Precision::Exact, CONTEXT, &candle_core::Device::Cpu).expect("the model loads")
}

/// Fails where a logit is further from the recorded one than `most`, or another token is clearly the best.
fn compare(model: &Llama, oracle: &Oracle, most: f32) {
    let mut cache = model.cache(1, CONTEXT).expect("a cache");
    let piece = Piece { slot: 0, start: 0, tokens: oracle.tokens.clone(), logits: Wanted::All };
    let rows = model.forward(&mut cache, &[piece]).expect("logits");
    assert_eq!(rows.len(), oracle.rows.len());
    for (at, (row, recorded)) in rows.iter().zip(&oracle.rows).enumerate() {
        let kept = row.iter().step_by(oracle.every);
        let difference = kept.zip(&recorded.logits).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(difference < most, "token {at} differs by {difference}");
        let same = argmax(row) == recorded.best;
        assert!(same || recorded.margin < CLEAR, "token {at} has another best at a margin of {}", recorded.margin);
    }
}

#[test]
fn a_llama_has_the_logits_of_llama_cpp() {
    let oracle = read(include_str!("oracle.json"));
    assert!(oracle.tokens.len() > 60, "a text of some length");
    compare(&load(super::file()), &oracle, 0.1);
}

#[test]
fn a_qwen_2_has_the_logits_of_llama_cpp() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/with_model/qwen2.gguf");
    let model = load(ModelFile::open(std::path::Path::new(path)).expect("the tiny model opens"));
    compare(&model, &read(include_str!("qwen2.json")), 1e-3);
}

#[test]
fn greedily_it_says_what_llama_cpp_says() {
    let Greedy { prompt, said } = read(include_str!("oracle.json")).greedy.expect("a recorded answer");
    let model = load(super::file());
    let mut cache = model.cache(1, CONTEXT).expect("a cache");
    let mut next = Piece { slot: 0, start: 0, tokens: prompt, logits: Wanted::Last };
    let mut told = Vec::new();
    while told.len() < said.len() {
        let rows = model.forward(&mut cache, &[next.clone()]).expect("logits");
        let best = u32::try_from(argmax(&rows[0])).expect("a token");
        told.push(best);
        next = Piece { slot: 0, start: next.start + next.tokens.len(), tokens: vec![best], logits: Wanted::Last };
    }
    assert_eq!(told, said);
}
