//! How many tokens the new answer may take: pure.

use cherokee_wire::openai::Usage;
use serde_json::Value;

/// The larger budget: `factor` times what the first answer could take, as far as the model's context allows.
///
/// What it could take is the request's `max_tokens`, else what it took. None if the context has no room for more than
/// that.
pub fn enlarged(request: &Value, usage: Usage, context_tokens: u32, factor: u32) -> Option<u32> {
    let limit = request.get("max_tokens").and_then(Value::as_u64).and_then(|limit| u32::try_from(limit).ok());
    let before = limit.unwrap_or(usage.completion_tokens).max(1);
    let room = context_tokens.saturating_sub(usage.prompt_tokens);
    let budget = before.saturating_mul(factor).min(room);
    // A limit beyond the context was never the limit: what counts is what was taken.
    (budget > before.min(usage.completion_tokens)).then_some(budget)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn used(prompt_tokens: u32, completion_tokens: u32) -> Usage {
        Usage { prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens }
    }

    #[test]
    fn it_is_the_limit_times_the_factor_within_the_context() {
        assert_eq!(enlarged(&json!({"max_tokens": 8}), used(10, 8), 512, 4), Some(32));
        assert_eq!(enlarged(&json!({}), used(10, 20), 512, 4), Some(80));
        assert_eq!(enlarged(&json!({"max_tokens": 200}), used(112, 200), 512, 4), Some(400));
    }

    #[test]
    fn a_full_context_has_no_larger_budget() {
        assert_eq!(enlarged(&json!({"max_tokens": 400}), used(112, 400), 512, 4), None);
        assert_eq!(enlarged(&json!({"max_tokens": 4_000}), used(112, 400), 512, 4), None);
        assert_eq!(enlarged(&json!({}), used(512, 0), 512, 4), None);
    }

    proptest! {
        #[test]
        fn prompt_and_answer_always_fit_the_context(limit in prop::option::of(any::<u32>()), prompt in 0u32..9_000, taken in 0u32..9_000, factor in 1u32..64) {
            let request = limit.map_or(json!({}), |limit| json!({"max_tokens": limit}));
            if let Some(budget) = enlarged(&request, used(prompt, taken), 8_192, factor) {
                prop_assert!(budget + prompt <= 8_192);
            }
        }
    }
}
