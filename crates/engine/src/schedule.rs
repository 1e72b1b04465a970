//! Who computes in the next step. Pure: equal inputs give equal steps.

use crate::contract::Class;

/// One unfinished query. A list of entries is in order of arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Identity, unique among unfinished queries.
    pub id: u64,
    /// Who is served first.
    pub class: Class,
    /// Tokens that are known but not yet computed, at least 1. Exactly 1 while an answer is generated.
    pub remaining: usize,
    /// Place in the KV cache, if it has one.
    pub slot: Option<usize>,
}

/// What a step may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Places in the KV cache.
    pub slots: usize,
    /// Most tokens of one step. More than `slots`, so that prompts advance beside answers.
    pub tokens: usize,
}

/// What the next step does, in this order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// Queries that lose their place; what they computed is computed again later.
    pub evict: Vec<u64>,
    /// Queries that get a place.
    pub admit: Vec<(u64, usize)>,
    /// Queries that compute, and how many of their remaining tokens.
    pub work: Vec<(u64, usize)>,
}

/// Plans one step.
///
/// Only the best class present gets places and computes, so background work stops within one step of an interactive
/// query's arrival and goes on where it was when the last has ended. Places go in order of arrival; an interactive query
/// that finds none takes that of the latest background query. Every placed query of the class that generates advances
/// by one token; what is left of the budget goes to prompts, in order of arrival.
pub fn plan(entries: &[Entry], limits: Limits) -> Step {
    let Some(class) = entries.iter().map(|entry| entry.class).min() else { return Step::default() };
    let (evict, admit) = place(entries, class, limits.slots);
    let placed =
        |entry: &&Entry| entry.class == class && (entry.slot.is_some() || admit.iter().any(|(id, _)| *id == entry.id));
    let (generating, prompts): (Vec<&Entry>, Vec<&Entry>) =
        entries.iter().filter(placed).partition(|entry| entry.remaining == 1);
    let mut left = limits.tokens;
    let mut work = Vec::new();
    for entry in generating.into_iter().chain(prompts) {
        let tokens = entry.remaining.min(left);
        if tokens > 0 {
            work.push((entry.id, tokens));
            left -= tokens;
        }
    }
    Step { evict, admit, work }
}

