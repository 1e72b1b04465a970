//! What a night does, best first: pure.

use cherokee_memory::{
    Fingerprint,
    night::{Item, Kind},
};
use std::collections::BTreeSet;

/// A query that could be worked on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Whose query it is.
    pub tenant: String,
    /// Which query.
    pub fingerprint: Fingerprint,
}

/// The items of a night, at most `most`: cut queries before entries, both in the order given (hottest first) but with
/// the tenants taking turns, so that no tenant's heat takes the night from the others.
pub fn plan(cut: &[Candidate], hot: &[Candidate], most: usize) -> Vec<Item> {
    let noted: BTreeSet<_> = cut.iter().map(|candidate| candidate.fingerprint).collect();
    let hot: Vec<_> = hot.iter().filter(|candidate| !noted.contains(&candidate.fingerprint)).cloned().collect();
    let items = |kind, candidates: &[Candidate]| {
        taking_turns(candidates).into_iter().map(move |fingerprint| Item { kind, fingerprint }).collect::<Vec<_>>()
    };
    let mut all = items(Kind::Complete, cut);
    all.extend(items(Kind::Reanswer, &hot));
    all.truncate(most);
    all
}

fn taking_turns(candidates: &[Candidate]) -> Vec<Fingerprint> {
    let mut tenants: Vec<(&str, Vec<Fingerprint>)> = Vec::new();
    for candidate in candidates {
        match tenants.iter_mut().find(|(name, _)| *name == candidate.tenant) {
            Some((_, own)) => own.push(candidate.fingerprint),
            None => tenants.push((&candidate.tenant, vec![candidate.fingerprint])),
        }
    }
    let rounds = tenants.iter().map(|(_, own)| own.len()).max().unwrap_or_default();
    (0..rounds).flat_map(|round| tenants.iter().filter_map(move |(_, own)| own.get(round).copied())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn candidates() -> impl Strategy<Value = Vec<Candidate>> {
        prop::collection::vec((0u8..4, any::<u8>()), 0..30).prop_map(|list| {
            let mut seen = BTreeSet::new();
            let candidate = |(tenant, number): (u8, u8)| {
                let fingerprint = format!("{number:064x}").parse().unwrap();
                Candidate { tenant: tenant.to_string(), fingerprint }
            };
            list.into_iter().map(candidate).filter(|one| seen.insert(one.fingerprint)).collect()
        })
    }

    proptest! {
        #[test]
        fn every_query_comes_once_cut_ones_first_and_never_more_than_allowed(cut in candidates(), hot in candidates(), most in 0usize..40) {
            let items = plan(&cut, &hot, most);
            let all: BTreeSet<_> = cut.iter().chain(&hot).map(|one| one.fingerprint).collect();
            prop_assert_eq!(items.len(), all.len().min(most));
            prop_assert_eq!(items.iter().map(|item| item.fingerprint).collect::<BTreeSet<_>>().len(), items.len());
            prop_assert!(items.is_sorted_by_key(|item| item.kind));
            prop_assert_eq!(items, plan(&cut, &hot, most));
        }

        #[test]
        fn no_tenant_waits_while_another_has_two_turns_more(hot in candidates(), most in 0usize..40) {
            let items = plan(&[], &hot, most);
            let tenant_of = |item: &Item| &hot.iter().find(|one| one.fingerprint == item.fingerprint).unwrap().tenant;
            let turns = |tenant: &str| items.iter().filter(|item| tenant_of(item) == tenant).count();
            for a in &hot {
                for b in &hot {
                    let all_of_a = hot.iter().filter(|one| one.tenant == a.tenant).count();
                    prop_assert!(turns(&a.tenant) == all_of_a || turns(&b.tenant) <= turns(&a.tenant) + 1);
                }
            }
        }
    }
}
