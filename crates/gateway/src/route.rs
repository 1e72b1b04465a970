//! Where a query may go: a pure decision over the layout, the ready slots and the time.

use cherokee_wire::layout::{Layer, Layout, Reason, Role, RoleState};
use chrono::{DateTime, Utc};
use std::collections::{BTreeMap, BTreeSet};

/// Seconds that a client is told to wait when nobody can say how long it takes.
const UNKNOWN_WAIT_SECONDS: u64 = 10;

/// Ready slots by name, with the queries in flight at the least busy endpoint of each.
pub type Ready = BTreeMap<String, usize>;

/// One place where a query may be answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Role that would answer.
    pub role: String,
    /// Its layer.
    pub layer: Layer,
    /// Model to ask for.
    pub model: String,
    /// Slot to ask.
    pub slot: String,
    /// Device of the slot.
    pub device: String,
    /// Why this one.
    pub reason: Reason,
}

/// The decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// Try these in order; never empty.
    Go(Vec<Candidate>),
    /// These roles are awake, but no worker of theirs is ready: worth waiting for.
    NobodyReady(Vec<String>),
    /// Everybody who could answer sleeps; the first wakes in so many seconds.
    Asleep(u64),
    /// Nobody who could answer is awake or about to wake: they wait for a place, or end. Try again in so many seconds.
    Nowhere(u64),
    /// No role answers for that name; these names are known.
    Unknown(Vec<String>),
}

/// What a request's `model` means in this layout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted<'a> {
    /// Roles that were asked for, in the order of their names; never empty.
    pub roles: Vec<(&'a str, &'a Role)>,
    /// Why these.
    pub reason: Reason,
}

/// Finds the roles that `asked` names; none when nobody answers for that name.
///
/// Empty and `default` are the default route. Else a role's name wins over `modelNames`, and those over a model's name. Of the
/// roles that hold a model, the default route wins, then conscious and specialist ones, then all.
pub fn wanted<'a>(layout: &'a Layout, asked: &str) -> Option<Wanted<'a>> {
    let named = |reason, keep: &dyn Fn(&str, &Role) -> bool| {
        let roles: Vec<_> = layout
            .roles
            .iter()
            .filter(|(name, role)| keep(name, role))
            .map(|(name, role)| (name.as_str(), role))
            .collect();
        (!roles.is_empty()).then_some(Wanted { roles, reason })
    };
    let by_name = |keep: &dyn Fn(&str, &Role) -> bool| named(Reason::ModelName, keep);
    if asked.is_empty() || (asked == "default" && !layout.roles.contains_key(asked)) {
        return named(Reason::DefaultRoute, &|_, role| role.default_route);
    }
    by_name(&|name, _| name == asked)
        .or_else(|| by_name(&|_, role| role.model_names.iter().any(|name| name == asked)))
        .or_else(|| by_name(&|_, role| role.model == asked && role.default_route))
        .or_else(|| {
            by_name(&|_, role| role.model == asked && matches!(role.layer, Layer::Conscious | Layer::Specialist))
        })
        .or_else(|| by_name(&|_, role| role.model == asked))
}

/// Names that clients may use in `model`: roles, their model names, and models that some role holds.
pub fn names(layout: &Layout) -> BTreeSet<&str> {
    let roles = layout.roles.iter().flat_map(|(name, role)| {
        [name.as_str(), role.model.as_str()].into_iter().chain(role.model_names.iter().map(String::as_str))
    });
    roles.collect()
}

