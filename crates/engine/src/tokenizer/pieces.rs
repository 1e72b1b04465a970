//! SentencePiece vocabularies (`tokenizer.ggml.model = llama`): pieces with scores, merged best score first.

use std::{cmp::Ordering, collections::BinaryHeap, collections::HashMap};

/// SentencePiece writes a space as this.
const SPACE: char = '\u{2581}';

/// A vocabulary of pieces.
pub(super) struct Pieces {
    ids: HashMap<String, u32>,
    scores: Vec<f32>,
    /// The token of each byte, for characters that are in no piece.
    bytes: Vec<Option<u32>>,
    unknown: u32,
    /// Texts of control and user-defined tokens by their first byte, longest first.
    marked: Vec<Vec<(String, u32)>>,
    space_before: bool,
}

impl Pieces {
    /// Builds it from parallel lists. `marked` tokens are found in the text as they stand, before anything else.
    pub(super) fn new(texts: &[String], scores: Vec<f32>, marked: &[usize], unknown: u32, space_before: bool) -> Self {
        let id = |index: usize| u32::try_from(index).unwrap_or(u32::MAX);
        let mut by_first: Vec<Vec<(String, u32)>> = vec![Vec::new(); 256];
        for &at in marked {
            if let Some(&first) = texts[at].as_bytes().first() {
                by_first[usize::from(first)].push((texts[at].clone(), id(at)));
            }
        }
        for same in &mut by_first {
            same.sort_by_key(|(text, _)| std::cmp::Reverse(text.len()));
        }
        let mut ids = HashMap::new();
        for (at, text) in texts.iter().enumerate() {
            ids.entry(text.clone()).or_insert(id(at));
        }
        let bytes = (0..=u8::MAX).map(|byte| ids.get(&format!("<0x{byte:02X}>")).copied()).collect();
        Self { ids, scores, bytes, unknown, marked: by_first, space_before }
    }

    /// Tokens of `text`.
    pub(super) fn encode(&self, text: &str) -> Vec<u32> {
        let mut tokens = Vec::new();
        let (mut plain, mut at) = (0, 0);
        // A space goes before the text, and before what follows a marked token.
        while at < text.len() {
            match self.marked_at(&text.as_bytes()[at..]) {
                Some((length, token)) => {
                    self.plain(&text[plain..at], &mut tokens);
                    tokens.push(token);
                    at += length;
                    plain = at;
                }
                None => at += 1,
            }
        }
        self.plain(&text[plain..], &mut tokens);
        tokens
    }

    /// Length of the marked token that begins here, and itself; of several the longest.
    fn marked_at(&self, text: &[u8]) -> Option<(usize, u32)> {
        let same_first = self.marked.get(usize::from(*text.first()?))?;
        let (found, token) = same_first.iter().find(|(marked, _)| text.starts_with(marked.as_bytes()))?;
        Some((found.len(), *token))
    }

    /// Tokens of a text without marked tokens.
    fn plain(&self, text: &str, tokens: &mut Vec<u32>) {
        if text.is_empty() {
            return;
        }
        let mut written = String::with_capacity(text.len() + 3);
        if self.space_before {
            written.push(SPACE);
        }
        written.extend(text.chars().map(|character| if character == ' ' { SPACE } else { character }));
        for part in self.merged(&written) {
            match self.ids.get(part) {
                Some(id) => tokens.push(*id),
                None => tokens.extend(part.bytes().map(|byte| self.bytes[usize::from(byte)].unwrap_or(self.unknown))),
            }
        }
    }

    /// Characters of `text`, neighbours merged while that gives a piece: the best score first, then the leftmost.
    fn merged<'a>(&self, text: &'a str) -> Vec<&'a str> {
        let mut parts: Vec<Part> = text
            .char_indices()
            .map(|(at, character)| Part { from: at, until: at + character.len_utf8(), left: None, right: None })
            .collect();
        for at in 0..parts.len() {
            parts[at].left = at.checked_sub(1);
            parts[at].right = Some(at + 1).filter(|&right| right < parts.len());
        }
        let mut pairs = BinaryHeap::new();
        for right in 1..parts.len() {
            pairs.extend(self.pair(text, &parts, right - 1, right));
        }
        while let Some(pair) = pairs.pop() {
            let (left, right) = (parts[pair.left], parts[pair.right]);
            // One of the two was merged into another meanwhile.
            if left.is_empty() || right.is_empty() || right.until - left.from != pair.length {
                continue;
            }
            parts[pair.left].until = right.until;
            parts[pair.left].right = right.right;
            parts[pair.right].until = right.from;
            if let Some(next) = right.right {
                parts[next].left = Some(pair.left);
                pairs.extend(self.pair(text, &parts, pair.left, next));
            }
            if let Some(previous) = left.left {
                pairs.extend(self.pair(text, &parts, previous, pair.left));
            }
        }
        parts.iter().filter(|part| !part.is_empty()).map(|part| &text[part.from..part.until]).collect()
    }

    /// The merge of two neighbours, if it is a piece.
    fn pair(&self, text: &str, parts: &[Part], left: usize, right: usize) -> Option<Pair> {
        let (from, until) = (parts[left].from, parts[right].until);
        let id = self.ids.get(&text[from..until])?;
        let score = usize::try_from(*id).ok().and_then(|id| self.scores.get(id)).copied().unwrap_or(f32::NEG_INFINITY);
        Some(Pair { score, left, right, length: until - from })
    }
}

