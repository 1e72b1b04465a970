//! The thread that owns the device: takes queries, plans a step, computes it, sends what became text.

use crate::{
    contract::Class,
    loading::Model,
    model::KvCache,
    queue::Shared,
    schedule::{self, Limits, Step},
    sequence::Sequence,
};
use std::sync::Arc;

/// Steps that fail in a row before the engine ends: a GPU's fault sticks to its context, so only a new process helps.
const MOST_FAILED_STEPS: u32 = 3;

/// A model with its cache and its unfinished queries, in order of arrival.
pub(crate) struct Lane {
    pub(crate) model: Arc<Model>,
    pub(crate) cache: KvCache,
    pub(crate) sequences: Vec<Sequence>,
    /// When it last computed, in steps of the engine.
    pub(crate) last_step: u64,
}

/// Computes until the engine is closed.
pub(crate) fn run(shared: &Shared, mut lanes: Vec<Lane>, limits: Limits) {
    let _closed_at_the_end = Closing(shared);
    let mut failures = Failures::default();
    for step in 1.. {
        let idle = lanes.iter().all(|lane| lane.sequences.is_empty());
        let Some(arrived) = shared.take(idle) else { return };
        for (lane, sequence) in arrived {
            lanes[lane].sequences.push(sequence);
        }
        for lane in &mut lanes {
            retire(shared, lane, Sequence::cancelled);
        }
        if let Some(lane) = next(&mut lanes) {
            lane.last_step = step;
            let worked = compute(shared, lane, limits);
            if failures.are_too_many_after(worked) {
                tracing::error!(steps = MOST_FAILED_STEPS, "every step fails, the engine ends");
                return;
            }
        }
        let running = lanes.iter().flat_map(|lane| &lane.sequences).filter(|sequence| sequence.slot.is_some()).count();
        shared.note_running(running);
    }
}

/// The lane that computes next: the one with the best class; among equals the one that has waited longest.
fn next(lanes: &mut [Lane]) -> Option<&mut Lane> {
    let urgency = |lane: &Lane| lane.sequences.iter().map(Sequence::class).min();
    lanes
        .iter_mut()
        .filter_map(|lane| urgency(lane).map(|class: Class| ((class, lane.last_step), lane)))
        .min_by_key(|(order, _)| *order)
        .map(|(_, lane)| lane)
}

/// One step of one model; returns whether it worked.
fn compute(shared: &Shared, lane: &mut Lane, limits: Limits) -> bool {
    let entries: Vec<_> = lane.sequences.iter().map(Sequence::entry).collect();
    let Step { evict, admit, work } = schedule::plan(&entries, limits);
    for sequence in &mut lane.sequences {
        if evict.contains(&sequence.id()) {
            sequence.evict();
        }
        if let Some((_, slot)) = admit.iter().find(|(id, _)| *id == sequence.id()) {
            sequence.slot = Some(*slot);
        }
    }
    let mut workers: Vec<(&mut Sequence, usize)> = lane
        .sequences
        .iter_mut()
        .filter_map(|sequence| {
            let (_, count) = work.iter().find(|(id, _)| *id == sequence.id())?;
            Some((sequence, *count))
        })
        .collect();
    let pieces: Vec<_> =
        workers.iter().filter_map(|(sequence, count)| sequence.slot.map(|slot| sequence.piece(slot, *count))).collect();
    let mut ended = Vec::new();
    let computed = lane.model.llama.forward(&mut lane.cache, &pieces);
    let worked = computed.is_ok();
    match computed {
        Ok(logits) => {
            let mut logits = logits.into_iter();
            for ((sequence, count), piece) in workers.iter_mut().zip(&pieces) {
                sequence.computed(*count);
                let wanted = piece.logits == crate::model::Wanted::Last;
                if let Some(row) = wanted.then(|| logits.next()).flatten()
                    && sequence.advance(&row, &lane.model.tokenizer)
                {
                    ended.push(sequence.id());
                }
            }
        }
        Err(fault) => {
            tracing::error!(model = lane.model.name, %fault, "a step failed");
            for (sequence, _) in &workers {
                sequence.fail("the engine failed to compute; see the worker's log");
                ended.push(sequence.id());
            }
        }
    }
    retire(shared, lane, |sequence| ended.contains(&sequence.id()));
    worked
}

/// Steps that failed in a row.
#[derive(Debug, Default)]
struct Failures(u32);

impl Failures {
    /// Counts a step; says whether the engine is to end.
    fn are_too_many_after(&mut self, worked: bool) -> bool {
        self.0 = if worked { 0 } else { self.0 + 1 };
        self.0 >= MOST_FAILED_STEPS
    }
}

/// Forgets the queries that `gone` names.
fn retire(shared: &Shared, lane: &mut Lane, gone: impl Fn(&Sequence) -> bool) {
    lane.sequences.retain(|sequence| {
        let gone = gone(sequence);
        if gone {
            shared.ended(sequence.class());
        }
        !gone
    });
}

/// Closes the engine when the thread ends, be it by a panic.
struct Closing<'a>(&'a Shared);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.close();
    }
}

#[cfg(test)]
mod tests {
    use super::Failures;

    #[test]
    fn the_engine_ends_after_three_failed_steps_in_a_row_and_no_fewer() {
        let mut failures = Failures::default();
        let ends = [false, false, true, false, false, false].map(|worked| failures.are_too_many_after(worked));
        assert_eq!(ends, [false, false, false, false, false, true]);
    }
}
