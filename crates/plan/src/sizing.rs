//! How much device memory a model takes.
//!
//! The seed's formula is VRAM = parameters x bytes per parameter x 1.2. Here its parts stand apart: weights, a reserve of
//! 20% of them (at least [`LEAST_RESERVE`]) for activations and the runtime, and beside both the KV cache, for which 20%
//! would leave no room. So a need is never below the seed's. All in whole numbers; what is not a whole mebibyte counts as one.

use crate::{
    Mib,
    intent::{Memory, Model},
};

/// Below this the runtime of a GPU does not start, however small the model.
pub const LEAST_RESERVE: Mib = Mib(256);

const MEBIBYTE: u128 = 1 << 20;

/// Hundredths of a bit that one parameter takes when stored as `dtype`, by the block layout of GGUF; mixed formats by
/// their usual mean. None for a word that is not a format.
pub fn centibits_per_parameter(dtype: &str) -> Option<u32> {
    Some(match dtype {
        "F32" => 3200,
        "F16" | "BF16" => 1600,
        "Q8_0" => 850,
        "Q6_K" => 656,
        "Q5_K_M" => 550,
        "Q4_K_M" => 490,
        "Q4_1" => 500,
        "Q4_0" => 450,
        _ => return None,
    })
}

/// Bytes of weights of so many parameters.
pub fn weight_bytes(parameters: u64, centibits: u32) -> u64 {
    let bytes = (u128::from(parameters) * u128::from(centibits)).div_ceil(800);
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

/// The seed's formula in bytes: weights and a fifth more.
pub fn seed_bytes(parameters: u64, centibits: u32) -> u64 {
    let bytes = (u128::from(weight_bytes(parameters, centibits)) * 6).div_ceil(5);
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

/// Mebibytes that hold so many bytes.
pub fn mib(bytes: u64) -> Mib {
    Mib(bytes.div_ceil(1 << 20))
}

/// Bytes of KV cache a token takes at 16 bits, for a model of which only the size is known.
///
/// Read off models with grouped heads (2 x layers x KV heads x head size x 2 bytes), the largest of each class: SmolLM2-360M
/// 40 KiB, Llama-3.2-1B 32 KiB, Llama-3.2-3B 112 KiB, Llama-3.1-8B 128 KiB, Qwen2.5-14B 192 KiB, Qwen2.5-32B 256 KiB,
/// Llama-3.1-70B 320 KiB, Llama-3.1-405B 504 KiB. Older models without them take four times that: their owner says so in
/// `kvBytesPerToken`.
pub fn estimated_kv_bytes_per_token(parameters: u64) -> u64 {
    const CLASSES: [(u64, u64); 6] = [
        (2_000_000_000, 40),
        (5_000_000_000, 112),
        (9_000_000_000, 128),
        (16_000_000_000, 192),
        (40_000_000_000, 256),
        (80_000_000_000, 320),
    ];
    let class = CLASSES.iter().find(|(most, _)| parameters <= *most);
    class.map_or(504, |(_, kib)| *kib) * 1024
}

/// Memory of one process that holds `model` for so many queries at once. With a budget, `total` is the budget.
pub fn memory(model: &Model, max_sequences: u32, budget: Option<Mib>) -> Memory {
    let kv = u128::from(model.kv_bytes_per_token) * u128::from(model.context_tokens) * u128::from(max_sequences);
    let kv_cache = Mib(u64::try_from(kv.div_ceil(MEBIBYTE)).unwrap_or(u64::MAX));
    let reserve = Mib(model.weights.0.div_ceil(5)).max(LEAST_RESERVE);
    let sum = model.weights + kv_cache + reserve;
    Memory { weights: model.weights, kv_cache, reserve, total: budget.unwrap_or(sum) }
}

/// What the parts of `memory` come to; more than its total when a budget is too small.
pub fn need(memory: &Memory) -> Mib {
    memory.weights + memory.kv_cache + memory.reserve
}

/// What the seed's table says of a need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// At most two fifths of the device: the rest is for batches.
    Fits,
    /// It fits, and leaves less than three fifths for batches.
    Tight,
    /// It does not fit one device: so many at least, and at most.
    Needs(u64, u64),
}

/// Judges a need against one device; both in the same unit.
pub fn verdict(need: u64, device: u64) -> Verdict {
    if u128::from(need) * 5 <= u128::from(device) * 2 {
        Verdict::Fits
    } else if need <= device {
        Verdict::Tight
    } else {
        let least = need.div_ceil(device.max(1));
        Verdict::Needs(least, least + 1)
    }
}

/// Bytes in decimal gigabytes and in gibibytes, as vendors and as drivers count: `33.6 GB (31.3 GiB)`.
pub fn both_units(bytes: u64) -> String {
    format!("{} GB ({} GiB)", tenths(bytes, 1_000_000_000), tenths(bytes, 1 << 30))
}

/// A quotient with one decimal, rounded.
pub(crate) fn tenths(value: u64, unit: u64) -> String {
    let tenths = (u128::from(value) * 10 + u128::from(unit / 2)) / u128::from(unit);
    format!("{}.{}", tenths / 10, tenths % 10)
}

/// Parameters in words: `1.1B`, `135M`.
pub(crate) fn parameters(count: u64) -> String {
    let (unit, word) = if count >= 1_000_000_000 { (1_000_000_000, "B") } else { (1_000_000, "M") };
    let text = tenths(count, unit);
    format!("{}{word}", text.strip_suffix(".0").unwrap_or(&text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GB16: u64 = 16_000_000_000;

    fn model(parameters: u64, dtype: &str) -> Model {
        let bits = centibits_per_parameter(dtype).unwrap();
        Model {
            revision: String::new(),
            weights: mib(weight_bytes(parameters, bits)),
            kv_bytes_per_token: estimated_kv_bytes_per_token(parameters),
            context_tokens: 2048,
            parameters: Some(parameters),
            dtype: dtype.into(),
        }
    }

    #[test]
    fn the_seeds_table_comes_out_as_it_is_written() {
        let rows = [
            (160_000_000, 384_000_000, Verdict::Fits),
            (500_000_000, 1_200_000_000, Verdict::Fits),
            (1_100_000_000, 2_640_000_000, Verdict::Fits),
            (3_000_000_000, 7_200_000_000, Verdict::Tight),
            (7_000_000_000, 16_800_000_000, Verdict::Needs(2, 3)),
            (14_000_000_000, 33_600_000_000, Verdict::Needs(3, 4)),
        ];
        for (parameters, bytes, said) in rows {
            assert_eq!(seed_bytes(parameters, 1600), bytes);
            assert_eq!(verdict(bytes, GB16), said, "{parameters}");
        }
    }

    #[test]
    fn gigabytes_and_gibibytes_are_both_right() {
        assert_eq!(both_units(seed_bytes(14_000_000_000, 1600)), "33.6 GB (31.3 GiB)");
        assert_eq!(both_units(seed_bytes(14_000_000_000, 490)), "10.3 GB (9.6 GiB)");
        assert_eq!(both_units(16_303 << 20), "17.1 GB (15.9 GiB)");
    }

    #[test]
    fn seven_billion_in_16_bits_do_not_fit_a_device_of_16_gib_once_the_kv_cache_is_counted() {
        let device = Mib(16_303);
        let seven = memory(&model(7_000_000_000, "F16"), 4, None);
        assert!(mib(seed_bytes(7_000_000_000, 1600)) <= device);
        assert!(seven.total > device, "{seven:?}");
        assert_eq!(verdict(seven.total.0, device.0), Verdict::Needs(2, 3));
    }

    #[test]
    fn fourteen_billion_fit_one_device_only_at_four_bits() {
        assert!(memory(&model(14_000_000_000, "Q4_K_M"), 4, None).total <= Mib(16_303));
        assert!(memory(&model(14_000_000_000, "F16"), 1, None).total > Mib(16_303));
    }

    #[test]
    fn the_parts_stand_apart() {
        let m = memory(&model(1_100_000_000, "F16"), 8, None);
        assert_eq!((m.weights, m.kv_cache, m.reserve, m.total), (Mib(2099), Mib(640), Mib(420), Mib(3159)));
        let small = memory(&model(135_000_000, "Q4_1"), 1, Some(Mib(6144)));
        assert_eq!((small.reserve, small.total), (LEAST_RESERVE, Mib(6144)));
    }

    #[test]
    fn parameters_read_as_people_write_them() {
        assert_eq!(parameters(1_100_000_000), "1.1B");
        assert_eq!(parameters(14_000_000_000), "14B");
        assert_eq!(parameters(134_515_008), "134.5M");
    }

    proptest! {
        #[test]
        fn a_need_is_never_below_the_seeds(p in 1u64..1_000_000_000_000, s in 1u32..256) {
            for dtype in ["F32", "F16", "Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "Q4_1", "Q4_0"] {
                let bits = centibits_per_parameter(dtype).unwrap();
                let m = memory(&model(p, dtype), s, None);
                prop_assert!(m.total >= mib(seed_bytes(p, bits)));
                prop_assert_eq!(need(&m), m.total);
            }
        }

        #[test]
        fn nothing_overflows(p in any::<u64>(), kv in any::<u64>(), c in any::<u32>(), s in any::<u32>()) {
            let mut m = model(1, "F16");
            m.weights = mib(weight_bytes(p, 3200));
            (m.kv_bytes_per_token, m.context_tokens) = (kv, c);
            prop_assert!(memory(&m, s, None).total >= m.weights);
            let _ = (seed_bytes(p, 3200), verdict(p, kv), estimated_kv_bytes_per_token(p));
        }
    }
}
