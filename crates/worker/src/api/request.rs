//! Requests checked and turned into queries. Pure.
//!
//! What this worker does not offer is refused where leaving it out would change the meaning of the answer; other unknown
//! fields are ignored, as clients send many.

use super::refusal::Refusal;
use cherokee_engine::{Class, Query, Sampling, Shape, Turn};
use cherokee_wire::{
    headers,
    openai::{self, ChatRequest, CompletionRequest, Content, Message},
};
use serde_json::{Map, Value};

/// Most stop texts of a query.
const MOST_STOPS: usize = 16;
/// Tokens of a legacy answer whose request does not say, as with OpenAI.
const LEGACY_MAX_TOKENS: usize = 16;

/// How the answer is to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Delivery {
    /// As it grows.
    pub(super) stream: bool,
    /// With a last chunk that holds the usage.
    pub(super) usage: bool,
}

/// The query of a chat request. `default` answers for an unnamed model.
pub(super) fn chat(request: ChatRequest, class: Class, default: &str) -> Result<(Query, Delivery), Refusal> {
    if request.messages.is_empty() {
        return Err(Refusal::invalid("messages", "`messages` is empty; give at least one"));
    }
    let extra = &request.sampling.extra;
    for (tools, choice) in [("tools", "tool_choice"), ("functions", "function_call")] {
        let asked = extra.get(tools).and_then(Value::as_array).is_some_and(|tools| !tools.is_empty());
        if asked && extra.get(choice).and_then(Value::as_str) != Some("none") {
            return Err(Refusal::invalid(tools, format!("tools are not offered; leave `{tools}` out")));
        }
    }
    let format = extra.get("response_format").and_then(|format| format.get("type")).and_then(Value::as_str);
    if format.is_some_and(|format| format != "text") {
        return Err(Refusal::invalid("response_format", "only `text` is offered as `response_format`"));
    }
    let turns = request.messages.into_iter().enumerate().map(|(at, message)| turn(at, message));
    let shape = Shape::Chat(turns.collect::<Result<_, _>>()?);
    query(&request.model, shape, &request.sampling, class, default)
}

/// The query of a legacy request. `default` answers for an unnamed model.
pub(super) fn complete(request: &CompletionRequest, class: Class, default: &str) -> Result<(Query, Delivery), Refusal> {
    let [prompt] = request.prompt.as_slice() else {
        return Err(Refusal::invalid("prompt", "`prompt` must be one text"));
    };
    for field in ["echo", "suffix"] {
        if request.sampling.extra.get(field).is_some_and(|value| !matches!(value, Value::Null | Value::Bool(false))) {
            return Err(Refusal::invalid(field, format!("`{field}` is not offered; leave it out")));
        }
    }
    let shape = Shape::Text(prompt.clone());
    let (mut query, delivery) = query(&request.model, shape, &request.sampling, class, default)?;
    query.max_tokens.get_or_insert(LEGACY_MAX_TOKENS);
    Ok((query, delivery))
}

/// The priority that a header names.
pub(super) fn class(priority: Option<&[u8]>) -> Result<Class, Refusal> {
    match priority {
        None => Ok(Class::Interactive),
        Some(word) if word == headers::INTERACTIVE.as_bytes() => Ok(Class::Interactive),
        Some(word) if word == headers::BACKGROUND.as_bytes() => Ok(Class::Background),
        Some(word) => Err(Refusal::invalid(
            headers::PRIORITY,
            format!(
                "header `{}` is `{}`; it must be `{}` or `{}`",
                headers::PRIORITY,
                String::from_utf8_lossy(word),
                headers::INTERACTIVE,
                headers::BACKGROUND
            ),
        )),
    }
}

