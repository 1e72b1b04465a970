//! Bytes of tokens to text, never cutting a character.

/// Collects bytes until they are whole characters.
#[derive(Clone, Debug, Default)]
pub struct Detokenizer {
    pending: Vec<u8>,
}

impl Detokenizer {
    /// Takes the bytes of a token; returns the characters that are now whole. Bytes that can never become a character
    /// are shown as U+FFFD.
    pub fn push(&mut self, bytes: &[u8]) -> String {
        self.pending.extend_from_slice(bytes);
        let mut text = String::new();
        loop {
            match std::str::from_utf8(&self.pending) {
                Ok(whole) => {
                    text.push_str(whole);
                    self.pending.clear();
                    return text;
                }
                Err(fault) => {
                    let (whole, rest) = self.pending.split_at(fault.valid_up_to());
                    text.push_str(&String::from_utf8_lossy(whole));
                    let Some(broken) = fault.error_len() else {
                        self.pending = rest.to_vec();
                        return text;
                    };
                    text.push(char::REPLACEMENT_CHARACTER);
                    self.pending = rest[broken..].to_vec();
                }
            }
        }
    }

    /// What is left when no more bytes come: U+FFFD for an unfinished character.
    pub fn finish(&mut self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut self.pending)).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::Detokenizer;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_pieces_of_a_text_give_the_text_and_each_is_whole(text: String, size in 1usize..4) {
            let mut detokenizer = Detokenizer::default();
            let shown: String = text.as_bytes().chunks(size).map(|piece| detokenizer.push(piece)).collect();
            prop_assert_eq!(shown, text);
            prop_assert_eq!(detokenizer.finish(), "");
        }

        #[test]
        fn broken_bytes_are_shown_as_the_standard_library_shows_them(bytes: Vec<u8>, size in 1usize..4) {
            let mut detokenizer = Detokenizer::default();
            let mut shown: String = bytes.chunks(size).map(|piece| detokenizer.push(piece)).collect();
            shown.push_str(&detokenizer.finish());
            prop_assert_eq!(shown, String::from_utf8_lossy(&bytes));
        }
    }
}
