//! One pass, from observe to report. This is the table of contents of the operator.

use crate::{
    apply::Writer,
    args::SimulatedGpus,
    error::Error,
    holds::{self, Taking},
    intent::{self, Understood},
    name::Name,
    observe::{self, Live, Observed, live::replicas, trouble},
    operator::Operator,
    queue::Next,
    render::{self, Kind, Password, Scene},
    report::{Decided, Said},
    stage,
    thread::compute,
    time,
    wakes::Uses,
};
use cherokee_api::{accelerator::Mode, names::child};
use cherokee_plan::{Fleet, Intent, Plan};
use chrono::{DateTime, TimeDelta, Utc};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// Longest time between two looks at a cluster that nothing has touched.
const LONGEST_SLEEP: TimeDelta = TimeDelta::minutes(10);
/// Time until the next look where something is awaited that nobody tells us of.
const SHORT_SLEEP: TimeDelta = TimeDelta::seconds(15);

/// Plans that a pass makes while other clusters take its devices.
const MOST_PLANS: u32 = 3;

/// Observe, understand, plan, stage, render, apply, report; then sleep until the plan changes.
pub(crate) async fn pass(op: &Operator, name: &Name) -> Result<Option<Next>, Error> {
    let Some(mut observed) = observe::observe(&op.client, &op.stores, op.clock.now(), name).await? else {
        op.forget(name);
        return Ok(None);
    };
    if observed.cluster.spec.suspend {
        let said = op.reporter().suspend(&observed).await?;
        return Ok(Some(rest(op, &observed, &said)));
    }
    if observed.cluster.spec.accelerator.mode == Mode::Gpu {
        if observed.sources.holds.is_none() {
            op.wakes.uses(name, uses(op, &observed, &Plan::default()));
            let said = op.reporter().hold_back(&observed, &Error::HoldsMissing).await?;
            return Ok(Some(next(op, &observed, &Plan::default(), &said, true)));
        }
        if op.keeper().tend(&observed.id, &observed.sources, observed.now).await? {
            refresh(op, &mut observed).await;
        }
    }
    observed.fleet = admitted(op, observed.fleet);
    let mut understood = match intent::understand(&observed.cluster, &observed.hints, &observed.fleet, observed.now) {
        Ok(understood) => understood,
        Err(refusal) => {
            let said = op.reporter().refuse(&observed, refusal.reason(), &refusal.to_string()).await?;
            return Ok(Some(rest(op, &observed, &said)));
        }
    };
    understood.intent.serving = serving(&observed);
    let (plan, held) = decide(op, name, &mut observed, &understood).await?;
    let since = since(&plan, &observed.live, observed.now);
    let desired = render::render(&Scene {
        cluster: &observed.cluster,
        settings: &op.settings,
        roles: &understood.roles,
        intent: &understood.intent,
        plan: &plan,
        held: &held,
        fleet: &observed.fleet,
        password: &observed.password,
        since: &since,
    })
    .map_err(|source| Error::Document { what: "the layout", source })?;
    let writer = Writer::new(&op.client, &op.leadership, &observed.cluster, std::mem::take(&mut observed.live));
    let applied = writer.apply(desired, &observed.pods, observed.now).await?;
    if let Password { secret, stored: false } = &observed.password
        && !secret.is_empty()
    {
        op.stores.named.made(name, child::memory_password(&name.name), secret.clone(), observed.now);
    }
    op.stores.named.left(name, &observe::readers(applied.live(), &name.name));
    let decided = Decided {
        strategy: understood.strategy,
        auto: understood.auto.as_ref(),
        roles: &understood.roles,
        intent: &understood.intent,
        plan: &plan,
        notes: &understood.notes,
    };
    let said = op.reporter().report(&observed, decided, &applied).await?;
    // After the status: a device that it still names would get its hold anew.
    let released = holds::released(&plan, &observed.id, &observed.sources, applied.live(), &observed.pods);
    op.keeper().release(&released).await?;
    let waits = applied.waiting() || !applied.refused().is_empty() || !observed.downloads.is_empty();
    Ok(Some(next(op, &observed, &plan, &said, waits)))
}

