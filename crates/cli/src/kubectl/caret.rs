//! Control characters in caret notation, as `cat -v` shows them: text from a cluster must not act on the terminal of who reads it.

/// Shows control characters; line ends and tabs stay.
pub(crate) fn visible(text: &str) -> String {
    shown(text, |c| c == '\n' || c == '\t')
}

/// Shows control characters, line ends and tabs too, so that a cell cannot add rows to its table.
pub(crate) fn one_line(text: &str) -> String {
    shown(text, |_| false)
}

fn shown(text: &str, stays: impl Fn(char) -> bool) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if !c.is_control() || stays(c) {
            shown.push(c);
            continue;
        }
        // Control characters are U+0000 to U+001F and U+007F to U+009F.
        let code = u8::try_from(u32::from(c)).unwrap_or_default();
        if code >= 0x80 {
            shown += "M-";
        }
        shown.push('^');
        shown.push(char::from((code & 0x7f) ^ 0x40));
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_shown_as_text() {
        assert_eq!(visible("\u{1b}[2K\u{7}\u{7f}\0\r\n\té"), "^[[2K^G^?^@^M\n\té");
        assert_eq!(visible("\u{9b}1A \u{9d}0;title\u{9c}"), "M-^[1A M-^]0;titleM-^\\");
        assert_eq!(one_line("Ready\nFailed\t1"), "Ready^JFailed^I1");
    }
}
