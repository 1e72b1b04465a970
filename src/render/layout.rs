//! The two documents between the programs: the layout, which the operator writes, and the hints, which it only creates.

use super::{
    Scene,
    child::{Child, Component, Frame, Kind},
};
use crate::{quantity, time};
use cherokee_api::{memory::MemoryMode, names::child, role::Role};
use cherokee_wire::{hints, layout};
use serde_json::json;
use std::time::Duration;

/// ConfigMap with the layout document.
pub(crate) fn config_map(frame: &Frame<'_>, scene: &Scene<'_>) -> Result<Child, serde_json::Error> {
    let document = serde_json::to_string_pretty(&document(frame, scene))?;
    let body = json!({"data": {layout::KEY: document}});
    Ok(frame.child(Kind::ConfigMap, child::layout(&frame.name), Component::Gateway, body))
}

/// ConfigMap for the daemon's hints, empty: the daemon is its only writer.
pub(crate) fn hints(frame: &Frame<'_>) -> Child {
    let body = json!({"data": {hints::KEY: "{}"}});
    frame.child(Kind::ConfigMap, child::hints(&frame.name), Component::Autonomic, body)
}

fn document(frame: &Frame<'_>, scene: &Scene<'_>) -> layout::Layout {
    let models = scene.intent.models.iter().map(|(name, model)| {
        let model = layout::Model { revision: model.revision.clone(), context_tokens: model.context_tokens };
        (name.clone(), model)
    });
    let slots = scene.plan.slots.iter().map(|(name, slot)| {
        let slot = layout::Slot {
            node: slot.device.node.clone(),
            device: slot.device.uuid.clone(),
            models: slot.models.iter().cloned().collect(),
            on: slot.on,
            superseded: scene.held.contains(name),
        };
        (name.clone(), slot)
    });
    layout::Layout {
        namespace: frame.namespace.clone(),
        cluster: frame.name.clone(),
        models: models.collect(),
        roles: scene.roles.iter().filter_map(|role| Some((role.name.clone(), layout_role(scene, role)?))).collect(),
        slots: slots.collect(),
        when_asleep: layout::WhenAsleep::Refuse,
        memory: memory(scene),
    }
}

fn layout_role(scene: &Scene<'_>, role: &Role) -> Option<layout::Role> {
    let wanted = scene.intent.roles.get(&role.name)?;
    let outcome = scene.plan.roles.get(&role.name)?;
    Some(layout::Role {
        layer: wanted.layer,
        model: wanted.model.clone(),
        state: outcome.state,
        until: outcome.until.map(time::text),
        slots: outcome.slots.iter().cloned().collect(),
        default_route: wanted.default_route,
        model_names: role.routing.as_ref().map(|r| r.model_names.clone()).unwrap_or_default(),
        backs: role.backs.clone(),
        overflow: wanted.overflow,
    })
}

fn memory(scene: &Scene<'_>) -> Option<layout::Memory> {
    let spec = &scene.cluster.spec.muscle_memory;
    (spec.mode != MemoryMode::Disabled).then(|| layout::Memory {
        budget_bytes: quantity::bytes(&spec.memory.0).unwrap_or(0),
        time_to_live_seconds: Duration::from(spec.time_to_live).as_secs(),
        half_life_seconds: Duration::from(scene.cluster.spec.autonomic.thermal.half_life).as_secs(),
    })
}