/// Gives places to waiting queries of `class`: free ones first, then those of the latest queries of a worse class.
fn place(entries: &[Entry], class: Class, slots: usize) -> (Vec<u64>, Vec<(u64, usize)>) {
    let mut free: Vec<usize> =
        (0..slots).rev().filter(|slot| entries.iter().all(|entry| entry.slot != Some(*slot))).collect();
    let mut takeable: Vec<(u64, usize)> = entries
        .iter()
        .filter(|entry| entry.class > class)
        .filter_map(|entry| entry.slot.map(|slot| (entry.id, slot)))
        .collect();
    let (mut evict, mut admit) = (Vec::new(), Vec::new());
    for entry in entries.iter().filter(|entry| entry.class == class && entry.slot.is_none()) {
        let slot = free.pop().or_else(|| {
            takeable.pop().map(|(loser, slot)| {
                evict.push(loser);
                slot
            })
        });
        match slot {
            Some(slot) => admit.push((entry.id, slot)),
            None => break,
        }
    }
    (evict, admit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    const LIMITS: Limits = Limits { slots: 3, tokens: 8 };

    fn entry(id: u64, class: Class, remaining: usize, slot: Option<usize>) -> Entry {
        Entry { id, class, remaining, slot }
    }

    /// Unfinished queries of which the first few have places.
    fn entries() -> impl Strategy<Value = Vec<Entry>> {
        let class = prop_oneof![Just(Class::Interactive), Just(Class::Background)];
        let one = (class, prop_oneof![2 => Just(1usize), 1 => 2usize..40], any::<bool>());
        proptest::collection::vec(one, 0..9).prop_map(|list| {
            let mut free = 0..LIMITS.slots;
            (0..)
                .zip(list)
                .map(|(id, (class, remaining, placed))| {
                    entry(id, class, remaining, if placed { free.next() } else { None })
                })
                .collect()
        })
    }

    /// Applies a step as the runner does; generated answers stay at one remaining token.
    fn apply(entries: &mut [Entry], step: &Step) {
        for entry in entries {
            if step.evict.contains(&entry.id) {
                entry.slot = None;
            }
            if let Some((_, slot)) = step.admit.iter().find(|(id, _)| *id == entry.id) {
                entry.slot = Some(*slot);
            }
            if let Some((_, tokens)) = step.work.iter().find(|(id, _)| *id == entry.id) {
                entry.remaining = (entry.remaining - tokens).max(1);
            }
        }
    }

    proptest! {
        #[test]
        fn a_step_keeps_its_budget_and_its_places(mut entries in entries()) {
            let step = plan(&entries, LIMITS);
            prop_assert!(step.work.iter().map(|(_, tokens)| tokens).sum::<usize>() <= LIMITS.tokens);
            let sound = step.work.iter().all(|(id, tokens)| {
                entries.iter().any(|entry| entry.id == *id && (1..=entry.remaining).contains(tokens))
            });
            prop_assert!(sound, "work on tokens that do not remain");
            apply(&mut entries, &step);
            let slots: Vec<usize> = entries.iter().filter_map(|entry| entry.slot).collect();
            prop_assert!(slots.iter().all(|slot| *slot < LIMITS.slots));
            prop_assert_eq!(slots.iter().collect::<BTreeSet<_>>().len(), slots.len(), "a place is given twice");
            let computes = |id: &u64| entries.iter().any(|entry| entry.id == *id && entry.slot.is_some());
            prop_assert!(step.work.iter().all(|(id, _)| computes(id)), "work without a place");
        }

        #[test]
        fn background_computes_only_where_nothing_interactive_is_unfinished(entries in entries()) {
            let step = plan(&entries, LIMITS);
            let interactive = entries.iter().any(|entry| entry.class == Class::Interactive);
            let background = step.work.iter().any(|(id, _)| {
                entries.iter().any(|entry| entry.id == *id && entry.class == Class::Background)
            });
            prop_assert!(!(interactive && background));
        }

        #[test]
        fn an_interactive_query_loses_its_place_to_nobody(entries in entries()) {
            let step = plan(&entries, LIMITS);
            let background = step.evict.iter().all(|id| {
                entries.iter().any(|entry| entry.id == *id && entry.class == Class::Background)
            });
            prop_assert!(background, "an interactive query lost its place");
            prop_assert!(step.evict.len() <= step.admit.len());
        }

        #[test]
        fn work_is_done_whenever_there_is_some_and_every_generating_query_of_the_class_advances(entries in entries()) {
            let step = plan(&entries, LIMITS);
            prop_assert_eq!(step.work.is_empty(), entries.is_empty());
            let class = entries.iter().map(|entry| entry.class).min();
            for entry in entries.iter().filter(|entry| Some(entry.class) == class && entry.remaining == 1) {
                let placed = entry.slot.is_some() || step.admit.iter().any(|(id, _)| *id == entry.id);
                prop_assert!(!placed || step.work.contains(&(entry.id, 1)));
            }
        }

        #[test]
        fn no_prompt_starves(mut entries in entries()) {
            let Some(class) = entries.iter().map(|entry| entry.class).min() else { return Ok(()) };
            // A prompt waits for those before it, each of which gets what generating queries leave of every step.
            let left = LIMITS.tokens - LIMITS.slots;
            let ours = |entries: &[Entry]| {
                let mut placed: Vec<Entry> =
                    entries.iter().filter(|entry| entry.class == class && entry.slot.is_some()).copied().collect();
                placed.retain(|entry| entry.remaining > 1);
                placed
            };
            let first = plan(&entries, LIMITS);
            apply(&mut entries, &first);
            let bound: usize = ours(&entries).iter().map(|entry| entry.remaining.div_ceil(left)).sum();
            for _ in 0..bound {
                let step = plan(&entries, LIMITS);
                apply(&mut entries, &step);
            }
            prop_assert!(ours(&entries).is_empty(), "{entries:?}");
        }
    }

    #[test]
    fn an_interactive_query_takes_the_place_of_the_latest_background_query() {
        let background = |id, slot| entry(id, Class::Background, 1, Some(slot));
        let entries = [background(1, 0), background(2, 1), background(3, 2), entry(4, Class::Interactive, 20, None)];
        let step = plan(&entries, LIMITS);
        assert_eq!(step, Step { evict: vec![3], admit: vec![(4, 2)], work: vec![(4, 8)] });
    }

    #[test]
    fn answers_advance_before_a_long_prompt_takes_the_rest() {
        let interactive = |id, remaining, slot| entry(id, Class::Interactive, remaining, Some(slot));
        let step = plan(&[interactive(1, 30, 0), interactive(2, 1, 1), interactive(3, 1, 2)], LIMITS);
        assert_eq!(step.work, [(2, 1), (3, 1), (1, 6)]);
    }
}