/// A stretch of text between its neighbours; empty once it was merged into its left one.
#[derive(Clone, Copy)]
struct Part {
    from: usize,
    until: usize,
    left: Option<usize>,
    right: Option<usize>,
}

impl Part {
    fn is_empty(self) -> bool {
        self.from == self.until
    }
}

/// Two neighbours that may be merged.
struct Pair {
    score: f32,
    left: usize,
    right: usize,
    length: usize,
}

impl Ord for Pair {
    fn cmp(&self, other: &Self) -> Ordering {
        self.score.total_cmp(&other.score).then_with(|| other.left.cmp(&self.left))
    }
}

impl PartialOrd for Pair {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Pair {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Pair {}

/// The bytes of a piece: `<0x0A>` for a byte, U+2581 for a space.
pub(super) fn decode(text: &str, is_byte: bool) -> Vec<u8> {
    let byte = text.strip_prefix("<0x").and_then(|rest| rest.strip_suffix('>'));
    match byte.filter(|_| is_byte).and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
        Some(byte) => vec![byte],
        None => text.replace(SPACE, " ").into_bytes(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A vocabulary of 600 pieces trained by the `sentencepiece` library on English prose, and what that library makes
    /// of some texts.
    #[derive(serde::Deserialize)]
    struct Recorded {
        texts: Vec<String>,
        scores: Vec<f32>,
        kinds: Vec<usize>,
        cases: Vec<Case>,
    }

    #[derive(serde::Deserialize)]
    struct Case {
        text: String,
        tokens: Vec<u32>,
    }

    fn recorded() -> Recorded {
        serde_json::from_str(include_str!("pieces.json")).expect("the recording")
    }

    fn pieces(recorded: &Recorded, marked: &[usize]) -> Pieces {
        Pieces::new(&recorded.texts, recorded.scores.clone(), marked, 0, true)
    }

    #[test]
    fn tokens_are_those_of_the_sentencepiece_library() {
        let recorded = recorded();
        let pieces = pieces(&recorded, &[]);
        for case in &recorded.cases {
            assert_eq!(pieces.encode(&case.text), case.tokens, "{:?}", case.text);
        }
    }

    #[test]
    fn tokens_give_back_the_text_after_a_space() {
        let recorded = recorded();
        for case in &recorded.cases {
            let token = |&token: &u32| {
                let at = token as usize;
                decode(&recorded.texts[at], recorded.kinds[at] == 6)
            };
            let bytes: Vec<u8> = case.tokens.iter().flat_map(token).collect();
            assert_eq!(String::from_utf8(bytes).expect("text"), format!(" {}", case.text));
        }
    }

    #[test]
    fn control_tokens_are_found_in_the_text() {
        let recorded = recorded();
        let end = recorded.texts.iter().position(|text| text == "</s>").expect("an end token");
        let tokens = pieces(&recorded, &[end]).encode("the</s>the");
        let (first, last) = (tokens.first(), tokens.last());
        assert_eq!(first, last);
        assert_eq!(tokens.iter().filter(|&&token| token as usize == end).count(), 1);
    }

    #[test]
    fn of_marked_tokens_the_leftmost_counts_and_of_those_the_longest() {
        let texts = ["<unk>", "<a>", "<a><b>", "ß<b>", "x"].map(str::to_owned);
        let pieces = Pieces::new(&texts, vec![0.0; 5], &[1, 2, 3], 0, false);
        assert_eq!(pieces.encode("x<a>x<a><b>ß<b><a>"), [4, 1, 4, 2, 3, 1]);
    }

    #[test]
    fn a_text_of_many_marked_tokens_takes_no_longer_than_its_length() {
        let texts = ["<unk>", "<a>", "<never>"].map(str::to_owned);
        let pieces = Pieces::new(&texts, vec![0.0; 3], &[1, 2], 0, false);
        // Looking through the rest for each token would take minutes.
        let text = "<a>".repeat(1_000_000);
        assert_eq!(pieces.encode(&text).len(), 1_000_000);
    }
}
