//! The canonical form of a request body.
//!
//! Text is composed to Unicode NFC and no further: NFKC would make `5²` and `52` one question.

use crate::endpoint::Endpoint;
use serde_json::{Map, Value};
use unicode_normalization::UnicodeNormalization;

/// Fields that shape delivery, billing or bookkeeping, never the answer. `model` is replaced by the resolved one in
/// the key.
const DELIVERY: &[&str] = &[
    "model",
    "stream",
    "stream_options",
    "user",
    "metadata",
    "store",
    "service_tier",
    "safety_identifier",
    "prompt_cache_key",
];
/// Fields whose presence asks for tools.
const TOOLS: &[&str] = &["tools", "tool_choice", "functions", "function_call", "parallel_tool_calls"];

/// The body without the fields that do not affect the answer, or the reason why its answer must not be remembered.
pub(crate) fn canonical(endpoint: Endpoint, body: &Value) -> Result<Value, &'static str> {
    let Value::Object(body) = body else { return Err("body is not an object") };
    let mut fields: Map<String, Value> = Map::new();
    for (name, value) in body {
        if !value.is_null() && !DELIVERY.contains(&name.as_str()) {
            fields.insert(name.clone(), number_form(value.clone()));
        }
    }
    refuse(&fields)?;
    drop_defaults(&mut fields);
    unify(&mut fields);
    match endpoint {
        Endpoint::Chat => messages(&mut fields)?,
        Endpoint::Completion => prompt(&mut fields)?,
    }
    Ok(Value::Object(fields))
}

fn refuse(fields: &Map<String, Value>) -> Result<(), &'static str> {
    if TOOLS.iter().any(|name| fields.contains_key(*name)) {
        return Err("tools");
    }
    for several in ["n", "best_of"] {
        if fields.get(several).is_some_and(|n| n.as_u64() != Some(1)) {
            return Err("several answers");
        }
    }
    if fields.get("logprobs").is_some_and(|asked| asked != &Value::Bool(false)) || fields.contains_key("top_logprobs") {
        return Err("log-probabilities");
    }
    let other_than_text = |modalities: &Value| modalities != &serde_json::json!(["text"]);
    if fields.contains_key("audio") || fields.get("modalities").is_some_and(other_than_text) {
        return Err("content is not text");
    }
    Ok(())
}

/// Whether a field has the value that it has when it is absent.
fn is_default(name: &str, value: &Value) -> bool {
    match name {
        "n" | "best_of" | "temperature" | "top_p" => value.as_u64() == Some(1),
        "presence_penalty" | "frequency_penalty" => value.as_u64() == Some(0),
        "logprobs" | "echo" => value == &Value::Bool(false),
        "logit_bias" => value.as_object().is_some_and(Map::is_empty),
        "stop" => value.as_array().is_some_and(Vec::is_empty),
        "modalities" => true,
        "response_format" => value == &serde_json::json!({"type": "text"}),
        _ => false,
    }
}

fn drop_defaults(fields: &mut Map<String, Value>) {
    fields.retain(|name, value| !is_default(name, value));
}

/// Gives fields that can be written in two ways one form.
fn unify(fields: &mut Map<String, Value>) {
    if let Some(limit) = fields.remove("max_completion_tokens") {
        fields.insert("max_tokens".to_owned(), limit);
    }
    if let Some(Value::Array(stops)) = fields.get_mut("stop")
        && let [only] = stops.as_mut_slice()
    {
        let only = only.take();
        fields.insert("stop".to_owned(), only);
    }
}

fn messages(fields: &mut Map<String, Value>) -> Result<(), &'static str> {
    let Some(Value::Array(messages)) = fields.get_mut("messages") else { return Err("no messages") };
    for message in messages {
        let Value::Object(message) = message else { return Err("message is not an object") };
        message.retain(|_, value| !value.is_null());
        let role = message.get("role").and_then(Value::as_str).unwrap_or_default();
        if role == "tool"
            || role == "function"
            || message.contains_key("tool_calls")
            || message.contains_key("function_call")
        {
            return Err("tools");
        }
        // The end of an assistant's turn may be one that the model goes on from: there, a space counts.
        let trim = role != "assistant";
        if let Some(content) = message.get_mut("content") {
            *content = text_content(content.take(), trim)?;
        }
    }
    Ok(())
}

fn text_content(content: Value, trim: bool) -> Result<Value, &'static str> {
    match content {
        Value::String(text) => Ok(Value::String(composed(&text, trim))),
        Value::Array(parts) => {
            let mut texts = Vec::with_capacity(parts.len());
            for part in &parts {
                let kind = part.get("type").and_then(Value::as_str);
                let Some(text) = part.get("text").and_then(Value::as_str).filter(|_| kind == Some("text")) else {
                    return Err("content is not text");
                };
                // Ends between parts are inside the message.
                texts.push(Value::String(composed(text, trim && parts.len() == 1)));
            }
            if let [only] = texts.as_mut_slice() {
                return Ok(only.take());
            }
            let part = |text| serde_json::json!({"type": "text", "text": text});
            Ok(Value::Array(texts.into_iter().map(part).collect()))
        }
        _ => Err("content is not text"),
    }
}

fn prompt(fields: &mut Map<String, Value>) -> Result<(), &'static str> {
    let text = match fields.remove("prompt") {
        Some(Value::String(text)) => text,
        Some(Value::Array(mut list)) => match list.as_mut_slice() {
            [Value::String(text)] => std::mem::take(text),
            [Value::String(_), ..] => return Err("several answers"),
            _ => return Err("prompt is not text"),
        },
        _ => return Err("prompt is not text"),
    };
    fields.insert("prompt".to_owned(), Value::String(composed(&text, false)));
    Ok(())
}

fn composed(text: &str, trim: bool) -> String {
    let text: String = text.nfc().collect();
    if trim { text.trim().to_owned() } else { text }
}

/// `1.0` and `1` are the same number: whole floats become integers, at every depth.
fn number_form(value: Value) -> Value {
    match value {
        Value::Number(number) => match number.as_f64() {
            // Above 2^53 a float no longer says which integer it was.
            Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() < 9_007_199_254_740_992.0 => {
                format!("{float:.0}").parse::<i64>().map_or(Value::Number(number), Value::from)
            }
            _ => Value::Number(number),
        },
        Value::Array(list) => list.into_iter().map(number_form).collect(),
        Value::Object(map) => Value::Object(map.into_iter().map(|(name, value)| (name, number_form(value))).collect()),
        other => other,
    }
}

/// JSON with the keys of all objects sorted, whatever order the map type keeps.
pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let mut fields: Vec<_> = map.iter().collect();
            fields.sort_by_key(|(name, _)| *name);
            let field = |(name, value): (&String, &Value)| format!("{}:{}", Value::from(name.as_str()), text(value));
            format!("{{{}}}", fields.into_iter().map(field).collect::<Vec<_>>().join(","))
        }
        Value::Array(list) => format!("[{}]", list.iter().map(text).collect::<Vec<_>>().join(",")),
        plain => plain.to_string(),
    }
}