fn query(
    model: &str,
    shape: Shape,
    asked: &openai::Sampling,
    class: Class,
    default: &str,
) -> Result<(Query, Delivery), Refusal> {
    if asked.n.is_some_and(|n| n != 1) {
        return Err(Refusal::invalid("n", "`n` must be 1; ask again for another answer"));
    }
    for field in ["logprobs", "presence_penalty", "frequency_penalty", "logit_bias", "best_of"] {
        if asked.extra.get(field).is_some_and(|value| !changes_nothing(field, value)) {
            return Err(Refusal::invalid(field, format!("`{field}` is not offered; leave it out")));
        }
    }
    let temperature = asked.temperature.unwrap_or(1.0);
    if !(0.0..=2.0).contains(&temperature) {
        return Err(Refusal::invalid("temperature", format!("`temperature` is {temperature}; it must be 0 to 2")));
    }
    let top_p = asked.top_p.unwrap_or(1.0);
    if !(0.0..=1.0).contains(&top_p) {
        return Err(Refusal::invalid("top_p", format!("`top_p` is {top_p}; it must be 0 to 1")));
    }
    let stop = asked.stop.as_ref().map(|stop| stop.as_slice().to_vec()).unwrap_or_default();
    if stop.len() > MOST_STOPS {
        return Err(Refusal::invalid("stop", format!("`stop` has {} texts; at most {MOST_STOPS}", stop.len())));
    }
    if asked.limit() == Some(0) {
        return Err(Refusal::invalid("max_tokens", "`max_tokens` is 0; it must be at least 1"));
    }
    let model = if model.is_empty() || model == "default" { default } else { model };
    let query = Query {
        model: model.to_owned(),
        shape,
        max_tokens: asked.limit().and_then(|limit| usize::try_from(limit).ok()),
        stop,
        sampling: Sampling { temperature, top_p, seed: asked.seed.map(i64::cast_unsigned) },
        class,
    };
    Ok((query, Delivery { stream: asked.streams(), usage: asked.wants_usage() }))
}

/// Whether a field that is not offered has a value that asks for nothing.
fn changes_nothing(field: &str, value: &Value) -> bool {
    match (field, value) {
        (_, Value::Null) => true,
        ("logprobs", value) => value == &Value::Bool(false),
        ("presence_penalty" | "frequency_penalty", value) => value.as_f64().is_some_and(|penalty| penalty == 0.0),
        ("logit_bias", value) => value.as_object().is_some_and(Map::is_empty),
        ("best_of", value) => value.as_u64().is_some_and(|answers| answers <= 1),
        _ => false,
    }
}

