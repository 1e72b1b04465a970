//! Strategies: the roles that each brings, the form that it asserts, and what `Auto` becomes.

use super::Refusal;
use cherokee_api::{
    CherokeeCluster, Strategy,
    model::Model,
    names::{annotation, condition},
    role::{Activation, Layer, OnDemand, Placement, Role, Routing, Trigger, Window},
    status::AutoStatus,
};
use kube::ResourceExt;
use std::{collections::BTreeSet, time::Duration};

/// GPUs that the layer layout takes.
const LAYER_GPUS: usize = 3;
/// Queries a second that one GPU and the cache answer.
const LOAD_OF_ONE_GPU: i32 = 10;
/// Most characters that are kept of the annotation that asks for a new decision.
const ASKED: usize = 64;

/// The strategy in force and, where `Auto` decided it, what it decided. That is kept in `status.auto` until the strategy
/// is another or the annotation [`annotation::DECIDE_AUTO`] has a new value; with roles given `Auto` is what their form is
/// called.
pub(super) fn decide(cluster: &CherokeeCluster, gpus: usize) -> Result<(Strategy, Option<AutoStatus>), Refusal> {
    let spec = &cluster.spec;
    if spec.models.is_empty() {
        return Err(Refusal::invalid("spec.models is empty: name a model"));
    }
    if spec.strategy != Strategy::Auto {
        return Ok((spec.strategy, None));
    }
    if !spec.roles.is_empty() {
        return Ok((form(&spec.roles), None));
    }
    let asked = cluster.annotations().get(annotation::DECIDE_AUTO).map(|value| value.chars().take(ASKED).collect());
    if let Some(kept) = kept(cluster, asked.as_ref()) {
        return Ok((kept.strategy, Some(kept)));
    }
    let light = spec.load.as_ref().and_then(|l| l.queries_per_second).is_some_and(|q| q < LOAD_OF_ONE_GPU);
    let strategy = match spec.models.len() {
        1 if gpus >= LAYER_GPUS && !light => Strategy::Layer,
        1 => Strategy::SingleGpu,
        _ => Strategy::Specialist,
    };
    Ok((strategy, Some(AutoStatus { strategy, gpus: i64::try_from(gpus).unwrap_or(i64::MAX), asked })))
}

/// What `Auto` decided before, if that still counts.
fn kept(cluster: &CherokeeCluster, asked: Option<&String>) -> Option<AutoStatus> {
    let status = cluster.status.as_ref()?;
    let lasting =
        |s: Strategy| matches!(s, Strategy::SingleGpu | Strategy::Layer | Strategy::Specialist | Strategy::Temporal);
    if let Some(auto) = &status.auto {
        return (lasting(auto.strategy) && auto.asked.as_ref() == asked).then(|| auto.clone());
    }
    // Written by a version without `status.auto`: what is in force for this very spec was decided by `Auto`.
    let strategy = status.strategy.filter(|s| lasting(*s))?;
    // A pass that stopped early moves only the conditions that it sets.
    let placed = status.conditions.iter().find(|c| c.type_ == condition::PLACED)?;
    (placed.observed_generation == cluster.metadata.generation).then(|| AutoStatus {
        strategy,
        gpus: 0,
        asked: asked.cloned(),
    })
}

/// What the form of given roles is called.
fn form(roles: &[Role]) -> Strategy {
    let has = |layer| roles.iter().any(|r| r.layer == layer);
    if roles.iter().any(shares) {
        Strategy::Temporal
    } else if roles.len() == 1 {
        Strategy::SingleGpu
    } else if has(Layer::Specialist) {
        Strategy::Specialist
    } else {
        Strategy::Layer
    }
}

fn shares(role: &Role) -> bool {
    role.placement.as_ref().is_some_and(|p| !p.share_with.is_empty())
}

