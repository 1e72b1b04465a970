//! Models in units.

use super::{Refusal, units};
use crate::quantity;
use cherokee_api::model::{Dtype, Model};
use cherokee_plan::{Model as Planned, sizing};
use sha2::{Digest, Sha256};

/// A model in units.
pub(super) fn understand(model: &Model) -> Result<Planned, Refusal> {
    let name = &model.name;
    let dtype = word(model.dtype);
    let centibits = sizing::centibits_per_parameter(dtype).unwrap_or(3200);
    let parameters = match &model.parameters {
        None => None,
        Some(text) => Some(units::parameters(text).ok_or_else(|| {
            Refusal::invalid(format!(
                "spec.models[{name}].parameters `{text}` is no number of parameters: write it as `160M` or `1.1B`"
            ))
        })?),
    };
    let size = match &model.size {
        None => None,
        Some(text) => Some(quantity::bytes(&text.0).filter(|b| *b > 0).ok_or_else(|| {
            Refusal::invalid(format!("spec.models[{name}].size `{}` must be a quantity above 0, as `700Mi`", text.0))
        })?),
    };
    let Some(bytes) = size.or(parameters.map(|p| sizing::weight_bytes(p, centibits))) else {
        return Err(Refusal::invalid(format!(
            "spec.models[{name}] needs parameters (as 1.1B) or size (of the file, as 700Mi): GPUs are sized by it"
        )));
    };
    // Only for the KV cache: what a file's size tells of its parameters is too coarse to be shown.
    let guessed = bytes.saturating_mul(800) / u64::from(centibits);
    let estimate = || sizing::estimated_kv_bytes_per_token(parameters.unwrap_or(guessed));
    Ok(Planned {
        revision: revision(model),
        weights: sizing::mib(bytes),
        kv_bytes_per_token: model.kv_bytes_per_token.and_then(|b| u64::try_from(b).ok()).unwrap_or_else(estimate),
        context_tokens: u32::try_from(model.context_tokens).unwrap_or(1),
        parameters,
        dtype: dtype.to_owned(),
    })
}

/// Hash of what makes a model's answers: address, path and digest.
fn revision(model: &Model) -> String {
    let mut hash = Sha256::new();
    for part in [model.uri.as_str(), model.path.as_deref().unwrap_or(""), model.sha256.as_deref().unwrap_or("")] {
        hash.update(part);
        hash.update([0]);
    }
    let digest = hex::encode(hash.finalize());
    digest[..16].to_owned()
}

/// A format as users write it.
fn word(dtype: Dtype) -> &'static str {
    match dtype {
        Dtype::F32 => "F32",
        Dtype::F16 => "F16",
        Dtype::BF16 => "BF16",
        Dtype::Q8_0 => "Q8_0",
        Dtype::Q6K => "Q6_K",
        Dtype::Q5KM => "Q5_K_M",
        Dtype::Q4KM => "Q4_K_M",
        Dtype::Q4_1 => "Q4_1",
        Dtype::Q4_0 => "Q4_0",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cherokee_plan::Mib;
    use serde_json::json;

    fn model(more: &serde_json::Value) -> Model {
        let mut body = json!({"name": "resonance", "uri": "pvc://models/resonance.gguf"});
        for (key, value) in more.as_object().unwrap() {
            body[key] = value.clone();
        }
        serde_json::from_value(body).unwrap()
    }

    #[test]
    fn every_format_has_its_bits_and_its_word_is_the_one_of_the_schema() {
        for dtype in [
            Dtype::F32,
            Dtype::F16,
            Dtype::BF16,
            Dtype::Q8_0,
            Dtype::Q6K,
            Dtype::Q5KM,
            Dtype::Q4KM,
            Dtype::Q4_1,
            Dtype::Q4_0,
        ] {
            assert!(sizing::centibits_per_parameter(word(dtype)).is_some(), "{dtype:?}");
            assert_eq!(serde_json::to_value(dtype).unwrap(), word(dtype));
        }
    }

    #[test]
    fn the_size_of_the_file_wins_over_parameters() {
        let by_size = understand(&model(&json!({"parameters": "135M", "size": "94Mi", "dtype": "Q4_1"}))).unwrap();
        assert_eq!((by_size.weights, by_size.parameters), (Mib(94), Some(135_000_000)));
        let by_parameters = understand(&model(&json!({"parameters": "1.1B"}))).unwrap();
        assert_eq!((by_parameters.weights, by_parameters.kv_bytes_per_token), (Mib(2099), 40 * 1024));
    }

    #[test]
    fn another_file_is_another_revision_and_another_name_is_not() {
        let of = |m: serde_json::Value| understand(&model(&m)).unwrap().revision;
        let first = of(json!({"size": "1Mi"}));
        assert_eq!(first, of(json!({"size": "1Mi", "name": "other", "contextTokens": 512})));
        assert_ne!(first, of(json!({"size": "1Mi", "uri": "pvc://models/other.gguf"})));
        assert_ne!(first, of(json!({"size": "1Mi", "path": "models/x.gguf"})));
        assert_ne!(first, of(json!({"size": "1Mi", "sha256": "a".repeat(64)})));
    }

    #[test]
    fn a_model_of_unknown_size_is_refused() {
        let refusal = understand(&model(&json!({}))).unwrap_err();
        assert!(refusal.to_string().starts_with("spec.models[resonance] needs parameters"), "{refusal}");
    }
}
