//! What the schema's rules may have missed (a file planned offline meets no API server), and what a later version serves.

use super::Refusal;
use cherokee_api::{CherokeeClusterSpec, Strategy, gateway::WhenAsleep, model::Model, role::Role};
use cherokee_plan::{Intent, calendar::Calendar};
use std::collections::{BTreeMap, BTreeSet};

/// The only engine so far.
const ENGINE: &str = "candle";

/// Refuses what a later version serves, by the field's name.
pub(super) fn later(spec: &CherokeeClusterSpec) -> Result<(), Refusal> {
    if matches!(spec.strategy, Strategy::Hybrid | Strategy::Enterprise | Strategy::Model) {
        return Err(Refusal::later(format!(
            "spec.strategy {} is served by a later version: use Layer, Specialist, Temporal or SingleGPU",
            spec.strategy.word()
        )));
    }
    if spec.gateway.when_asleep == WhenAsleep::Wake {
        return Err(Refusal::later("spec.gateway.whenAsleep Wake is served by a later version: use Refuse"));
    }
    if let Some(model) = spec.models.iter().find(|m| m.uri.starts_with("hf://")) {
        return Err(Refusal::later(format!(
            "spec.models[{}].uri with hf:// is served by a later version: use https:// with sha256, oci:// or pvc://",
            model.name
        )));
    }
    for role in &spec.roles {
        if role.split.is_some() {
            return Err(Refusal::later(format!(
                "spec.roles[{}].split is served by a later version: take a quantised file that fits one GPU, and remove split",
                role.name
            )));
        }
        if role.engine != ENGINE {
            return Err(Refusal::later(format!(
                "spec.roles[{}].engine `{}` is served by a later version: use `{ENGINE}`",
                role.name, role.engine
            )));
        }
    }
    Ok(())
}

/// Models have names of their own.
pub(super) fn models(models: &[Model]) -> Result<(), Refusal> {
    let mut seen = BTreeSet::new();
    match models.iter().find(|m| !seen.insert(&m.name)) {
        Some(twice) => Err(Refusal::invalid(format!("spec.models has `{}` twice: rename one", twice.name))),
        None => Ok(()),
    }
}

/// Roles have names of their own, and what they name exists.
pub(super) fn roles(roles: &[Role], models: &[Model]) -> Result<(), Refusal> {
    let mut seen = BTreeSet::new();
    if let Some(twice) = roles.iter().find(|r| !seen.insert(r.name.as_str())) {
        return Err(Refusal::invalid(format!("spec.roles has `{}` twice: rename one", twice.name)));
    }
    let defaults: Vec<&str> =
        roles.iter().filter(|r| r.routing.as_ref().is_some_and(|r| r.default)).map(|r| r.name.as_str()).collect();
    if let [first, second, ..] = defaults[..] {
        return Err(Refusal::invalid(format!(
            "spec.roles[].routing.default is true for `{first}` and `{second}`: one role may have it"
        )));
    }
    for role in roles {
        let name = &role.name;
        if !models.iter().any(|m| m.name == role.model) {
            return Err(Refusal::invalid(format!(
                "spec.roles[{name}].model `{}` is not in spec.models: correct the name or add the model",
                role.model
            )));
        }
        let placement = role.placement.as_ref();
        let lists = [
            ("backs", &role.backs[..]),
            ("placement.shareWith", placement.map_or(&[][..], |p| &p.share_with[..])),
            ("placement.apartFrom", placement.map_or(&[][..], |p| &p.apart_from[..])),
        ];
        for (field, list) in lists {
            if let Some(other) = list.iter().find(|o| *o == name || !seen.contains(o.as_str())) {
                return Err(Refusal::invalid(format!(
                    "spec.roles[{name}].{field} names `{other}`: it must name another role of this resource"
                )));
            }
        }
        if placement.is_some_and(|p| p.node_name.is_some() && !p.node_selector.is_empty()) {
            return Err(Refusal::invalid(format!(
                "spec.roles[{name}].placement takes nodeName or nodeSelector, not both: remove one"
            )));
        }
    }
    Ok(())
}

/// Roles that share a GPU take turns on it: sharing awake is served by a later version. In CPU mode there is none to share.
pub(super) fn sharing(intent: &Intent) -> Result<(), Refusal> {
    if intent.cpu_only {
        return Ok(());
    }
    let mut calendars: BTreeMap<&str, Calendar> = BTreeMap::new();
    for (name, role) in &intent.roles {
        for other in &role.placement.share_with {
            let Some(theirs) = intent.roles.get(other) else { continue };
            for (name, role) in [(name, role), (other, theirs)] {
                calendars.entry(name).or_insert_with(|| Calendar::new(&role.activation));
            }
            if role.placement.apart_from.contains(other) || theirs.placement.apart_from.contains(name) {
                return Err(Refusal::invalid(format!(
                    "spec.roles[{name}].placement: `{name}` and `{other}` are in shareWith and in apartFrom: remove one"
                )));
            }
            if calendars[name.as_str()].meets(&calendars[other.as_str()]) {
                return Err(Refusal::later(format!(
                    "spec.roles[{name}].placement.shareWith: `{name}` and `{other}` are awake at the same time, and sharing a GPU awake is \
                     served by a later version: change their windows so that they never meet, or remove shareWith"
                )));
            }
        }
    }
    Ok(())
}
