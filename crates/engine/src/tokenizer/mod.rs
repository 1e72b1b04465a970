//! Text to tokens and back, from the file's own metadata.

mod byte_level;
mod detokenizer;
mod pieces;
mod split;

pub use detokenizer::Detokenizer;

use crate::{error::Error, model::ModelFile};
use pieces::Pieces;
use std::collections::{BTreeSet, HashMap};
use tokenizers::{AddedToken, models::bpe};

/// Texts of control tokens that end an answer, whatever the metadata names as the end.
const ENDS: [&str; 8] =
    ["<|im_end|>", "<|eot_id|>", "<|end_of_text|>", "<|endoftext|>", "<|end|>", "<end_of_turn>", "<|eom_id|>", "</s>"];

/// Kinds of tokens in `tokenizer.ggml.token_type`.
const CONTROL: usize = 3;
const USER_DEFINED: usize = 4;
const BYTE: usize = 6;

/// The tokenizer of a model file.
pub struct Tokenizer {
    encoder: Encoder,
    texts: Vec<String>,
    bytes: Vec<Vec<u8>>,
    /// Bytes of the longest text, which is never shorter than what its token stands for.
    longest: usize,
    ends: BTreeSet<u32>,
    begin: Option<u32>,
    end: Option<u32>,
    adds_begin: bool,
}

/// How text becomes tokens.
enum Encoder {
    /// Byte-level vocabulary with merges.
    Merges(Box<tokenizers::Tokenizer>),
    /// SentencePiece vocabulary with scores.
    Pieces(Pieces),
}

impl Tokenizer {
    /// Builds the tokenizer that `tokenizer.ggml.model` and `tokenizer.ggml.pre` name.
    pub fn read(file: &ModelFile) -> Result<Self, Error> {
        let is_pieces = match file.text("tokenizer.ggml.model")? {
            "gpt2" => false,
            "llama" => true,
            other => {
                return Err(Error::Unsupported {
                    what: "tokenizer.ggml.model".into(),
                    found: other.into(),
                    supported: "gpt2 (byte-level BPE), llama (SentencePiece)",
                });
            }
        };
        let texts: Vec<String> = file.texts("tokenizer.ggml.tokens")?.into_iter().map(str::to_owned).collect();
        let kinds = file.numbers_if("tokenizer.ggml.token_type").unwrap_or_default();
        let kind = |id: usize| kinds.get(id).copied().unwrap_or(1);
        let marked: Vec<usize> = (0..texts.len()).filter(|&id| matches!(kind(id), CONTROL | USER_DEFINED)).collect();
        let from_byte_level = byte_level::bytes_of_chars();
        let bytes = texts
            .iter()
            .enumerate()
            .map(|(id, text)| match kind(id) {
                CONTROL => Vec::new(),
                USER_DEFINED => text.clone().into_bytes(),
                kind if is_pieces => pieces::decode(text, kind == BYTE),
                _ => byte_level::decode(text, &from_byte_level),
            })
            .collect();
        let id_at =
            |key: &str| file.number_if(key).filter(|&id| id < texts.len()).and_then(|id| u32::try_from(id).ok());
        let end = id_at("tokenizer.ggml.eos_token_id");
        let named = ["tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"].into_iter().filter_map(id_at);
        let by_text = marked.iter().filter(|&&id| ENDS.contains(&texts[id].as_str())).map(|&id| to_id(id));
        let encoder = if is_pieces {
            let scores = file
                .fractions_if("tokenizer.ggml.scores")
                .ok_or_else(|| Error::Tokenizer("`tokenizer.ggml.scores` is missing".into()))?;
            let unknown = id_at("tokenizer.ggml.unknown_token_id").unwrap_or(0);
            let space_before = file.flag_if("tokenizer.ggml.add_space_prefix").unwrap_or(true);
            Encoder::Pieces(Pieces::new(&texts, scores, &marked, unknown, space_before))
        } else {
            Encoder::Merges(Box::new(merges(file, &texts, &marked)?))
        };
        Ok(Self {
            encoder,
            ends: named.chain(end).chain(by_text).collect(),
            begin: id_at("tokenizer.ggml.bos_token_id"),
            end,
            // As llama.cpp does for files that do not say.
            adds_begin: file.flag_if("tokenizer.ggml.add_bos_token").unwrap_or(is_pieces),
            longest: texts.iter().map(String::len).max().unwrap_or(0).max(1),
            bytes,
            texts,
        })
    }

