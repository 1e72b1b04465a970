//! What is the same query, and what is not.

use cherokee_memory::{Asked, Endpoint, Fingerprint, Key, Verdict, key::judge};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

const WHO: Asked<'static> = Asked { tenant: "acme", model: "owl", revision: "r1", endpoint: Endpoint::Chat };

fn key(asked: &Asked<'_>, body: &Value) -> Key {
    match judge(asked, body) {
        Verdict::Remember(key) => *key,
        Verdict::Bypass(reason) => panic!("bypassed: {reason}"),
    }
}

fn print_of(body: &Value) -> Fingerprint {
    key(&WHO, body).fingerprint
}

fn bypass(body: &Value) -> &'static str {
    match judge(&WHO, body) {
        Verdict::Remember(_) => "remembered",
        Verdict::Bypass(reason) => reason,
    }
}

prop_compose! {
    fn body()(
        system in "[a-z ]{1,20}[a-z]",
        user in "[^\\s]\\PC{0,40}[^\\s]",
        temperature in prop::option::of(0u8..20),
        max_tokens in prop::option::of(1u32..500),
        seed in prop::option::of(any::<u32>()),
        stop in prop::option::of("[a-z]{1,4}"),
    ) -> Value {
        let mut body = json!({"messages": [{"role": "system", "content": system}, {"role": "user", "content": user}]});
        if let Some(t) = temperature { body["temperature"] = json!(f64::from(t) / 10.0); }
        if let Some(m) = max_tokens { body["max_tokens"] = json!(m); }
        if let Some(s) = seed { body["seed"] = json!(s); }
        if let Some(s) = stop { body["stop"] = json!(s); }
        body
    }
}

proptest! {
    #[test]
    fn the_order_of_keys_does_not_change_the_key(body in body()) {
        let turned: Map<String, Value> = body.as_object().unwrap().clone().into_iter().rev().collect();
        let text = format!("{{{}}}", turned.iter().rev().map(|(n, v)| format!("{n:?}:{v}")).collect::<Vec<_>>().join(","));
        prop_assert_eq!(print_of(&body), print_of(&Value::Object(turned)));
        prop_assert_eq!(print_of(&body), print_of(&serde_json::from_str(&text).unwrap()));
    }

    #[test]
    fn delivery_defaults_and_white_space_at_the_ends_do_not_change_the_key(body in body(), left in "[ \n\t]{0,3}", right in "[ \n\t]{0,3}") {
        let mut same = body.clone();
        for (name, value) in [
            ("stream", json!(true)), ("stream_options", json!({"include_usage": true})), ("user", json!("u")), ("metadata", json!({"a": 1})),
            ("model", json!("default")), ("n", json!(1)), ("top_p", json!(1.0)), ("logprobs", json!(false)), ("tools", Value::Null),
            ("presence_penalty", json!(0)), ("response_format", json!({"type": "text"})),
        ] {
            same[name] = value;
        }
        let text = body["messages"][1]["content"].as_str().unwrap();
        same["messages"][1]["content"] = json!(format!("{left}{text}{right}"));
        prop_assert_eq!(print_of(&body), print_of(&same));
        same["messages"][1]["content"] = json!([{"type": "text", "text": text}]);
        prop_assert_eq!(print_of(&body), print_of(&same));
    }

    #[test]
    fn whatever_shapes_the_answer_changes_the_key(body in body(), word in "[a-z]{1,5}") {
        let same = print_of(&body);
        let with = |name: &str, value: Value| { let mut b = body.clone(); b[name] = value; print_of(&b) };
        prop_assert_ne!(same, with("temperature", json!(7.25)));
        prop_assert_ne!(same, with("top_p", json!(0.5)));
        prop_assert_ne!(same, with("max_tokens", json!(501)));
        prop_assert_ne!(same, with("seed", json!(u64::from(u32::MAX) + 1)));
        prop_assert_ne!(same, with("stop", json!(["12345"])));
        prop_assert_ne!(same, with("response_format", json!({"type": "json_object"})));
        prop_assert_ne!(same, with("top_k", json!(3)));
        let mut longer = body.clone();
        longer["messages"][1]["content"] = json!(format!("{} {word}", body["messages"][1]["content"].as_str().unwrap()));
        prop_assert_ne!(same, print_of(&longer));
        let mut role = body.clone();
        role["messages"][0]["role"] = json!("developer");
        prop_assert_ne!(same, print_of(&role));
        for asked in [
            Asked { tenant: "emca", ..WHO }, Asked { model: "elk", ..WHO }, Asked { revision: "r2", ..WHO },
        ] {
            prop_assert_ne!(same, key(&asked, &body).fingerprint);
        }
    }

    #[test]
    fn the_canonical_body_has_the_same_key(body in body()) {
        let first = key(&WHO, &body);
        prop_assert_eq!(first.fingerprint, print_of(&first.request));
        prop_assert_eq!(first.fingerprint, first.fingerprint.to_string().parse().unwrap());
    }
}

