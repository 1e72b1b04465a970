//! A streamed answer: events as they come, their text to stdout at once.

use super::reply::Reply;
use crate::kubectl::{
    Fault,
    printer::{write, write_answer},
};
use cherokee_wire::{error::ErrorBody, openai::ChatChunk};

/// What one event says.
#[derive(Debug, PartialEq, Eq)]
enum Event {
    Text(String),
    Failed(String),
    Done,
}

/// Shows the answer until its end; a stream that ends without `[DONE]` was cut.
pub(super) async fn show(reply: &mut Reply) -> Result<(), Fault> {
    let mut lines = Lines::default();
    while let Some(chunk) = reply.chunk().await? {
        for event in lines.push(&chunk) {
            match event {
                Event::Text(text) => write_answer(&text)?,
                Event::Failed(why) => {
                    write("\n")?;
                    return Err(Fault::new(why));
                }
                Event::Done => return write("\n"),
            }
        }
    }
    write("\n")?;
    Err(Fault::new("the answer was cut: the stream ended before its last event"))
}

/// Bytes that are not a whole line yet.
#[derive(Default)]
struct Lines(Vec<u8>);

impl Lines {
    fn push(&mut self, bytes: &[u8]) -> Vec<Event> {
        self.0.extend_from_slice(bytes);
        let mut events = Vec::new();
        while let Some(end) = self.0.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.0.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            events.extend(line.trim().strip_prefix("data:").and_then(|data| event(data.trim())));
        }
        events
    }
}

fn event(data: &str) -> Option<Event> {
    if data == "[DONE]" {
        return Some(Event::Done);
    }
    if let Ok(chunk) = serde_json::from_str::<ChatChunk>(data) {
        let text: String = chunk.choices.into_iter().filter_map(|choice| choice.delta.content).collect();
        return (!text.is_empty()).then_some(Event::Text(text));
    }
    serde_json::from_str::<ErrorBody>(data).ok().map(|body| Event::Failed(body.error.message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_found_wherever_the_bytes_are_cut() {
        let chunk = r#"{"id":"1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"é"},"logprobs":null,"finish_reason":null}]}"#;
        let text = format!(": ping\n\ndata: {chunk}\n\ndata: [DONE]\n\n");
        for cut in 0..text.len() {
            let mut lines = Lines::default();
            let (one, two) = text.as_bytes().split_at(cut);
            let mut events = lines.push(one);
            events.extend(lines.push(two));
            assert_eq!(events, [Event::Text("é".into()), Event::Done], "cut at {cut}");
        }
    }

    #[test]
    fn an_error_in_the_stream_is_told() {
        let data = r#"{"error": {"message": "the worker went away", "type": "server_error", "param": null, "code": "stream_cut"}}"#;
        assert_eq!(event(data), Some(Event::Failed("the worker went away".into())));
    }
}