    /// Tokens of `text`; texts of control tokens in it become those tokens.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, Error> {
        match &self.encoder {
            Encoder::Pieces(pieces) => Ok(pieces.encode(text)),
            Encoder::Merges(merges) => {
                let encoding = merges.encode_fast(text, false).map_err(|fault| Error::Tokenizer(fault.to_string()))?;
                Ok(encoding.get_ids().to_vec())
            }
        }
    }

    /// Tokens of a prompt: as [`encode`](Self::encode), after the begin token where the model wants one.
    pub fn prompt(&self, text: &str) -> Result<Vec<u32>, Error> {
        let mut tokens = self.encode(text)?;
        if let Some(begin) = self.begin.filter(|&begin| self.adds_begin && tokens.first() != Some(&begin)) {
            tokens.insert(0, begin);
        }
        Ok(tokens)
    }

    /// A number of tokens below which `text` does not come, whatever is in it; known without making them.
    pub fn least_tokens(&self, text: &str) -> usize {
        text.len().div_ceil(self.longest)
    }

    /// Bytes that `token` stands for; none for control tokens. They may be a part of a character.
    pub fn bytes(&self, token: u32) -> &[u8] {
        usize::try_from(token).ok().and_then(|id| self.bytes.get(id)).map_or(&[], Vec::as_slice)
    }

    /// Whether `token` ends an answer.
    pub fn ends(&self, token: u32) -> bool {
        self.ends.contains(&token)
    }

    /// Text of the begin token, empty if there is none.
    pub fn begin_text(&self) -> &str {
        self.text(self.begin)
    }

    /// Text of the end token, empty if there is none.
    pub fn end_text(&self) -> &str {
        self.text(self.end)
    }

    fn text(&self, token: Option<u32>) -> &str {
        token.and_then(|token| usize::try_from(token).ok()).and_then(|id| self.texts.get(id)).map_or("", String::as_str)
    }
}

/// Byte-pair merging with the file's vocabulary and merges.
fn merges(file: &ModelFile, texts: &[String], marked: &[usize]) -> Result<tokenizers::Tokenizer, Error> {
    let fault = |fault: tokenizers::Error| Error::Tokenizer(fault.to_string());
    let pre = file.text_if("tokenizer.ggml.pre").unwrap_or("default");
    let ids: HashMap<&str, usize> = texts.iter().enumerate().map(|(id, text)| (text.as_str(), id)).collect();
    let vocabulary: bpe::Vocab = ids.iter().map(|(text, &id)| ((*text).to_owned(), to_id(id))).collect();
    let merges = file.texts("tokenizer.ggml.merges")?.into_iter().map(merge).collect::<Result<bpe::Merges, _>>()?;
    let model = bpe::BPE::builder()
        .vocab_and_merges(vocabulary, merges)
        .ignore_merges(split::takes_whole_words(pre))
        .build()
        .map_err(fault)?;
    let mut encoder = tokenizers::Tokenizer::new(model);
    encoder.with_pre_tokenizer(Some(split::by_name(pre)?));
    // Marked as special so that they are found before anything else and never split.
    let special = marked.iter().map(|&id| AddedToken::from(texts[id].clone(), true));
    encoder.add_special_tokens(special).map_err(fault)?;
    Ok(encoder)
}

fn merge(pair: &str) -> Result<(String, String), Error> {
    // The first character of a part may itself be a space in other vocabularies; in byte-level ones it never is.
    pair.split_once(' ')
        .map(|(left, right)| (left.to_owned(), right.to_owned()))
        .ok_or_else(|| Error::Tokenizer(format!("merge `{pair}` is not a pair")))
}

/// Vocabularies are far below 2^32.
fn to_id(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}