#[test]
fn endpoint_is_part_of_the_key_and_a_prompt_keeps_its_spaces() {
    let completion = Asked { endpoint: Endpoint::Completion, ..WHO };
    let one = key(&completion, &json!({"prompt": "a"})).fingerprint;
    assert_eq!(one, key(&completion, &json!({"prompt": ["a"]})).fingerprint);
    assert_ne!(one, key(&completion, &json!({"prompt": "a "})).fingerprint);
    assert!(matches!(judge(&completion, &json!({"prompt": ["a", "b"]})), Verdict::Bypass("several answers")));
    assert!(matches!(judge(&completion, &json!({"prompt": [1, 2]})), Verdict::Bypass("prompt is not text")));
}

#[test]
fn tenant_and_model_do_not_run_into_each_other() {
    let body = json!({"messages": [{"role": "user", "content": "x"}]});
    let one = key(&Asked { tenant: "a", model: "bc", ..WHO }, &body).fingerprint;
    assert_ne!(one, key(&Asked { tenant: "ab", model: "c", ..WHO }, &body).fingerprint);
}

#[test]
fn characters_compose_but_powers_stay_powers() {
    let ask = |text: &str| print_of(&json!({"messages": [{"role": "user", "content": text}]}));
    assert_eq!(ask("caf\u{e9}"), ask("cafe\u{301}"));
    assert_ne!(ask("What is 5²?"), ask("What is 52?"));
}

#[test]
fn white_space_inside_a_message_counts() {
    let ask = |text: &str| print_of(&json!({"messages": [{"role": "user", "content": text}]}));
    assert_ne!(ask("if x:\n    y"), ask("if x:\n  y"));
    let go_on = |text: &str| print_of(&json!({"messages": [{"role": "assistant", "content": text}]}));
    assert_ne!(go_on("The answer is"), go_on("The answer is "));
}

#[test]
fn either_name_of_the_token_limit_and_either_form_of_stop_is_the_same() {
    let with = |more: Value| {
        let mut body = json!({"messages": [{"role": "user", "content": "x"}]});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        print_of(&body)
    };
    assert_eq!(with(json!({"max_tokens": 9})), with(json!({"max_completion_tokens": 9})));
    assert_eq!(with(json!({"max_tokens": 4, "max_completion_tokens": 9})), with(json!({"max_tokens": 9})));
    assert_eq!(with(json!({"stop": ["a"]})), with(json!({"stop": "a"})));
    assert_eq!(with(json!({"temperature": 1.0})), with(json!({})));
    assert_ne!(with(json!({"temperature": 0})), with(json!({})));
}

#[test]
fn what_must_not_be_remembered_is_bypassed_with_its_reason() {
    let chat = |more: Value| {
        let mut body = json!({"messages": [{"role": "user", "content": "x"}]});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        bypass(&body)
    };
    assert_eq!(bypass(&json!([1])), "body is not an object");
    assert_eq!(bypass(&json!({})), "no messages");
    assert_eq!(chat(json!({"tools": [{"type": "function"}]})), "tools");
    assert_eq!(chat(json!({"n": 2})), "several answers");
    assert_eq!(chat(json!({"logprobs": true})), "log-probabilities");
    assert_eq!(chat(json!({"top_logprobs": 2})), "log-probabilities");
    assert_eq!(chat(json!({"modalities": ["text", "audio"]})), "content is not text");
    assert_eq!(
        chat(json!({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]})),
        "content is not text"
    );
    assert_eq!(chat(json!({"messages": [{"role": "tool", "content": "4"}]})), "tools");
    assert_eq!(chat(json!({"messages": [{"role": "assistant", "tool_calls": []}]})), "tools");
}
