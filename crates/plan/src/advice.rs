//! What a layout could do better, with the numbers. Advice changes nothing.

use crate::{
    Access, Advice, Fleet, Intent, Mib, Plan,
    calendar::{self, Calendar, Calendars},
    intent::{Activation, Layer, Model},
    outcome::Code,
    sizing::{self, Verdict},
    slot::CPU,
};
use std::fmt::Write;

/// What one GPU answers with the cache beside it; below that several GPUs bring nothing but upkeep.
const LOAD_OF_ONE_GPU: u32 = 10;
/// Below this a model always fits one GPU and is never worth splitting.
const SMALL_PARAMETERS: u64 = 3_000_000_000;

/// Advice for this plan, most important first. It does not depend on the time.
pub(crate) fn give(intent: &Intent, calendars: &Calendars<'_>, fleet: &Fleet, plan: &Plan) -> Vec<Advice> {
    let devices = fleet.nodes.values().flat_map(|n| &n.devices).filter(|d| d.uuid != CPU);
    let largest = devices.clone().map(|d| d.memory).max();
    let mut advice = Vec::new();
    if let Some(device) = largest.filter(|_| !intent.cpu_only) {
        advice.extend(
            intent
                .models
                .iter()
                .filter_map(|(name, model)| of_model(name, model, largest_sequences(intent, name), device)),
        );
        advice.extend(share_by_time(intent, calendars, plan, devices.count()));
        advice.extend(one_gpu_is_enough(intent, plan));
    }
    advice.extend(nobody_awake(intent, calendars));
    advice.extend(withdrawn(fleet, plan));
    advice.extend(published_twice(fleet, plan));
    advice
}

fn largest_sequences(intent: &Intent, model: &str) -> u32 {
    intent.roles.values().filter(|r| r.model == model).map(|r| r.max_sequences).max().unwrap_or(1)
}

fn of_model(name: &str, model: &Model, sequences: u32, device: Mib) -> Option<Advice> {
    let parameters = model.parameters?;
    let bits = sizing::centibits_per_parameter(&model.dtype)?;
    let said = sizing::parameters(parameters);
    let size = |bits| sizing::both_units(sizing::seed_bytes(parameters, bits));
    let gpu = sizing::both_units(device.0.saturating_mul(1 << 20));
    let as_q4 = Model { weights: sizing::mib(sizing::weight_bytes(parameters, 490)), ..model.clone() };
    let total = sizing::memory(model, sequences, None).total;
    if total > device {
        let quantised = sizing::memory(&as_q4, sequences, None).total;
        return (quantised <= device && bits > 490).then(|| advice(
            "QuantisedFitsOneGpu",
            format!(
                "`{name}` ({said}) needs {} at {} and {} at Q4_K_M, beside its KV cache: one GPU of {gpu} holds it quantised",
                size(bits), model.dtype, size(490)
            ),
        ));
    }
    if parameters > 10_000_000_000
        && bits < 1600
        && sizing::seed_bytes(parameters, 1600) > device.0.saturating_mul(1 << 20)
    {
        let Verdict::Needs(least, most) =
            sizing::verdict(sizing::seed_bytes(parameters, 1600), device.0.saturating_mul(1 << 20))
        else {
            return None;
        };
        return Some(advice(
            "SeedSizes",
            format!(
                "`{name}` ({said}) fits one GPU of {gpu} because it is quantised ({} at {}): at F16 it would need {}, {least} to {most} of them",
                size(bits),
                model.dtype,
                size(1600)
            ),
        ));
    }
    let tight = parameters >= SMALL_PARAMETERS && bits >= 1600 && sizing::verdict(total.0, device.0) == Verdict::Tight;
    tight.then(|| advice(
        "TightFit",
        format!(
            "`{name}` ({said}) takes {total} of {device} and leaves little for batches: a quantised file ({} at Q4_K_M), or specialists of \
             about 1B on a GPU each, answer more queries",
            size(490)
        ),
    ))
}

/// Roles wait for GPUs that others need only by day or only by night.
fn share_by_time(intent: &Intent, calendars: &Calendars<'_>, plan: &Plan, gpus: usize) -> Option<Advice> {
    let waiting: Vec<&String> =
        plan.waiting().filter(|(_, w)| w.code == Code::NotEnoughGpus).map(|(name, _)| name).collect();
    let partner = |name: &String| {
        let own = &calendars[name.as_str()];
        let mut placed = intent.roles.keys().filter(|other| plan.roles[*other].waits.is_none());
        placed.find(|other| !own.meets(&calendars[other.as_str()]))
    };
    let (role, other) = waiting.into_iter().find_map(|name| partner(name).map(|other| (name, other)))?;
    Some(advice(
        "ShareByTime",
        format!(
            "`{role}` waits and is never awake together with `{other}`: with `placement.shareWith: [{other}]` the two take turns on one of \
             the {gpus} GPU(s)"
        ),
    ))
}

