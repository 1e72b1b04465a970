//! Roles in units.

use super::{Refusal, units};
use crate::quantity;
use cherokee_api::role::{self as api, Role, Trigger};
use cherokee_plan::{
    Mib, Role as Planned, calendar,
    intent::{Activation, DeviceChoice, Interval, Placement, Window},
};

/// A role in units, awake beside its windows in `wake`.
pub(super) fn understand(role: &Role, wake: Vec<Interval>) -> Result<Planned, Refusal> {
    let name = &role.name;
    let budget = match &role.gpu_memory {
        None => None,
        // Rounded down: the engine never exceeds it.
        Some(text) => Some(quantity::bytes(&text.0).map(|b| Mib(b >> 20)).filter(|m| m.0 > 0).ok_or_else(|| {
            Refusal::invalid(format!(
                "spec.roles[{name}].gpuMemory `{}` must be a quantity of at least 1Mi, as `6Gi`",
                text.0
            ))
        })?),
    };
    Ok(Planned {
        layer: role.layer,
        model: role.model.clone(),
        max_sequences: u32::try_from(role.max_sequences).unwrap_or(1).max(1),
        budget,
        activation: activation(role)?,
        wake,
        overflow: triggered_by(role, Trigger::Overflow),
        default_route: false,
        placement: placement(role),
    })
}

/// Whether the role may be woken this way.
pub(super) fn triggered_by(role: &Role, trigger: Trigger) -> bool {
    role.on_demand.as_ref().is_some_and(|o| o.triggers.contains(&trigger))
}

fn activation(role: &Role) -> Result<Activation, Refusal> {
    let name = &role.name;
    match role.activation {
        api::Activation::Always | api::Activation::OnDemand if !role.windows.is_empty() => Err(Refusal::invalid(
            format!("spec.roles[{name}].windows are for activation Scheduled: set it, or remove the windows"),
        )),
        api::Activation::Always => Ok(Activation::Always),
        api::Activation::OnDemand if role.on_demand.is_none() => Err(Refusal::invalid(format!(
            "spec.roles[{name}].onDemand is required with activation OnDemand: say triggers and maxDuration"
        ))),
        api::Activation::OnDemand => Ok(Activation::OnDemand),
        api::Activation::Scheduled if role.windows.is_empty() => {
            Err(Refusal::invalid(format!("spec.roles[{name}].windows is empty: activation Scheduled needs a window")))
        }
        api::Activation::Scheduled => {
            Ok(Activation::Scheduled(role.windows.iter().map(|w| window(name, w)).collect::<Result<_, _>>()?))
        }
    }
}

fn window(role: &str, window: &api::Window) -> Result<Window, Refusal> {
    let field = format!("spec.roles[{role}].windows[]");
    calendar::check_schedule(&window.schedule)
        .map_err(|fault| Refusal::invalid(format!("{field}.schedule {fault}")))?;
    let duration = units::seconds(&format!("{field}.duration"), window.duration, 1, units::DAY)?;
    Ok(Window { schedule: window.schedule.clone(), duration })
}

fn placement(role: &Role) -> Placement {
    let Some(given) = &role.placement else { return Placement::default() };
    let device = given.device.as_ref().and_then(|d| {
        let index = d.index.and_then(|i| u32::try_from(i).ok()).map(DeviceChoice::Index);
        index.or(d.uuid.clone().map(DeviceChoice::Uuid)).or(d.product.clone().map(DeviceChoice::Product))
    });
    Placement {
        node: given.node_name.clone(),
        node_selector: given.node_selector.clone(),
        device,
        share_with: given.share_with.iter().cloned().collect(),
        apart_from: given.apart_from.iter().cloned().collect(),
    }
}

/// The role that takes queries which name no other: the one that says so, else the first of layer `Conscious`, else the
/// first `Specialist`, else the first `Backup`.
pub(super) fn default_route(roles: &[Role]) -> Option<&str> {
    let says_so = roles.iter().find(|r| r.routing.as_ref().is_some_and(|r| r.default));
    let first = |layer| roles.iter().find(move |r| r.layer == layer);
    let found = says_so.or_else(|| first(api::Layer::Conscious)).or_else(|| first(api::Layer::Specialist));
    found.or_else(|| first(api::Layer::Backup)).map(|r| r.name.as_str())
}