/// Whether given roles have the form that the strategy names.
pub(super) fn check(strategy: Strategy, roles: &[Role]) -> Result<(), Refusal> {
    let has = |layer| roles.iter().any(|r| r.layer == layer);
    let sharing = roles.iter().find(|r| shares(r)).map(|r| r.name.as_str());
    let wants = match strategy {
        Strategy::SingleGpu => (roles.len() > 1).then(|| format!("one role, and spec.roles has {}", roles.len())),
        Strategy::Layer if !has(Layer::Conscious) => Some("a role of layer Conscious".into()),
        Strategy::Layer | Strategy::Specialist if sharing.is_some() => {
            Some(format!("a GPU for each role, and `{}` has placement.shareWith", sharing.unwrap_or_default()))
        }
        Strategy::Specialist if !has(Layer::Specialist) => Some("a role of layer Specialist".into()),
        Strategy::Temporal if !has(Layer::Subconscious) => Some("a role of layer Subconscious".into()),
        Strategy::Temporal if !roles.iter().any(|r| r.activation == Activation::Scheduled) => {
            Some("a role with windows".into())
        }
        _ => None,
    };
    match wants {
        None => Ok(()),
        Some(wants) => Err(Refusal::mismatch(format!(
            "spec.strategy {} asks for {wants}: correct spec.roles, or use strategy {} or Auto",
            strategy.word(),
            form(roles).word()
        ))),
    }
}

/// The roles that a strategy brings.
pub(super) fn roles(strategy: Strategy, models: &[Model]) -> Vec<Role> {
    let Some(first) = models.first() else { return Vec::new() };
    let conscious = |windows: Vec<Window>| Role {
        routing: Some(Routing { default: true, ..Routing::default() }),
        ..scheduled("conscious", Layer::Conscious, &first.name, windows)
    };
    let dream = |triggers: Vec<Trigger>| Role {
        on_demand: Some(OnDemand { triggers, max_duration: hours(1) }),
        ..scheduled("dream", Layer::Subconscious, &first.name, vec![window("0 2 * * *", 4)])
    };
    match strategy {
        Strategy::Layer => vec![
            conscious(vec![window("0 6 * * *", 16)]),
            dream(vec![Trigger::Overflow, Trigger::Manual]),
            Role { backs: vec!["conscious".into()], ..scheduled("backup", Layer::Backup, &first.name, Vec::new()) },
        ],
        // Overflow could not wake the dream: by day its GPU is the conscious role's.
        Strategy::Temporal => vec![
            conscious(vec![window("0 6 * * *", 16)]),
            Role {
                placement: Some(Placement { share_with: vec!["conscious".into()], ..Placement::default() }),
                ..dream(vec![Trigger::Manual])
            },
        ],
        Strategy::Specialist => specialists(models),
        _ => vec![conscious(Vec::new())],
    }
}

/// One role a model, by the model's name; the first takes the queries that name none.
fn specialists(models: &[Model]) -> Vec<Role> {
    let mut taken = BTreeSet::new();
    let mut roles = Vec::new();
    for (number, model) in models.iter().enumerate() {
        let plain = model.name.replace('.', "-");
        // Two models may differ only in a dot; a name has at most 40 characters.
        let stem = plain.get(..36).unwrap_or(&plain).trim_end_matches('-');
        let (mut name, mut next) = (plain.clone(), 2);
        while taken.contains(&name) {
            name = format!("{stem}-{next}");
            next += 1;
        }
        taken.insert(name.clone());
        roles.push(Role {
            routing: Some(Routing {
                default: number == 0,
                model_names: vec![model.name.clone()],
                examples: Vec::new(),
            }),
            ..scheduled(&name, Layer::Specialist, &model.name, Vec::new())
        });
    }
    roles
}

/// A role with the schema's defaults; without windows it is awake around the clock.
fn scheduled(name: &str, layer: Layer, model: &str, windows: Vec<Window>) -> Role {
    Role {
        name: name.into(),
        layer,
        model: model.into(),
        engine: "candle".into(),
        activation: if windows.is_empty() { Activation::Always } else { Activation::Scheduled },
        windows,
        on_demand: None,
        routing: None,
        backs: Vec::new(),
        placement: None,
        gpu_memory: None,
        max_sequences: 4,
        split: None,
    }
}

fn window(schedule: &str, length: u64) -> Window {
    Window { schedule: schedule.into(), duration: hours(length) }
}

fn hours(count: u64) -> kube::core::Duration {
    Duration::from_secs(count * 3600).into()
}
