use super::*;
use proptest::prelude::*;

fn name(index: usize) -> Name {
    Name::new("ns", &format!("c{index}"))
}
fn wall(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_500_000 + seconds, 0).unwrap()
}
fn soon(after: Duration) -> Next {
    Next { after, edge: None }
}
const HOUR: Duration = Duration::from_hours(1);
const STEP: Duration = Duration::from_millis(10);

proptest! {
    #[test]
    fn a_change_is_never_due_later_than_the_maximum_delay_however_changes_come(
        gaps in prop::collection::vec(0_u64..400, 1..300), lengths in prop::collection::vec(1_u64..60, 1..20),
    ) {
        let (mut queue, start) = (Queue::default(), Instant::now());
        let mut changes: Vec<Duration> = gaps.iter().scan(0, |at, gap| { *at += gap; Some(Duration::from_millis(*at)) }).collect();
        let (mut waiting, mut ends, mut passes): (Option<Duration>, Option<Duration>, usize) = (None, None, 0);
        let mut at = Duration::ZERO;
        while !changes.is_empty() || waiting.is_some() || ends.is_some() {
            if ends.is_some_and(|end| end <= at) {
                queue.done(&name(0), Some(soon(HOUR)), start + at);
                ends = None;
            }
            while changes.first().is_some_and(|change| *change <= at) {
                changes.remove(0);
                queue.wake(name(0), start + at);
                waiting = waiting.or(Some(at));
            }
            let taken = queue.take(start + at, wall(0));
            prop_assert!(taken.is_none() || ends.is_none(), "two passes at once");
            if taken.is_some() {
                waiting = None;
                ends = Some(at + Duration::from_millis(lengths[passes % lengths.len()] * 10));
                passes += 1;
            }
            // A pass that runs may end later; then the next one follows at once.
            if let (Some(since), None) = (waiting, ends) {
                prop_assert!(at < since + Duration::from_millis(1020), "{since:?} waits at {at:?}");
            }
            at += STEP;
        }
        let length = at + SPACING;
        prop_assert!(passes as u128 <= length.as_millis() / 1000 + 2, "{passes} passes in {length:?}");
    }

    #[test]
    fn at_most_four_passes_run_and_never_two_over_one_name(ops in prop::collection::vec((0_usize..8, any::<bool>()), 1..200)) {
        let (mut queue, start) = (Queue::default(), Instant::now());
        let mut running: Vec<Name> = Vec::new();
        for (step, (index, ends)) in ops.into_iter().enumerate() {
            let now = start + Duration::from_millis(100) * u32::try_from(step).unwrap();
            queue.wake(name(index), now);
            if ends && !running.is_empty() {
                let done = running.remove(index % running.len());
                queue.done(&done, Some(soon(HOUR)), now);
            }
            if let Some(taken) = queue.take(now, wall(0)) {
                prop_assert!(!running.contains(&taken));
                running.push(taken);
            }
            prop_assert!(running.len() <= 4);
        }
    }
}

#[test]
fn a_due_time_fires_once_and_only_for_its_name() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    for index in 0..2 {
        queue.wake(name(index), now);
        assert_eq!(queue.take(now + COALESCE, wall(0)), Some(name(index)));
    }
    queue.done(&name(0), Some(Next { after: HOUR, edge: Some(wall(60)) }), now);
    queue.done(&name(1), Some(Next { after: HOUR, edge: None }), now);
    // The machine was paused: the timers stand at `now`, the wall clock is past the edge.
    assert_eq!(queue.take(now, wall(59)), None);
    assert_eq!(queue.take(now, wall(60)), Some(name(0)));
    // That pass fails: only its retry is due, not the edge again.
    queue.done(&name(0), Some(soon(Duration::from_secs(10))), now);
    assert_eq!(queue.take(now, wall(3600)), None);
    assert_eq!(queue.next(), Some(now + Duration::from_secs(10)));
    assert_eq!(queue.take(now + Duration::from_secs(10), wall(3600)), Some(name(0)));
    assert_eq!(queue.take(now + HOUR, wall(3600)), Some(name(1)));
}

#[test]
fn what_is_woken_while_it_runs_runs_again_afterwards() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    queue.wake(name(0), now);
    let begun = now + COALESCE;
    assert!(queue.take(begun, wall(0)).is_some());
    queue.wake(name(0), begun);
    assert_eq!((queue.take(begun + HOUR, wall(0)), queue.next(), queue.running()), (None, None, 1));
    queue.done(&name(0), None, begun + COALESCE);
    assert_eq!(queue.next(), Some(begun + SPACING));
    assert_eq!(queue.take(begun + SPACING, wall(0)), Some(name(0)));
    queue.done(&name(0), None, now + HOUR);
    assert_eq!((queue.next(), queue.entries.len()), (None, 0));
}

#[test]
fn an_edge_goes_before_changes_of_others_that_were_due_earlier() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    queue.wake(name(9), now);
    assert!(queue.take(now + COALESCE, wall(0)).is_some());
    queue.done(&name(9), Some(soon(Duration::from_secs(2))), now);
    for busy in 0..8 {
        queue.wake(name(busy), now);
    }
    assert_eq!(queue.take(now + Duration::from_secs(3), wall(0)), Some(name(9)));
}
