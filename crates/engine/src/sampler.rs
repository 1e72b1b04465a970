//! The next token from logits: greedy, or drawn by temperature and top-p with a seed.

use crate::contract::Sampling;
use std::hash::{BuildHasher, RandomState};

/// Tokens that are sorted first: the top-p set rarely needs more.
const LIKELY: usize = 256;

/// Chooses tokens. Equal logits and an equal seed give equal tokens.
#[derive(Clone, Debug)]
pub struct Sampler {
    temperature: f64,
    top_p: f64,
    state: u64,
}

impl Sampler {
    /// A sampler of its own for one answer.
    pub fn new(sampling: &Sampling) -> Self {
        let seed = sampling.seed.unwrap_or_else(|| RandomState::new().hash_one(0));
        Self { temperature: sampling.temperature, top_p: sampling.top_p, state: seed }
    }

    /// The next token. Ties go to the lower token.
    pub fn next(&mut self, logits: &[f32]) -> u32 {
        let best = argmax(logits);
        // Below this the exponentials of all but the best vanish: greedy is what the caller means.
        if self.temperature < 1e-4 {
            return token(best);
        }
        let scale = 1.0 / self.temperature;
        let top = f64::from(logits[best]);
        let weights: Vec<f64> = logits.iter().map(|&logit| ((f64::from(logit) - top) * scale).exp()).collect();
        let total: f64 = weights.iter().sum();
        let point = self.uniform();
        if self.top_p >= 1.0 {
            return token(walk(weights.iter().copied().enumerate(), point * total).unwrap_or(best));
        }
        let nucleus = nucleus(&weights, self.top_p * total);
        let mass: f64 = nucleus.iter().map(|&index| weights[index]).sum();
        let chosen = walk(nucleus.iter().map(|&index| (index, weights[index])), point * mass);
        token(chosen.unwrap_or(best))
    }

    /// A number in 0..1, by `SplitMix64`: the same on every machine and in every version.
    fn uniform(&mut self) -> f64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^= mixed >> 31;
        let high = u32::try_from(mixed >> 32).unwrap_or(u32::MAX);
        f64::from(high) / (f64::from(u32::MAX) + 1.0)
    }
}

/// Position of the largest logit, the first of equals.
pub fn argmax(logits: &[f32]) -> usize {
    let mut best = 0;
    for (index, logit) in logits.iter().enumerate() {
        if *logit > logits[best] {
            best = index;
        }
    }
    best
}

/// The fewest likeliest tokens whose weights reach `mass`, likeliest first.
fn nucleus(weights: &[f64], mass: f64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..weights.len()).collect();
    let likelier = |a: &usize, b: &usize| weights[*b].total_cmp(&weights[*a]).then(a.cmp(b));
    let mut sorted = 0;
    for next in [LIKELY, usize::MAX] {
        let next = next.min(order.len());
        if next < order.len() {
            order.select_nth_unstable_by(next, likelier);
        }
        order[sorted..next].sort_unstable_by(likelier);
        sorted = next;
        let mut reached = 0.0;
        for (count, index) in order[..sorted].iter().enumerate() {
            reached += weights[*index];
            if reached >= mass {
                order.truncate(count + 1);
                return order;
            }
        }
    }
    order
}

/// The first item at which the running sum passes `point`.
fn walk(items: impl Iterator<Item = (usize, f64)>, point: f64) -> Option<usize> {
    let mut reached = 0.0;
    let mut last = None;
    for (index, weight) in items.filter(|(_, weight)| *weight > 0.0) {
        reached += weight;
        last = Some(index);
        if reached > point {
            break;
        }
    }
    last
}

fn token(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sampler(temperature: f64, top_p: f64, seed: u64) -> Sampler {
        Sampler::new(&Sampling { temperature, top_p, seed: Some(seed) })
    }

    #[test]
    fn temperature_zero_takes_the_likeliest_and_the_first_of_equals() {
        assert_eq!(sampler(0.0, 1.0, 1).next(&[0.5, 2.0, 2.0, -1.0]), 1);
    }

    #[test]
    fn draws_follow_the_probabilities() {
        let logits = [0.0, 1.0_f32.ln() + std::f32::consts::LN_2, f32::NEG_INFINITY];
        let mut sampler = sampler(1.0, 1.0, 7);
        let ones = (0..3000).filter(|_| sampler.next(&logits) == 1).count();
        assert!((1900..2100).contains(&ones), "two thirds of 3000 expected, got {ones}");
    }

    #[test]
    fn without_a_seed_two_samplers_differ() {
        let logits = vec![0.0; 1000];
        let draw = || {
            let mut sampler = Sampler::new(&Sampling::default());
            (0..8).map(|_| sampler.next(&logits)).collect::<Vec<_>>()
        };
        assert_ne!(draw(), draw());
    }

    proptest! {
        #[test]
        fn an_equal_seed_gives_equal_tokens(
            logits in proptest::collection::vec(-9.0f32..9.0, 1..600), seed: u64, top_p in 0.01f64..1.0
        ) {
            prop_assert_eq!(sampler(0.8, top_p, seed).next(&logits), sampler(0.8, top_p, seed).next(&logits));
        }

        #[test]
        fn only_the_fewest_likeliest_tokens_that_reach_top_p_are_drawn(
            logits in proptest::collection::vec(-4.0f32..4.0, 1..600), seed: u64, top_p in 0.01f64..0.99
        ) {
            let chosen = sampler(1.0, top_p, seed).next(&logits) as usize;
            let weights: Vec<f64> = logits.iter().map(|&logit| f64::from(logit).exp()).collect();
            let total: f64 = weights.iter().sum();
            let likelier: f64 = weights.iter().filter(|&&weight| weight > weights[chosen]).sum();
            prop_assert!(likelier < top_p * total);
        }
    }
}
