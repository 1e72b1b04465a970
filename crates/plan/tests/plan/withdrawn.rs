//! A node that for a moment, or for good, offers less than it did.

use crate::build::*;
use cherokee_plan::{Access, Fleet, Intent, Layer, Plan, plan};

const NOON: &str = "2026-11-24T18:00:00Z";

/// A role on each device of redfin, by index; both run.
fn settled() -> (Intent, Fleet, Plan) {
    let mut first = role(Layer::Conscious, "resonance");
    first.placement = on("redfin", Some(0));
    let mut second = role(Layer::Backup, "resonance");
    second.placement = on("redfin", Some(1));
    let wish = intent(&[("first", first), ("second", second)]);
    let there = fleet(&[("redfin", 2)]);
    let day = plan(&wish, &there, at(NOON));
    let (wish, there) = applied(&day, &wish, &there);
    (wish, there, day)
}

/// The devices at these positions are offered no more, and workers run on.
fn withdraw(fleet: &Fleet, which: &[usize]) -> Fleet {
    let mut fleet = fleet.clone();
    let node = fleet.nodes.get_mut("redfin").expect("redfin");
    let (gone, left): (Vec<_>, Vec<_>) =
        node.devices.drain(..).enumerate().partition(|(index, _)| which.contains(index));
    node.devices = left.into_iter().map(|(_, device)| device).collect();
    node.withdrawn = gone.into_iter().map(|(_, device)| device).collect();
    fleet
}

#[test]
fn who_runs_stays_where_it_is_while_its_device_is_withdrawn() {
    let (wish, there, day) = settled();
    for which in [&[0][..], &[1], &[0, 1]] {
        let now = plan(&wish, &withdraw(&there, which), at(NOON));
        assert_eq!((&now.slots, &now.roles), (&day.slots, &day.roles), "{which:?}");
        let told: Vec<_> = now.advice.iter().filter(|a| a.code == "GpuWithdrawn").collect();
        assert_eq!(told.len(), which.len(), "{:?}", now.advice);
    }
    assert!(!day.advice.iter().any(|a| a.code == "GpuWithdrawn"));
}

#[test]
fn a_withdrawn_device_is_nobody_elses() {
    let (wish, there, _) = settled();
    let mut newcomer = intent(&[("late", role(Layer::Conscious, "resonance"))]);
    newcomer.cluster = cluster("other", 2_000);
    let plan = plan(&newcomer, &withdraw(&there, &[0, 1]), at(NOON));
    assert!(plan.slots.is_empty(), "{:?}", plan.slots);
    // And its own cluster gives it to no other role.
    let mut wish = wish;
    wish.roles.remove("first");
    let second = wish.roles.get_mut("second").expect("a role");
    second.placement = on("redfin", None);
    let plan = cherokee_plan::plan(&wish, &withdraw(&there, &[0]), at(NOON));
    assert_eq!(place_of(&plan, "second"), Some(("redfin".into(), "GPU-redfin-1".into())));
}

#[test]
fn once_its_worker_has_ended_a_role_waits_for_the_device() {
    let (wish, there, _) = settled();
    let mut gone = withdraw(&there, &[0, 1]);
    let node = gone.nodes.get_mut("redfin").expect("redfin");
    node.withdrawn.clear();
    node.access = Access::None;
    let plan = plan(&wish, &gone, at(NOON));
    assert!(plan.slots.is_empty() && plan.waiting().count() == 2, "{:?}", plan.roles);
}

#[test]
fn who_runs_stays_while_its_gpus_are_published_twice_and_nobody_new_comes() {
    let (wish, there, day) = settled();
    let mut twice = there.clone();
    twice.nodes.get_mut("redfin").expect("redfin").access = Access::Twice;
    let now = plan(&wish, &twice, at(NOON));
    assert_eq!((&now.slots, &now.roles), (&day.slots, &day.roles));
    let told: Vec<_> = now.advice.iter().filter(|a| a.code == "GpuPublishedTwice").collect();
    assert_eq!(told.len(), 2, "{:?}", now.advice);
    let mut newcomer = intent(&[("late", role(Layer::Conscious, "resonance"))]);
    newcomer.cluster = cluster("other", 2_000);
    let plan = plan(&newcomer, &twice, at(NOON));
    assert!(plan.slots.is_empty(), "{:?}", plan.slots);
}
