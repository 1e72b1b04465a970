//! A query as it came: read once, and only as far as the gateway needs.

use crate::refusal::Refusal;
use bytes::Bytes;
use cherokee_memory::Endpoint;
use serde_json::{Map, Value, json};

/// A query's body. All that the gateway does not know is kept and goes to the worker.
#[derive(Clone, Debug)]
pub struct Ask {
    /// Endpoint that was called.
    pub endpoint: Endpoint,
    /// Value of `model`; empty when there is none.
    pub model: String,
    /// Whether the answer is to be streamed.
    pub stream: bool,
    /// Whether the stream is to end with the usage.
    pub wants_usage: bool,
    body: Map<String, Value>,
}

impl Ask {
    /// Reads a body; refuses what is no JSON object, and a `model` or `stream` of a wrong type.
    pub fn read(endpoint: Endpoint, bytes: &[u8]) -> Result<Self, Refusal> {
        let body = match serde_json::from_slice(bytes) {
            Ok(Value::Object(body)) => body,
            Ok(_) => return Err(Refusal::invalid("the body must be a JSON object", None)),
            Err(error) => return Err(Refusal::invalid(format!("the body is not JSON: {error}"), None)),
        };
        let model = match body.get("model") {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(name)) => name.clone(),
            Some(_) => return Err(Refusal::invalid("`model` must be a string", Some("model"))),
        };
        let stream = match body.get("stream") {
            None | Some(Value::Null) => false,
            Some(Value::Bool(stream)) => *stream,
            Some(_) => return Err(Refusal::invalid("`stream` must be true or false", Some("stream"))),
        };
        let wants_usage =
            body.get("stream_options").and_then(|options| options.get("include_usage")) == Some(&Value::Bool(true));
        Ok(Self { endpoint, model, stream, wants_usage, body })
    }

    /// The body, for the memory's key.
    pub fn body(&self) -> Value {
        Value::Object(self.body.clone())
    }

    /// The body for a worker: `model` is the model's name. With `with_usage` a stream ends with the usage even if the client did
    /// not ask for it; the caller takes it out again.
    pub fn for_worker(&self, model: &str, with_usage: bool) -> Bytes {
        let mut body = self.body.clone();
        body.insert("model".to_owned(), json!(model));
        if with_usage && self.stream {
            let options = body.entry("stream_options").or_insert_with(|| json!({}));
            if !options.is_object() {
                *options = json!({});
            }
            options["include_usage"] = json!(true);
        }
        Value::Object(body).to_string().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Result<Ask, Refusal> {
        Ask::read(Endpoint::Chat, body.as_bytes())
    }

    #[test]
    fn unknown_fields_reach_the_worker_and_only_the_model_is_rewritten() {
        let ask = read(r#"{"model": "conscious", "messages": [], "top_k": 3, "metadata": {"a": [1]}}"#).unwrap();
        let sent: Value = serde_json::from_slice(&ask.for_worker("resonance", true)).unwrap();
        assert_eq!(sent, json!({"model": "resonance", "messages": [], "top_k": 3, "metadata": {"a": [1]}}));
    }

    #[test]
    fn a_stream_that_may_be_remembered_asks_for_the_usage_and_keeps_other_options() {
        let ask = read(r#"{"stream": true, "stream_options": {"x": 1}}"#).unwrap();
        let options = |with_usage| {
            serde_json::from_slice::<Value>(&ask.for_worker("m", with_usage)).unwrap()["stream_options"].clone()
        };
        assert_eq!(options(true), json!({"x": 1, "include_usage": true}));
        assert_eq!(options(false), json!({"x": 1}));
        assert!(!ask.wants_usage);
    }

    #[test]
    fn a_body_of_the_wrong_form_is_refused_with_the_field_at_fault() {
        for (body, param) in
            [("[]", None), ("{", None), (r#"{"model": 3}"#, Some("model")), (r#"{"stream": "yes"}"#, Some("stream"))]
        {
            assert_eq!(read(body).unwrap_err().param, param, "{body}");
        }
    }
}
