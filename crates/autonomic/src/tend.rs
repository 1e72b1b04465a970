//! What to evict: pure.

use cherokee_memory::{Ranked, Room};

/// What a decision sees.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// Bytes of all entries.
    pub bytes: u64,
    /// Bytes that they may take.
    pub budget: u64,
    /// How full Redis itself is.
    pub room: Room,
    /// The coldest entries, coldest first; perhaps not all that have to go.
    pub coldest: Vec<Ranked>,
}

impl Snapshot {
    /// Bytes that have to go, for the budget or for Redis.
    pub fn over(&self) -> u64 {
        self.bytes.saturating_sub(self.budget).max(self.pressure())
    }

    /// Bytes beyond nine tenths of what Redis may hold: counted bytes are an estimate, and a full Redis refuses writes.
    pub fn pressure(&self) -> u64 {
        let Room { used, limit } = self.room;
        if limit == 0 { 0 } else { used.saturating_sub(limit / 10 * 9) }
    }
}

/// What to do.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Actions {
    /// Entries to evict, coldest first.
    pub evict: Vec<Ranked>,
    /// Bytes that have to go even then: look at more entries.
    pub still_over: u64,
}

/// Evicts the coldest entries until the rest fits, and no further.
///
/// Takes no time: all temperatures decay alike, so the order of `coldest` holds at every time.
pub fn tend(snapshot: &Snapshot) -> Actions {
    let mut over = snapshot.over();
    let mut evict = Vec::new();
    for entry in &snapshot.coldest {
        if over == 0 {
            break;
        }
        over = over.saturating_sub(entry.bytes);
        evict.push(*entry);
    }
    Actions { evict, still_over: over }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cherokee_memory::Heat;
    use proptest::prelude::*;

    fn ranked(sizes: &[u64]) -> Vec<Ranked> {
        let entry = |(rank, bytes): (usize, &u64)| Ranked {
            fingerprint: format!("{rank:064x}").parse().unwrap(),
            heat: Heat(f64::from(u32::try_from(rank).unwrap())),
            bytes: *bytes,
        };
        sizes.iter().enumerate().map(entry).collect()
    }

    proptest! {
        #[test]
        fn the_coldest_go_first_and_no_more_than_needed(sizes in prop::collection::vec(1u64..1_000, 0..50), budget in 0u64..20_000) {
            let coldest = ranked(&sizes);
            let bytes = sizes.iter().sum();
            let actions = tend(&Snapshot { bytes, budget, coldest: coldest.clone(), ..Snapshot::default() });
            let gone: u64 = actions.evict.iter().map(|entry| entry.bytes).sum();
            prop_assert_eq!(&actions.evict[..], &coldest[..actions.evict.len()], "never a hotter one before a colder one");
            prop_assert!(bytes - gone <= budget);
            prop_assert_eq!(actions.still_over, 0);
            if let Some(last) = actions.evict.last() {
                prop_assert!(bytes - gone + last.bytes > budget, "without the last one it would not fit");
            }
        }

        #[test]
        fn it_says_how_much_is_left_when_it_saw_too_few(sizes in prop::collection::vec(1u64..1_000, 0..9), more in 1u64..5_000) {
            let seen: u64 = sizes.iter().sum();
            let actions = tend(&Snapshot { bytes: seen + more, coldest: ranked(&sizes), ..Snapshot::default() });
            prop_assert_eq!((actions.evict.len(), actions.still_over), (sizes.len(), more));
        }
    }

    #[test]
    fn within_the_budget_nothing_goes() {
        let snapshot = Snapshot { bytes: 10, budget: 10, coldest: ranked(&[5, 5]), ..Snapshot::default() };
        assert_eq!(tend(&snapshot), Actions::default());
    }

    #[test]
    fn a_redis_that_is_nearly_full_loses_entries_that_the_budget_would_keep() {
        let room = Room { used: 95, limit: 100 };
        let snapshot = Snapshot { bytes: 10, budget: 100, room, coldest: ranked(&[3, 3, 3]) };
        assert_eq!((tend(&snapshot).evict.len(), snapshot.over()), (2, 5));
        let unlimited = Snapshot { room: Room { limit: 0, ..room }, ..snapshot };
        assert_eq!(tend(&unlimited), Actions::default());
    }
}