fn turn(at: usize, message: Message) -> Result<Turn, Refusal> {
    if matches!(message.role.as_str(), "tool" | "function") {
        let field = format!("messages[{at}].role");
        return Err(Refusal::invalid(&field, format!("`{field}` is `{}`; tools are not offered", message.role)));
    }
    let calls = message.extra.get("tool_calls");
    if calls.is_some_and(|calls| !calls.is_null() && calls.as_array().is_none_or(|calls| !calls.is_empty())) {
        let field = format!("messages[{at}].tool_calls");
        return Err(Refusal::invalid(&field, format!("`{field}` is there; tools are not offered")));
    }
    let content = match message.content {
        None => String::new(),
        Some(Content::Text(text)) => text,
        Some(Content::Parts(parts)) => {
            if let Some(other) = parts.iter().find(|part| part.kind != "text") {
                let field = format!("messages[{at}].content");
                let words = format!("`{field}` has a part of type `{}`; only `text` is understood", other.kind);
                return Err(Refusal::invalid(&field, words));
            }
            parts.into_iter().filter_map(|part| part.text).collect::<Vec<_>>().join("\n")
        }
    };
    // The newer name of the same role; templates know only the older.
    let role = if message.role == "developer" { "system".to_owned() } else { message.role };
    Ok(Turn { role, content })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn chat_of(mut body: Value) -> Result<(Query, Delivery), Refusal> {
        if body.get("messages").is_none() {
            body["messages"] = json!([{"role": "user", "content": "Hi"}]);
        }
        chat(serde_json::from_value(body).expect("it is a request"), Class::Interactive, "first")
    }

    #[test]
    fn fields_mean_what_they_mean_with_openai() {
        let (query, delivery) = chat_of(json!({
            "model": "m", "max_tokens": 5, "max_completion_tokens": 7, "stop": "x", "seed": 3, "temperature": 0,
            "top_p": 0.5, "stream": true, "stream_options": {"include_usage": true}, "unknown": {"a": 1},
            "messages": [
                {"role": "developer", "content": "Be brief."},
                {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
            ],
        }))
        .expect("it is sound");
        let turn = |role: &str, content: &str| Turn { role: role.into(), content: content.into() };
        assert_eq!(query.shape, Shape::Chat(vec![turn("system", "Be brief."), turn("user", "a\nb")]));
        assert_eq!((query.model.as_str(), query.max_tokens, query.stop), ("m", Some(7), vec!["x".to_owned()]));
        assert_eq!(query.sampling, Sampling { temperature: 0.0, top_p: 0.5, seed: Some(3) });
        assert_eq!(delivery, Delivery { stream: true, usage: true });
    }

    #[test]
    fn an_unnamed_model_is_the_first_and_stop_may_be_a_list() {
        for body in [json!({"stop": ["a", "b"]}), json!({"model": "default", "stop": ["a", "b"]})] {
            let (query, delivery) = chat_of(body).expect("it is sound");
            assert_eq!((query.model.as_str(), query.stop.len(), query.max_tokens), ("first", 2, None));
            assert_eq!(delivery, Delivery { stream: false, usage: false });
        }
    }

    #[test]
    fn what_would_change_the_answer_is_refused_by_its_name() {
        let part = json!([{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]);
        for (field, body) in [
            ("n", json!({"n": 2})),
            ("temperature", json!({"temperature": 2.1})),
            ("top_p", json!({"top_p": -0.1})),
            ("max_tokens", json!({"max_tokens": 0})),
            ("logprobs", json!({"logprobs": true})),
            ("presence_penalty", json!({"presence_penalty": -0.5})),
            ("frequency_penalty", json!({"frequency_penalty": 1})),
            ("logit_bias", json!({"logit_bias": {"50256": -100}})),
            ("best_of", json!({"best_of": 2})),
            ("tools", json!({"tools": [{"type": "function"}]})),
            ("functions", json!({"functions": [{"name": "f"}]})),
            ("messages[0].role", json!({"messages": [{"role": "tool", "content": "4", "tool_call_id": "a"}]})),
            ("messages[0].tool_calls", json!({"messages": [{"role": "assistant", "tool_calls": [{"id": "a"}]}]})),
            ("response_format", json!({"response_format": {"type": "json_object"}})),
            ("messages", json!({"messages": []})),
            ("messages[0].content", json!({"messages": part})),
            ("stop", json!({"stop": vec!["x"; 17]})),
        ] {
            let refusal = chat_of(body).expect_err(field);
            assert_eq!(refusal.body.error.param.as_deref(), Some(field));
        }
    }

    #[test]
    fn a_field_that_asks_for_nothing_is_no_reason_to_refuse_and_a_seed_may_be_negative() {
        let (query, _) = chat_of(json!({
            "presence_penalty": 0, "frequency_penalty": 0.0, "logit_bias": {}, "best_of": 1, "logprobs": false,
            "tools": [], "functions": null, "seed": -1,
            "messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "x", "tool_calls": []}],
        }))
        .expect("it is sound");
        assert_eq!(query.sampling.seed, Some(u64::MAX));
    }

    #[test]
    fn a_legacy_answer_has_sixteen_tokens_unless_asked_otherwise() {
        let request = |body| serde_json::from_value(body).expect("it is a request");
        let (query, _) = complete(&request(json!({"prompt": ["a"]})), Class::Background, "first").expect("it is sound");
        assert_eq!((query.max_tokens, query.shape), (Some(16), Shape::Text("a".into())));
        assert!(complete(&request(json!({"prompt": ["a", "b"]})), Class::Interactive, "first").is_err());
    }

    #[test]
    fn priority_is_one_of_two_words() {
        assert_eq!(class(None), Ok(Class::Interactive));
        assert_eq!(class(Some(b"background")), Ok(Class::Background));
        assert!(class(Some(b"urgent")).is_err());
    }
}
