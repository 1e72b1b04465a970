//! Times in which a role is awake beside its windows: by annotation from people, by hint from the autonomic daemon.

use super::{role::triggered_by, units};
use cherokee_api::{
    CherokeeCluster,
    names::annotation,
    role::{Role, Trigger},
};
use cherokee_plan::intent::Interval;
use cherokee_wire::hints::Hints;
use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use std::collections::BTreeMap;

/// Most wake-ups that are told one by one why they are ignored.
const NOTES: usize = 4;

/// Wake-ups of all roles, and what was ignored.
pub(super) struct Wakes {
    by_role: BTreeMap<String, Vec<Interval>>,
    pub(super) notes: Vec<String>,
}

impl Wakes {
    /// Reads annotations and hints. What can't be read, is not allowed, or names no role becomes a note: a wake-up is a wish,
    /// and never stops the rest.
    pub(super) fn read(cluster: &CherokeeCluster, hints: &Hints, roles: &[Role], now: DateTime<Utc>) -> Self {
        let mut wakes = Self { by_role: BTreeMap::new(), notes: Vec::new() };
        let annotations = cluster.metadata.annotations.iter().flatten();
        for (key, value) in annotations {
            let Some(name) = key.strip_prefix(annotation::WAKE_PREFIX) else { continue };
            let (from, until) = value.split_once('/').unwrap_or((value, ""));
            wakes.add(&format!("annotation `{key}`"), name, roles, Trigger::Manual, (from, until), now);
        }
        for (name, wake) in &hints.wake {
            wakes.add("hint of the autonomic daemon", name, roles, Trigger::Overflow, (&wake.from, &wake.until), now);
        }
        if wakes.notes.len() > NOTES {
            let more = wakes.notes.len() - NOTES;
            wakes.notes.truncate(NOTES);
            wakes.notes.push(format!(
                "{more} more wake-ups are ignored: look through the annotations `{}…`",
                annotation::WAKE_PREFIX
            ));
        }
        wakes
    }

    /// Wake-ups of a role, once.
    pub(super) fn of(&mut self, role: &str) -> Vec<Interval> {
        self.by_role.remove(role).unwrap_or_default()
    }

    fn add(
        &mut self,
        source: &str,
        name: &str,
        roles: &[Role],
        trigger: Trigger,
        (from, until): (&str, &str),
        now: DateTime<Utc>,
    ) {
        let Some(role) = roles.iter().find(|r| r.name == name) else {
            return self.notes.push(format!("{source} names role `{name}`, which does not exist: it is ignored"));
        };
        let Some(on_demand) = role.on_demand.as_ref().filter(|_| triggered_by(role, trigger)) else {
            return self
                .notes
                .push(format!("{source}: role `{name}` has no trigger `{trigger:?}` in `onDemand`: it is ignored"));
        };
        let (Some(from), Some(until)) = (instant(from), instant(until)) else {
            return self.notes.push(format!(
                "{source} is no interval: write `<from>/<until>` in RFC 3339, as `2026-11-24T20:00:00Z/2026-11-24T21:00:00Z`; it is ignored"
            ));
        };
        if until <= from {
            return self.notes.push(format!("{source} ends before it begins: it is ignored"));
        }
        let longest = std::time::Duration::from(on_demand.max_duration).as_secs().min(u64::from(units::DAY));
        let longest = TimeDelta::seconds(i64::try_from(longest).unwrap_or(0));
        let until = until.min(from + longest);
        // One that ended yesterday changes nothing: an annotation that stays is no reason to plan it for ever.
        if until > now - TimeDelta::days(1) && from < until {
            self.by_role.entry(name.to_owned()).or_default().push(Interval { from, until });
        }
    }
}

/// A time in whole seconds, within what a calendar can add to.
fn instant(text: &str) -> Option<DateTime<Utc>> {
    let time = DateTime::parse_from_rfc3339(text.trim()).ok()?.to_utc().trunc_subsecs(0);
    (0..=253_402_300_799).contains(&time.timestamp()).then_some(time)
}