/// Who sits where, with the slots that stay as they are. Every device of the plan is held when this returns: where another cluster
/// is faster, the holds are read and the plan is made anew.
async fn decide(
    op: &Operator,
    name: &Name,
    observed: &mut Observed,
    understood: &Understood,
) -> Result<(Plan, BTreeSet<String>), Error> {
    for _ in 0..MOST_PLANS {
        let plan = planned(&understood.intent, &mut observed.fleet, observed.now).await;
        op.wakes.uses(name, uses(op, observed, &plan));
        let (plan, held) =
            stage::stage(plan, &understood.intent, &observed.fleet, &observed.live, observed.layout.as_ref());
        let wanted =
            holds::wanted(&plan, &observed.cluster, &observed.id, &observed.sources, &observed.live, observed.now);
        if op.keeper().take(&wanted, &observed.sources).await? == Taking::Done {
            return Ok((plan, held));
        }
        refresh(op, observed).await;
        observed.fleet = admitted(op, std::mem::take(&mut observed.fleet));
    }
    Err(Error::Overtaken { tries: MOST_PLANS })
}

/// Reads anew what the fleet is made from.
async fn refresh(op: &Operator, observed: &mut Observed) {
    (observed.sources, observed.fleet) = observe::fleet_of(&op.stores, &observed.cluster).await;
}

/// The plan, made beside the async threads.
async fn planned(intent: &Intent, fleet: &mut Fleet, now: DateTime<Utc>) -> Plan {
    let (intent, taken) = (intent.clone(), std::mem::take(fleet));
    let (plan, back) = compute(move || (cherokee_plan::plan(&intent, &taken, now), taken)).await;
    *fleet = back;
    plan
}

/// What of the fleet this plan rests on: by it changes find whom they concern.
fn uses(op: &Operator, observed: &Observed, plan: &Plan) -> Uses {
    let accelerator = &observed.cluster.spec.accelerator;
    Uses {
        nodes: plan.slots.values().map(|slot| slot.device.node.clone()).collect(),
        waits: plan.roles.values().any(|role| role.waits.is_some()),
        resources: [accelerator.resource_name.clone(), observe::driver_of(&op.stores, &observed.cluster)].into(),
        class: accelerator.device_class_name.clone(),
    }
}

/// The fleet as far as this operator may use it.
fn admitted(op: &Operator, fleet: Fleet) -> Fleet {
    match op.settings.simulated_gpus {
        SimulatedGpus::Allow => fleet,
        SimulatedGpus::Refuse => observe::fleet::real(fleet),
    }
}

/// Slots that each role had by the live layout.
fn serving(observed: &Observed) -> BTreeMap<String, BTreeSet<String>> {
    let roles = observed.layout.iter().flat_map(|layout| &layout.roles);
    roles.map(|(name, role)| (name.clone(), role.slots.iter().cloned().collect())).collect()
}

/// When each slot was last turned on or off: kept while its replicas stay, else now.
fn since(plan: &Plan, live: &Live, now: DateTime<Utc>) -> BTreeMap<String, String> {
    let of = |(name, slot): (&String, &cherokee_plan::Slot)| {
        let found = live.get(Kind::Deployment, name).filter(|d| replicas(d) == i64::from(slot.on));
        let kept = found.and_then(|d| trouble::since(d.pointer("/metadata/annotations")));
        (name.clone(), time::text(kept.unwrap_or(now)))
    };
    plan.slots.iter().map(of).collect()
}

/// The end of a pass that changed nothing.
fn rest(op: &Operator, observed: &Observed, said: &Said) -> Next {
    let name = Name::of(&observed.cluster.metadata);
    // What cannot be served now may be served by another fleet.
    let waits = !observed.cluster.spec.suspend;
    op.wakes.uses(&name, Uses { waits, ..uses(op, observed, &Plan::default()) });
    next(op, observed, &Plan::default(), said, false)
}

/// When to look again: at the plan's next change, at the end of a budget, when a look at a named object is due, soon if
/// something is awaited, and else after the longest sleep.
fn next(op: &Operator, observed: &Observed, plan: &Plan, said: &Said, waits: bool) -> Next {
    op.metrics.cluster(&observed.id.namespace, &observed.id.name, &said.status);
    let edge = [plan.valid_until, said.until, observed.look].into_iter().flatten().min();
    let longest = if waits { SHORT_SLEEP } else { LONGEST_SLEEP };
    let after = edge.map_or(longest, |edge| (edge - observed.now).min(longest));
    // At least a moment: an edge that is already past must not spin.
    Next { after: after.to_std().unwrap_or_default().max(Duration::from_millis(200)), edge }
}
