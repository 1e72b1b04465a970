//! Encodings recorded from an independent implementation: `tiktoken` over the file's merges with GPT-2's pattern, each
//! numeric character cut off first.

use cherokee_engine::tokenizer::{Detokenizer, Tokenizer};

#[derive(serde::Deserialize)]
struct Recorded {
    text: String,
    tokens: Vec<u32>,
}

fn recorded() -> Vec<Recorded> {
    include_str!("tokens.jsonl").lines().map(|line| serde_json::from_str(line).expect("a recorded line")).collect()
}

#[test]
fn every_recorded_text_has_the_recorded_tokens() {
    let tokenizer = Tokenizer::read(&super::file()).expect("a tokenizer");
    let wrong: Vec<String> = recorded()
        .iter()
        .filter_map(|line| {
            let tokens = tokenizer.encode(&line.text).expect("it encodes");
            (tokens != line.tokens).then(|| format!("{:?}: {tokens:?}, recorded {:?}", line.text, line.tokens))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn tokens_give_back_the_text_without_its_control_tokens() {
    let tokenizer = Tokenizer::read(&super::file()).expect("a tokenizer");
    for line in recorded() {
        let mut detokenizer = Detokenizer::default();
        let mut text: String = line.tokens.iter().map(|&token| detokenizer.push(tokenizer.bytes(token))).collect();
        text.push_str(&detokenizer.finish());
        let plain = ["<|im_start|>", "<|im_end|>", "<|endoftext|>"].iter().fold(line.text, |t, c| t.replace(c, ""));
        assert_eq!(text, plain);
    }
}

#[test]
fn no_text_has_fewer_tokens_than_its_length_tells() {
    let tokenizer = Tokenizer::read(&super::file()).expect("a tokenizer");
    for line in recorded() {
        assert!(tokenizer.least_tokens(&line.text) <= line.tokens.len(), "{:?}", line.text);
    }
    assert!(tokenizer.least_tokens(&"x".repeat(1 << 20)) > 100);
}

#[test]
fn the_end_of_a_turn_ends_an_answer() {
    let tokenizer = Tokenizer::read(&super::file()).expect("a tokenizer");
    assert!(tokenizer.ends(2) && tokenizer.ends(0) && !tokenizer.ends(1));
    assert_eq!(tokenizer.end_text(), "<|im_end|>");
}
