//! Cutting text into words before merging, by the name in `tokenizer.ggml.pre`.

use crate::error::Error;
use tokenizers::{
    PreTokenizerWrapper, SplitDelimiterBehavior,
    pre_tokenizers::{
        byte_level::ByteLevel,
        digits::Digits,
        sequence::Sequence,
        split::{Split, SplitPattern},
    },
};

/// Words of Llama 3: contractions, letters, up to three digits, marks, line ends.
const LLAMA3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// Words of Qwen 2: as Llama 3, with single digits.
const QWEN2: &str =
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// The way of cutting that has this name.
pub(super) fn by_name(pre: &str) -> Result<PreTokenizerWrapper, Error> {
    match pre {
        "default" | "gpt-2" | "gpt2" => Ok(gpt2().into()),
        "smollm" => Ok(Sequence::new(vec![Digits::new(true).into(), gpt2().into()]).into()),
        "llama-bpe" | "llama3" | "llama-v3" => by_pattern(LLAMA3),
        "qwen2" => by_pattern(QWEN2),
        other => Err(Error::Unsupported {
            what: "tokenizer.ggml.pre".into(),
            found: other.into(),
            supported: "default, gpt-2, smollm, llama-bpe, qwen2",
        }),
    }
}

/// Whether a word that is a token as it stands is taken without merging.
pub(super) fn takes_whole_words(pre: &str) -> bool {
    matches!(pre, "llama-bpe" | "llama3" | "llama-v3")
}

/// Words of GPT-2. No space is put before the text: " Hello" and "Hello" are different words.
fn gpt2() -> ByteLevel {
    ByteLevel::new(false, true, true)
}

fn by_pattern(pattern: &str) -> Result<PreTokenizerWrapper, Error> {
    let words = Split::new(SplitPattern::Regex(pattern.into()), SplitDelimiterBehavior::Isolated, false)
        .map_err(|fault| Error::Tokenizer(fault.to_string()))?;
    Ok(Sequence::new(vec![words.into(), ByteLevel::new(false, true, false).into()]).into())
}
