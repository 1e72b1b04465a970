//! Byte-level vocabularies write each byte as one printable character (GPT-2's table).

use std::collections::HashMap;

/// The byte behind each character of a byte-level vocabulary.
pub(super) fn bytes_of_chars() -> HashMap<char, u8> {
    let printable = |byte: u8| matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF);
    let mut others = 256..;
    (0..=u8::MAX)
        .filter_map(|byte| {
            let point = if printable(byte) { u32::from(byte) } else { others.next()? };
            Some((char::from_u32(point)?, byte))
        })
        .collect()
}

/// The bytes of a token. A character that is not in the table stands for itself.
pub(super) fn decode(text: &str, table: &HashMap<char, u8>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    for character in text.chars() {
        match table.get(&character) {
            Some(byte) => bytes.push(*byte),
            None => bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_that_of_gpt2() {
        let table = bytes_of_chars();
        assert_eq!(table.len(), 256);
        assert_eq!(decode("Ġhi\u{10a}é", &table), b" hi\n\xe9");
    }
}
