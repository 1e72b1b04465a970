//! Who of a group is awake, which of its processes is on, and until when.
//!
//! One role of a group admits queries at a time. Where the device changes hands the role of higher priority keeps its full
//! window: the other stops admitting so early that its running queries end (`drain`) and the next worker starts (`leadTime`)
//! before, and its own worker starts only after the first has drained. Inside one process nothing has to start.

use crate::{
    calendar,
    group::Group,
    intent::{Intent, Interval},
    outcome::RoleState,
    span,
};
use chrono::{DateTime, TimeDelta, Utc};

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
    let (drain, lead) = (intent.drain.delta(), intent.lead_time.delta());
    let mut answer = Now { roles: Vec::new(), on: Vec::new(), until: None };
    for span in calendar::horizons(now, drain + lead) {
        // Near the end of the stretch a later window could still cut what is seen here.
        let trusted = span.until - (drain + lead) * 2;
        let days = Days::of(group, intent, span);
        let phases: Vec<Phase> = days.admits.iter().map(|list| phase(list, drain, now, trusted)).collect();
        let wakes: Vec<Interval> = group.roles.iter().flat_map(|m| m.role.wake.iter().copied()).collect();
        let last = group.roles.iter().zip(&phases).all(|(m, phase)| {
            let awake = phase.state == RoleState::Awake;
            phase.next.is_some() || calendar::is_settled(&m.role.activation, &wakes, span, now, awake)
        });
        let edges = days.on.iter().filter_map(|list| span::next_edge(list, now)).filter(|e| *e < trusted);
        answer = Now {
            until: edges.chain(phases.iter().filter_map(|p| p.next.map(|(at, _)| at))).min(),
            on: days.on.iter().map(|list| span::covers(list, now)).collect(),
            roles: phases,
        };
        if last {
            break;
        }
    }
    answer
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
    fn of(group: &Group<'_>, intent: &Intent, span: Interval) -> Self {
        let (drain, lead) = (intent.drain.delta(), intent.lead_time.delta());
        let mut admits: Vec<Vec<Interval>> = Vec::new();
        // When each role has the device, from the start of its worker until it has drained.
        let mut holds: Vec<Vec<Interval>> = Vec::new();
        for (number, member) in group.roles.iter().enumerate() {
            let (mut closed, mut occupied) = (Vec::new(), Vec::new());
            for (higher, theirs) in group.roles[..number].iter().enumerate() {
                if theirs.part == member.part {
                    closed.extend(span::widen(&admits[higher], drain, TimeDelta::zero()));
                } else {
                    closed.extend(span::widen(&admits[higher], lead + drain, drain));
                    occupied.extend(holds[higher].iter().copied());
                }
            }
            let own = calendar::intervals(&member.role.activation, &member.role.wake, intent.time_zone, span);
            let own = span::subtract(&own, &span::merge(closed));
            holds.push(span::subtract(&span::widen(&own, lead, drain), &span::merge(occupied)));
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
