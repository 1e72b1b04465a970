//! When to dream: what the layout says of the slot, and which night that is.

use cherokee_memory::night::Night;
use cherokee_wire::layout::{Layer, Layout, RoleState};
use chrono::{DateTime, Utc};
use std::{path::PathBuf, time::Duration};
use tokio::sync::watch;

/// How often the layout file is read.
const EVERY: Duration = Duration::from_secs(1);

/// A subconscious role that is awake on the slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    /// Name of the role.
    pub role: String,
    /// Name of its model.
    pub model: String,
    /// Revision of the model.
    pub revision: String,
    /// Tokens of prompt and answer together.
    pub context_tokens: u32,
    /// When the window ends, RFC 3339; none: open end.
    pub until: Option<String>,
    /// Device of the slot.
    pub device: String,
    /// How long entries live.
    pub time_to_live: Duration,
}

/// The openings of `slot`, by role name. None while the muscle memory is disabled, or while the slot waits for a changed model.
///
/// A window ends by the clock too: a mounted layout may be a minute late.
pub fn openings(layout: &Layout, slot: &str, now: DateTime<Utc>) -> Vec<Opening> {
    let (Some(memory), Some(place)) = (&layout.memory, layout.slots.get(slot)) else { return Vec::new() };
    if place.superseded {
        return Vec::new();
    }
    let opening = |(name, role): (&String, &cherokee_wire::layout::Role)| {
        let here = role.layer == Layer::Subconscious
            && role.state == RoleState::Awake
            && role.slots.iter().any(|own| own == slot);
        let open = instant(role.until.as_deref()).is_none_or(|until| now < until);
        let model = layout.models.get(&role.model)?;
        (here && open).then(|| Opening {
            role: name.clone(),
            model: role.model.clone(),
            revision: model.revision.clone(),
            context_tokens: model.context_tokens,
            until: role.until.clone(),
            device: place.device.clone(),
            time_to_live: Duration::from_secs(memory.time_to_live_seconds.max(1)),
        })
    };
    layout.roles.iter().filter_map(opening).collect()
}

/// Whether the opening is still there, perhaps with another end.
pub(crate) fn is_open(layout: Option<&Layout>, slot: &str, opening: &Opening, now: DateTime<Utc>) -> bool {
    layout.is_some_and(|layout| {
        openings(layout, slot, now).iter().any(|open| open.role == opening.role && open.model == opening.model)
    })
}

/// What to do about an opening.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Open a new night.
    Open,
    /// Go on with the role's latest night.
    Resume,
    /// Nothing: the night of this opening is done.
    Idle,
}

/// Which night an opening is. It is the latest one when that has the same end (for an open end: began on the same UTC
/// day), or is unfinished and its window has not passed: its end was moved meanwhile.
pub fn next(last: Option<&Night>, opening: &Opening, now: DateTime<Utc>) -> Next {
    let Some(last) = last.filter(|last| last.model == opening.model) else { return Next::Open };
    let began = DateTime::from_timestamp(last.started, 0).map(|began| began.date_naive());
    let same = last.until == opening.until && (last.until.is_some() || began == Some(now.date_naive()));
    let not_passed = instant(last.until.as_deref()).is_some_and(|until| now < until);
    match (same, last.finished) {
        (true, Some(_)) => Next::Idle,
        (true, None) => Next::Resume,
        (false, None) if not_passed => Next::Resume,
        (false, _) => Next::Open,
    }
}

/// An RFC 3339 time, if it is one.
pub(crate) fn instant(text: Option<&str>) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(text?).ok().map(|time| time.to_utc())
}