fn one_gpu_is_enough(intent: &Intent, plan: &Plan) -> Option<Advice> {
    let load = intent.queries_per_second.filter(|q| *q < LOAD_OF_ONE_GPU)?;
    let small = intent.models.values().all(|m| m.parameters.is_some_and(|p| p < SMALL_PARAMETERS));
    let slots = plan.slots.len();
    (small && slots > 1).then(|| advice(
        "OneGpuIsEnough",
        format!(
            "at {load} queries a second, and with models under 3B, one GPU and the muscle memory are enough: this layout holds {slots}; \
             `strategy: SingleGPU` or `Temporal` needs one"
        ),
    ))
}

/// Slots that run on devices which their nodes offer no more.
fn withdrawn<'a>(fleet: &'a Fleet, plan: &'a Plan) -> impl Iterator<Item = Advice> + use<'a> {
    let is = |node: &str, uuid: &str| fleet.nodes.get(node).is_some_and(|n| n.withdrawn.iter().any(|d| d.uuid == uuid));
    plan.slots.iter().filter(move |(_, slot)| is(&slot.device.node, &slot.device.uuid)).map(|(name, slot)| {
        advice(
            "GpuWithdrawn",
            format!(
                "slot `{name}` still runs on device {} of {}, which the node offers no more: it will not start there again before that is mended, so look \
                 at the GPU driver and the device plugin or DRA driver of that node",
                slot.device.uuid, slot.device.node
            ),
        )
    })
}

/// Slots that run on nodes whose GPUs came to be published twice.
fn published_twice<'a>(fleet: &'a Fleet, plan: &'a Plan) -> impl Iterator<Item = Advice> + use<'a> {
    let is = |node: &str| fleet.nodes.get(node).is_some_and(|n| n.access == Access::Twice);
    plan.slots.iter().filter(move |(_, slot)| is(&slot.device.node)).map(|(name, slot)| {
        advice(
            Code::GpuPublishedTwice.word(),
            format!(
                "slot `{name}` keeps its GPU on {}, whose GPUs the device plugin and the DRA driver now both publish: nothing new is placed there, and \
                 after a restart its pod may find the GPU given to a pod of the device plugin, so switch one of the two off or set \
                 `spec.accelerator.access`",
                slot.device.node
            ),
        )
    })
}

/// Hours in which by the calendar nobody answers new queries.
fn nobody_awake(intent: &Intent, calendars: &Calendars<'_>) -> Option<Advice> {
    let answers = |layer| matches!(layer, Layer::Conscious | Layer::Backup);
    let who = intent.roles.iter().filter(|(_, r)| r.default_route || answers(r.layer) || r.overflow);
    let list: Vec<&Calendar> = who.clone().filter_map(|(name, _)| calendars.get(name.as_str())).collect();
    let gaps = calendar::gaps_of_a_week(&list)?;
    let first = gaps.first().filter(|_| who.clone().any(|(_, r)| matches!(r.activation, Activation::Scheduled(_))))?;
    let days = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
    let clock = |(_, minute): (u32, u32)| format!("{:02}:{:02}", minute / 60, minute % 60);
    // The same gap every day reads better without a weekday.
    let daily = gaps.len() >= 7 && gaps.iter().all(|g| (g[0].1, g[1].1) == (first[0].1, first[1].1));
    let day = |(day, _): (u32, u32)| days[day as usize % 7];
    let mut message = if daily {
        format!("nobody answers new queries from {} to {} every day", clock(first[0]), clock(first[1]))
    } else {
        format!(
            "nobody answers new queries from {} {} to {} {}",
            day(first[0]),
            clock(first[0]),
            day(first[1]),
            clock(first[1])
        )
    };
    if !daily && gaps.len() > 1 {
        let _ = write!(message, ", and {} more times a week", gaps.len() - 1);
    }
    message.push_str(": widen a window, or add a role of layer `Backup`");
    Some(advice("NobodyAwake", message))
}

fn advice(code: &str, message: String) -> Advice {
    Advice { code: code.into(), message }
}