/// Decides where the query goes.
///
/// Order: the roles asked for, then those that back them (a backup that names nobody backs everybody), then, for the default
/// route, awake roles that take its overflow. Only awake roles and ready slots count. Among equals the slot with the least in
/// flight is first, ties go to the lower role name and slot name.
pub fn route(layout: &Layout, asked: &str, ready: &Ready, now: DateTime<Utc>) -> Route {
    let Some(wanted) = wanted(layout, asked) else {
        return Route::Unknown(names(layout).into_iter().map(str::to_owned).collect());
    };
    let able = able(layout, &wanted);
    let candidates = candidates(layout, &able, ready);
    if !candidates.is_empty() {
        return Route::Go(candidates);
    }
    let awake: Vec<_> =
        able.iter().filter(|able| able.role.state == RoleState::Awake).map(|able| able.name.to_owned()).collect();
    if !awake.is_empty() {
        return Route::NobodyReady(awake);
    }
    let sleepers = able.iter().filter(|able| able.role.state == RoleState::Asleep);
    match sleepers.filter_map(|able| seconds_until(able.role.until.as_deref()?, now)).min() {
        Some(seconds) => Route::Asleep(seconds),
        // On demand only: it sleeps until somebody wakes it.
        None if able.iter().all(|able| able.role.state == RoleState::Asleep) => Route::Asleep(UNKNOWN_WAIT_SECONDS),
        None => Route::Nowhere(UNKNOWN_WAIT_SECONDS),
    }
}

/// Whether some awake role that could answer lacks a ready worker: then even a full house is worth waiting for.
pub fn is_short(layout: &Layout, asked: &str, ready: &Ready) -> bool {
    let able = wanted(layout, asked).map(|wanted| able(layout, &wanted)).unwrap_or_default();
    let mut awake = able.iter().filter(|able| able.role.state == RoleState::Awake);
    awake.any(|able| able.role.slots.iter().any(|slot| !ready.contains_key(slot)))
}

/// A role that could answer, and how far it is from what was asked for.
struct Able<'a> {
    tier: u8,
    name: &'a str,
    role: &'a Role,
    reason: Reason,
}

fn able<'a>(layout: &'a Layout, wanted: &Wanted<'a>) -> Vec<Able<'a>> {
    let is_wanted = |name: &str| wanted.roles.iter().any(|(asked, _)| *asked == name);
    let backs = |role: &Role| {
        role.backs.iter().any(|name| is_wanted(name)) || (role.layer == Layer::Backup && role.backs.is_empty())
    };
    let overflows = wanted.roles.iter().any(|(_, role)| role.default_route);
    let place = |name: &str, role: &Role| {
        if is_wanted(name) {
            Some((0, wanted.reason))
        } else if backs(role) {
            Some((1, Reason::Fallback))
        } else {
            (overflows && role.overflow).then_some((2, Reason::Overflow))
        }
    };
    let able = |(name, role): (&'a String, &'a Role)| {
        place(name, role).map(|(tier, reason)| Able { tier, name, role, reason })
    };
    layout.roles.iter().filter_map(able).collect()
}

fn candidates(layout: &Layout, able: &[Able<'_>], ready: &Ready) -> Vec<Candidate> {
    let mut ranked = Vec::new();
    for Able { tier, name, role, reason } in able {
        for slot in role.slots.iter().filter(|_| role.state == RoleState::Awake) {
            let (Some(place), Some(in_flight)) = (layout.slots.get(slot), ready.get(slot)) else { continue };
            let candidate = Candidate {
                role: (*name).to_owned(),
                layer: role.layer,
                model: role.model.clone(),
                slot: slot.clone(),
                device: place.device.clone(),
                reason: *reason,
            };
            ranked.push(((*tier, *in_flight, *name, slot), candidate));
        }
    }
    ranked.sort_by_key(|(left, _)| *left);
    // Roles may share a slot: asking it twice for the same model helps nobody.
    let mut asked = BTreeSet::new();
    let first = |candidate: &Candidate| asked.insert((candidate.slot.clone(), candidate.model.clone()));
    ranked.into_iter().map(|(_, candidate)| candidate).filter(first).collect()
}

/// Seconds from `now` to an RFC 3339 instant, rounded up, at least 1; none if it cannot be read.
fn seconds_until(instant: &str, now: DateTime<Utc>) -> Option<u64> {
    let instant = DateTime::parse_from_rfc3339(instant).ok()?.with_timezone(&Utc);
    let millis = u64::try_from((instant - now).num_milliseconds()).unwrap_or(0);
    Some(millis.div_ceil(1000).max(1))
}

#[cfg(test)]
#[path = "route_tests.rs"]
mod tests;
