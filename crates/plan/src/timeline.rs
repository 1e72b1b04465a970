//! Who of a group is awake, which of its processes is on, and until when.
//!
//! One role of a group admits queries at a time. Where the device changes hands the role of higher priority keeps its full
//! window: the other stops admitting so early that its running queries end (`drain`) and the next worker starts (`leadTime`)
//! before, and its own worker starts only after the first has drained. Inside one process nothing has to start.

use crate::{
    calendar::{self, Clock},
    group::Group,
    intent::{Intent, Interval},
    outcome::RoleState,
    span,
};
use chrono::{DateTime, TimeDelta, Utc};

#[cfg(test)]
mod tests;

/// What a role does, and what comes next.
#[derive(Clone, Copy)]
pub(crate) struct Phase {
    pub(crate) state: RoleState,
    /// When that changes, and to what: `Awake` or `Asleep`.
    pub(crate) next: Option<(DateTime<Utc>, RoleState)>,
}

/// What a group does now.
pub(crate) struct Now {
    /// In the order of [`Group::roles`].
    pub(crate) roles: Vec<Phase>,
    /// Whether each process wants its replica, in the order of [`Group::parts`].
    pub(crate) on: Vec<bool>,
    /// When the first of all this changes.
    pub(crate) until: Option<DateTime<Utc>>,
}

/// What a group does at `now`.
pub(crate) fn look(group: &Group<'_>, intent: &Intent, now: DateTime<Utc>) -> Now {
    look_by(group, intent, &Clock::new(&intent.time_zone), now)
}

/// The same, on a clock that counts the instants looked at: a week of them, and few for each role that sleeps longer.
fn look_by(group: &Group<'_>, intent: &Intent, clock: &Clock<'_>, now: DateTime<Utc>) -> Now {
    let hand_over = intent.drain.delta() + intent.lead_time.delta();
    let reach = reach(hand_over, group.roles.len());
    // Before this nothing that is seen can be cut by a window that is not.
    let mut trusted = now + calendar::WEEK;
    let days = Days::of(group, intent, clock, Interval { from: now - reach, until: trusted + reach });
    let mut answer = Now {
        until: days.on.iter().filter_map(|list| span::next_edge(list, now)).filter(|e| *e < trusted).min(),
        on: days.on.iter().map(|list| span::covers(list, now)).collect(),
        roles: days.admits.iter().map(|list| phase(list, intent.drain.delta(), now, trusted)).collect(),
    };
    let wakes: Vec<Interval> = group.roles.iter().flat_map(|m| m.role.wake.iter().copied()).collect();
    let mut spare = calendar::SPARE_STRETCHES;
    while spare > 0 {
        let open = group.roles.iter().zip(&answer.roles).filter(|(_, phase)| phase.next.is_none());
        let Some(next) = open.filter_map(|(m, _)| m.calendar.steady_until(&wakes, clock, trusted)).min() else { break };
        let after = trusted.max(next - hand_over) - TimeDelta::seconds(1);
        trusted = next + TimeDelta::days(1);
        let days = Days::of(group, intent, clock, Interval { from: after - reach, until: trusted + reach });
        let edge = |list: &Vec<Interval>| span::next_edge(list, after).filter(|e| *e < trusted);
        let mut found = false;
        for (phase, list) in answer.roles.iter_mut().zip(&days.admits).filter(|(phase, _)| phase.next.is_none()) {
            let to = if span::covers(list, after) { RoleState::Asleep } else { RoleState::Awake };
            phase.next = edge(list).map(|at| (at, to));
            found |= phase.next.is_some();
        }
        answer.until = answer.until.into_iter().chain(days.on.iter().filter_map(edge)).min();
        if !found {
            spare -= 1;
        }
    }
    let phases = answer.roles.iter().filter_map(|p| p.next.map(|(at, _)| at));
    answer.until = answer.until.into_iter().chain(phases).min();
    answer
}

/// How far away an edge can move another: a hand-over for each role of a chain. Chains of days are cut at one day.
fn reach(hand_over: TimeDelta, roles: usize) -> TimeDelta {
    let links = i32::try_from(roles).unwrap_or(i32::MAX).saturating_add(1);
    hand_over.checked_mul(links).unwrap_or(TimeDelta::MAX).min(TimeDelta::days(1)).max(hand_over * 2)
}

fn phase(admits: &[Interval], drain: TimeDelta, now: DateTime<Utc>, trusted: DateTime<Utc>) -> Phase {
    let edge = span::next_edge(admits, now).filter(|e| *e < trusted);
    if span::covers(admits, now) {
        return Phase { state: RoleState::Awake, next: edge.map(|at| (at, RoleState::Asleep)) };
    }
    let wakes = edge.map(|at| (at, RoleState::Awake));
    let ended = admits.iter().map(|i| i.until).take_while(|until| *until <= now).last();
    match ended.map(|e| e + drain).filter(|e| *e > now) {
        Some(drained) => {
            let first = wakes.filter(|(at, _)| *at <= drained).unwrap_or((drained, RoleState::Asleep));
            Phase { state: RoleState::Draining, next: Some(first) }
        }
        None => Phase { state: RoleState::Asleep, next: wakes },
    }
}

/// A stretch of calendar of a group.
struct Days {
    /// When each role admits queries.
    admits: Vec<Vec<Interval>>,
    /// When each process is on.
    on: Vec<Vec<Interval>>,
}

impl Days {
    fn of(group: &Group<'_>, intent: &Intent, clock: &Clock<'_>, span: Interval) -> Self {
        let (drain, lead) = (intent.drain.delta(), intent.lead_time.delta());
        let mut admits: Vec<Vec<Interval>> = Vec::new();
        // When each role has the device, from the start of its worker until it has drained.
        let mut holds: Vec<Vec<Interval>> = Vec::new();
        // When each role leaves no place: to another role of its process, and to one of another process.
        let mut closed: Vec<[Vec<Interval>; 2]> = Vec::new();
        for member in &group.roles {
            let mut own = member.calendar.intervals(&member.role.wake, clock, span);
            for (theirs, [same, other]) in group.roles.iter().zip(&closed) {
                own = span::subtract(&own, if theirs.part == member.part { same } else { other });
            }
            let mut hold = span::widen(&own, lead, drain);
            for (_, held) in group.roles.iter().zip(&holds).filter(|(theirs, _)| theirs.part != member.part) {
                hold = span::subtract(&hold, held);
            }
            closed.push([span::widen(&own, drain, TimeDelta::zero()), span::widen(&own, lead + drain, drain)]);
            holds.push(hold);
            admits.push(own);
        }
        let on = (0..group.parts.len())
            .map(|part| {
                let of_part = group.roles.iter().zip(&holds).filter(|(m, _)| m.part == part);
                span::merge(of_part.flat_map(|(_, h)| h.iter().copied()).collect())
            })
            .collect();
        Self { admits, on }
    }
}