/// Reads the layout file again and again; a file that cannot be read leaves the last layout in force.
pub(crate) async fn follow(path: PathBuf, to: watch::Sender<Option<Layout>>) {
    let mut last_problem = String::new();
    loop {
        let read = tokio::fs::read(&path).await.map_err(|error| error.to_string());
        match read.and_then(|text| serde_json::from_slice(&text).map_err(|error| error.to_string())) {
            Ok(layout) => {
                to.send_if_modified(|held| held.replace(layout).as_ref() != held.as_ref());
            }
            Err(problem) if problem != last_problem => {
                tracing::warn!(path = %path.display(), problem, "the layout cannot be read, the last one goes on to hold");
                last_problem = problem;
            }
            Err(_) => {}
        }
        tokio::time::sleep(EVERY).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cherokee_wire::layout::{Memory, Model, Role, Slot};

    fn at(text: &str) -> DateTime<Utc> {
        instant(Some(text)).unwrap()
    }

    fn layout(state: RoleState, until: Option<&str>) -> Layout {
        let role = |layer, slot: &str| Role {
            layer,
            model: "owl".into(),
            state,
            until: until.map(str::to_owned),
            slots: vec![slot.into()],
            default_route: false,
            model_names: vec![],
            backs: vec![],
            overflow: false,
        };
        let slot =
            Slot { node: "n".into(), device: "GPU-1".into(), models: vec!["owl".into()], on: true, superseded: false };
        Layout {
            models: [("owl".into(), Model { revision: "r1".into(), context_tokens: 512 })].into(),
            roles: [
                ("day".into(), role(Layer::Conscious, "s1")),
                ("dream".into(), role(Layer::Subconscious, "s1")),
                ("other".into(), role(Layer::Subconscious, "s2")),
            ]
            .into(),
            slots: [("s1".into(), slot.clone()), ("s2".into(), slot)].into(),
            memory: Some(Memory::default()),
            ..Layout::default()
        }
    }

    fn opening(until: Option<&str>) -> Opening {
        openings(&layout(RoleState::Awake, until), "s1", at("2026-11-24T01:00:00Z")).remove(0)
    }

    fn night(until: Option<&str>, finished: bool) -> Night {
        Night {
            model: "owl".into(),
            started: at("2026-11-24T00:30:00Z").timestamp(),
            until: until.map(str::to_owned),
            finished: finished.then_some(1),
            ..Night::default()
        }
    }

    #[test]
    fn only_an_awake_subconscious_role_of_this_slot_opens_a_window_and_the_clock_closes_it() {
        let now = at("2026-11-24T01:00:00Z");
        let names = |layout: &Layout| openings(layout, "s1", now).into_iter().map(|open| open.role).collect::<Vec<_>>();
        assert_eq!(names(&layout(RoleState::Awake, None)), ["dream"]);
        assert_eq!(names(&layout(RoleState::Awake, Some("2026-11-24T01:00:01Z"))), ["dream"]);
        assert!(names(&layout(RoleState::Awake, Some("2026-11-24T01:00:00Z"))).is_empty());
        for state in [RoleState::Asleep, RoleState::Draining, RoleState::Waiting] {
            assert!(names(&layout(state, None)).is_empty());
        }
        assert!(names(&Layout { memory: None, ..layout(RoleState::Awake, None) }).is_empty());
        let mut before = layout(RoleState::Awake, None);
        before.slots.values_mut().for_each(|slot| slot.superseded = true);
        assert!(names(&before).is_empty(), "what the model of before says is not dreamt");
    }

    #[test]
    fn an_interrupted_night_goes_on_and_a_done_one_idles_until_the_next_opening() {
        let (early, late) = (Some("2026-11-24T02:00:00Z"), Some("2026-11-24T03:00:00Z"));
        let now = at("2026-11-24T01:00:00Z");
        assert_eq!(next(None, &opening(early), now), Next::Open);
        assert_eq!(next(Some(&night(early, false)), &opening(early), now), Next::Resume);
        assert_eq!(next(Some(&night(early, true)), &opening(early), now), Next::Idle);
        assert_eq!(next(Some(&night(early, false)), &opening(late), now), Next::Resume, "its end was moved");
        assert_eq!(next(Some(&night(early, true)), &opening(late), now), Next::Open);
        assert_eq!(
            next(Some(&night(early, false)), &opening(late), at("2026-11-24T02:30:00Z")),
            Next::Open,
            "its window has passed"
        );
        let other = Night { model: "elk".into(), ..night(early, false) };
        assert_eq!(next(Some(&other), &opening(early), now), Next::Open, "another model");
    }

    #[test]
    fn a_role_without_an_end_dreams_once_a_day() {
        let (today, tomorrow) = (at("2026-11-24T23:00:00Z"), at("2026-11-25T00:00:00Z"));
        assert_eq!(next(Some(&night(None, true)), &opening(None), today), Next::Idle);
        assert_eq!(next(Some(&night(None, true)), &opening(None), tomorrow), Next::Open);
    }
}
