//! Splits a byte stream into server-sent events, whatever its chunks are.

use bytes::{Bytes, BytesMut};

/// Largest event that is waited for; a worker that sends more is broken.
const MAX_EVENT_BYTES: usize = 8 << 20;

/// One event as it came, and what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its bytes, with the blank line that ends it.
    pub raw: Bytes,
    /// Its `data` lines, joined by line ends; none for comments and other fields.
    pub data: Option<String>,
}

/// Collects bytes until an event is whole. Events never leave it in parts, so a cut stream never ends inside one.
#[derive(Debug, Default)]
pub struct Splitter {
    held: BytesMut,
    /// Bytes of `held` that hold no end of an event.
    searched: usize,
}

/// The event was larger than 8 MiB.
#[derive(Debug, PartialEq, Eq)]
pub struct TooLarge;

impl Splitter {
    /// Takes the next bytes and returns the events that they complete.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<Event>, TooLarge> {
        self.held.extend_from_slice(bytes);
        let mut events = Vec::new();
        while let Some(end) = self.end_of_event() {
            self.searched = 0;
            let raw = self.held.split_to(end).freeze();
            let data = data(&raw);
            events.push(Event { raw, data });
        }
        if self.held.len() > MAX_EVENT_BYTES { Err(TooLarge) } else { Ok(events) }
    }

    /// Position after the first blank line. Lines end with LF, CR LF or CR.
    fn end_of_event(&mut self) -> Option<usize> {
        let held = &self.held[..];
        let mut at = self.searched;
        while let Some(found) = held[at..].iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
            let first = at + found;
            // A line end at the very end may be half of CR LF: the next bytes tell.
            let second = after_line_end(held, first)?;
            if matches!(held.get(second), Some(b'\n' | b'\r')) {
                let end = after_line_end(held, second);
                if end.is_none() {
                    self.searched = first;
                }
                return end;
            }
            if second == held.len() {
                self.searched = first;
                return None;
            }
            at = second;
            self.searched = at;
        }
        self.searched = held.len();
        None
    }
}

/// Position after the line end at `at`; none while a CR is last, since a LF may follow.
fn after_line_end(held: &[u8], at: usize) -> Option<usize> {
    match (held[at], held.get(at + 1)) {
        (b'\r', None) => None,
        (b'\r', Some(b'\n')) => Some(at + 2),
        _ => Some(at + 1),
    }
}

fn data(raw: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(raw);
    let lines = text.split(['\n', '\r']).filter_map(|line| line.strip_prefix("data:"));
    let lines: Vec<_> = lines.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn split(parts: &[&[u8]]) -> Vec<Event> {
        let mut splitter = Splitter::default();
        parts.iter().flat_map(|part| splitter.push(part).unwrap()).collect()
    }

    #[test]
    fn an_event_is_held_until_its_blank_line() {
        let mut splitter = Splitter::default();
        assert_eq!(splitter.push(b"data: {\"a\":").unwrap(), []);
        assert_eq!(splitter.push(b"1}\n").unwrap(), []);
        let events = splitter.push(b"\ndata: [DONE]").unwrap();
        assert_eq!(events, [Event { raw: Bytes::from_static(b"data: {\"a\":1}\n\n"), data: Some("{\"a\":1}".into()) }]);
    }

    #[test]
    fn comments_and_other_fields_are_events_without_data() {
        let events = split(&[b": keep-alive\n\nid: 3\n\nevent: x\ndata:y\ndata: z\n\n"]);
        let data: Vec<_> = events.iter().map(|event| event.data.as_deref()).collect();
        assert_eq!(data, [None, None, Some("y\nz")]);
    }

    #[test]
    fn an_endless_event_is_refused() {
        assert_eq!(Splitter::default().push(&vec![b'x'; MAX_EVENT_BYTES + 1]), Err(TooLarge));
    }

    fn any_event() -> impl Strategy<Value = String> {
        let line_end = prop_oneof![Just("\n"), Just("\r\n")];
        ("(data: ?|: |id: )[^\r\n]{0,12}", line_end).prop_map(|(line, end)| format!("{line}{end}{end}"))
    }

    proptest! {
        #[test]
        fn the_chunks_do_not_change_the_events(
            events in prop::collection::vec(any_event(), 0..6), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
        ) {
            let text = events.concat();
            let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let parts: Vec<_> = cuts.windows(2).map(|pair| &text.as_bytes()[pair[0]..pair[1]]).collect();
            let parted = split(&parts);
            let single: Vec<_> = (0..text.len()).map(|at| &text.as_bytes()[at..=at]).collect();
            prop_assert_eq!(&parted, &split(&[text.as_bytes()]));
            prop_assert_eq!(&parted, &split(&single));
            let raw: Vec<_> = parted.iter().map(|event| event.raw.clone()).collect();
            prop_assert_eq!(raw.concat(), text.as_bytes());
            prop_assert_eq!(parted.len(), events.len());
        }
    }
}
