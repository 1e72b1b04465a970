//! From the resource to what is wanted: checked, filled from the strategy, and in units. Pure: the time is an argument.
//!
//! | file | what it does |
//! | --- | --- |
//! | `strategy` | which roles a strategy brings, and whether given roles have its form |
//! | `check` | what the schema's rules may have missed, and what a later version serves |
//! | `model`, `role` | units of models and roles |
//! | `wake` | times in which a role is awake beside its windows |

mod check;
mod model;
mod role;
mod strategy;
#[cfg(test)]
mod tests;
mod units;
mod wake;

use crate::observe;
use cherokee_api::{CherokeeCluster, Strategy, accelerator::Mode, names::reason, role::Role, status::AutoStatus};
use cherokee_plan::{Fleet, Intent, devices_free_for};
use cherokee_wire::hints::Hints;
use chrono::{DateTime, Utc};
use std::collections::BTreeMap;

/// A resource that was understood.
#[derive(Clone, Debug)]
pub struct Understood {
    /// What it wants, in units. The caller adds what it saw: [`Intent::serving`].
    pub intent: Intent,
    /// Strategy in force; with `Auto` the one that was decided.
    pub strategy: Strategy,
    /// What `Auto` decided, if it did.
    pub auto: Option<AutoStatus>,
    /// Its roles, or those that the strategy brings.
    pub roles: Vec<Role>,
    /// What was ignored and why, one sentence each: wake-ups that can't be read or are not allowed.
    pub notes: Vec<String>,
}

/// Why a resource is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    reason: &'static str,
    message: String,
}

impl Refusal {
    /// One word of [`cherokee_api::names::reason`]: `InvalidSpec`, `NotYetSupported` or `StrategyMismatch`.
    pub fn reason(&self) -> &'static str {
        self.reason
    }

    fn invalid(message: impl Into<String>) -> Self {
        Self { reason: reason::INVALID_SPEC, message: message.into() }
    }

    fn later(message: impl Into<String>) -> Self {
        Self { reason: reason::NOT_YET_SUPPORTED, message: message.into() }
    }

    fn mismatch(message: impl Into<String>) -> Self {
        Self { reason: reason::STRATEGY_MISMATCH, message: message.into() }
    }
}

/// Checks a resource and turns it into what is wanted.
///
/// The fleet decides only what `strategy: Auto` becomes, once: `status.auto` keeps it. `now` is when wake-ups that have
/// ended are left out.
pub fn understand(
    cluster: &CherokeeCluster,
    hints: &Hints,
    fleet: &Fleet,
    now: DateTime<Utc>,
) -> Result<Understood, Refusal> {
    let spec = &cluster.spec;
    let id = observe::cluster_id(&cluster.metadata);
    check::later(spec)?;
    let (strategy, auto) = strategy::decide(cluster, devices_free_for(fleet, &id))?;
    let roles = if spec.roles.is_empty() { strategy::roles(strategy, &spec.models) } else { spec.roles.clone() };
    check::models(&spec.models)?;
    check::roles(&roles, &spec.models)?;
    if !spec.roles.is_empty() && spec.strategy != Strategy::Auto {
        strategy::check(strategy, &roles)?;
    }
    let cpu_only = spec.accelerator.mode == Mode::Cpu;
    let models = spec.models.iter().map(|m| model::understand(m).map(|planned| (m.name.clone(), planned)));
    let mut wakes = wake::Wakes::read(cluster, hints, &roles, now);
    let default = role::default_route(&roles);
    let mut units = BTreeMap::new();
    for role in &roles {
        let mut planned = role::understand(role, wakes.of(&role.name))?;
        planned.default_route = default == Some(role.name.as_str());
        units.insert(role.name.clone(), planned);
    }
    let intent = Intent {
        cluster: id,
        time_zone: units::time_zone(&spec.time_zone)?,
        cpu_only,
        models: models.collect::<Result<_, Refusal>>()?,
        roles: units,
        drain: units::seconds("spec.workers.drain", spec.workers.drain, 0, units::HOUR)?,
        lead_time: units::seconds("spec.workers.leadTime", spec.workers.lead_time, 0, units::HOUR)?,
        serving: BTreeMap::new(),
        queries_per_second: spec.load.as_ref().and_then(|l| l.queries_per_second).and_then(|q| u32::try_from(q).ok()),
    };
    check::sharing(&intent)?;
    Ok(Understood { intent, strategy, auto, roles, notes: wakes.notes })
}
