//! Stop texts, found across the borders of tokens.

/// Watches a growing text for the first of several stop texts.
#[derive(Clone, Debug, Default)]
pub struct StopMatcher {
    stops: Vec<String>,
    held: String,
}

impl StopMatcher {
    /// Watches for `stops`; empty ones are ignored.
    pub fn new(stops: Vec<String>) -> Self {
        Self { stops: stops.into_iter().filter(|stop| !stop.is_empty()).collect(), held: String::new() }
    }

    /// Takes new text; returns what may be shown, and whether a stop text was met.
    ///
    /// Text that may be the beginning of a stop text is held back until it is decided.
    pub fn push(&mut self, text: &str) -> (String, bool) {
        self.held.push_str(text);
        if let Some(at) = self.stops.iter().filter_map(|stop| self.held.find(stop.as_str())).min() {
            let shown = self.held[..at].to_owned();
            self.held.clear();
            return (shown, true);
        }
        let keep = self.undecided();
        let rest = self.held.split_off(self.held.len() - keep);
        (std::mem::replace(&mut self.held, rest), false)
    }

    /// What was held back, now that no more text comes.
    pub fn finish(&mut self) -> String {
        std::mem::take(&mut self.held)
    }

    /// Bytes at the end that are the beginning of a stop text.
    fn undecided(&self) -> usize {
        self.held
            .char_indices()
            .map(|(at, _)| &self.held[at..])
            .find(|tail| self.stops.iter().any(|stop| stop.starts_with(tail)))
            .map_or(0, str::len)
    }
}

#[cfg(test)]
mod tests {
    use super::StopMatcher;
    use proptest::prelude::*;

    /// Feeds `pieces` and returns the shown text and whether it stopped.
    fn feed(stops: &[&str], pieces: &[&str]) -> (String, bool) {
        let mut matcher = StopMatcher::new(stops.iter().map(|&stop| stop.to_owned()).collect());
        let mut shown = String::new();
        for piece in pieces {
            let (text, stopped) = matcher.push(piece);
            shown.push_str(&text);
            if stopped {
                return (shown, true);
            }
        }
        (shown + &matcher.finish(), false)
    }

    #[test]
    fn a_stop_text_over_three_tokens_is_met_and_not_shown() {
        assert_eq!(feed(&["\nUser:"], &["Hi", "\nUs", "er", ": more"]), ("Hi".into(), true));
    }

    #[test]
    fn a_false_beginning_is_shown_later() {
        assert_eq!(feed(&["abc"], &["xa", "b", "d"]), ("xabd".into(), false));
    }

    #[test]
    fn the_earliest_of_several_stop_texts_wins() {
        assert_eq!(feed(&["zz", "b"], &["abzz"]), ("a".into(), true));
    }

    proptest! {
        #[test]
        fn cutting_the_text_elsewhere_does_not_change_what_is_shown(
            text in "[abé]{0,24}", stops in proptest::collection::vec("[abé]{1,3}", 0..3), size in 1usize..5
        ) {
            let stops: Vec<&str> = stops.iter().map(String::as_str).collect();
            let chars: Vec<char> = text.chars().collect();
            let pieces: Vec<String> = chars.chunks(size).map(|piece| piece.iter().collect()).collect();
            let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
            let (shown, stopped) = feed(&stops, &pieces);
            if stops.iter().any(|stop| text.contains(stop)) {
                prop_assert!(stopped && text.starts_with(&shown));
            } else {
                prop_assert_eq!((shown, stopped), (text.clone(), false));
            }
            prop_assert!(stops.iter().all(|stop| !feed(&stops, &pieces).0.contains(stop)));
        }
    }
}
