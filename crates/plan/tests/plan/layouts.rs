//! The seed's layouts on its two nodes.

use crate::build::*;
use cherokee_plan::{
    Access, Fleet, Holder, Intent, Layer, Plan, Role, RoleState,
    intent::{Interval, Placement},
    plan,
};
use chrono::{DateTime, Utc};
use std::collections::BTreeSet;

const NOON: &str = "2026-11-24T18:00:00Z";
const THREE_AT_NIGHT: &str = "2026-11-24T09:00:00Z";

fn two_nodes() -> Fleet {
    fleet(&[("bluefin", 1), ("redfin", 2)])
}

fn layer() -> Intent {
    let mut conscious = role(Layer::Conscious, "resonance");
    (conscious.activation, conscious.placement) = (daily("0 6 * * *", 16), on("bluefin", None));
    let mut dream = role(Layer::Subconscious, "resonance");
    (dream.activation, dream.placement) = (daily("0 2 * * *", 4), on("redfin", Some(0)));
    let mut backup = role(Layer::Backup, "resonance");
    backup.placement = on("redfin", Some(1));
    intent(&[("conscious", conscious), ("dream", dream), ("backup", backup)])
}

fn device(plan: &Plan, role: &str) -> String {
    place_of(plan, role).unwrap_or_else(|| panic!("{role} waits: {:?}", plan.roles[role].waits)).1
}

#[test]
fn the_layer_layout_puts_each_role_on_its_device_and_turns_the_dream_on_at_night() {
    let day = plan(&layer(), &two_nodes(), at(NOON));
    assert_eq!(device(&day, "conscious"), "GPU-bluefin-0");
    assert_eq!(device(&day, "dream"), "GPU-redfin-0");
    assert_eq!(device(&day, "backup"), "GPU-redfin-1");
    let on = |plan: &Plan, role: &str| plan.slots[plan.roles[role].slots.first().unwrap()].on;
    assert_eq!((on(&day, "conscious"), on(&day, "dream"), on(&day, "backup")), (true, false, true));
    let next = day.next.clone().unwrap();
    assert_eq!((next.role.as_str(), next.at, next.to), ("conscious", at("2026-11-25T04:00:00Z"), RoleState::Asleep));
    let night = plan(&layer(), &two_nodes(), at(THREE_AT_NIGHT));
    assert_eq!((on(&night, "conscious"), on(&night, "dream"), on(&night, "backup")), (false, true, true));
    assert_eq!((night.roles["dream"].state, night.roles["conscious"].state), (RoleState::Awake, RoleState::Asleep));
    assert_eq!(day.slots.keys().collect::<Vec<_>>(), night.slots.keys().collect::<Vec<_>>());
}

#[test]
fn a_worker_starts_lead_time_before_its_window_and_drains_after_it() {
    let look = |time: &str| {
        let plan = plan(&layer(), &two_nodes(), at(time));
        (plan.roles["dream"].state, plan.slots[plan.roles["dream"].slots.first().unwrap()].on, plan.valid_until)
    };
    // 02:00 in Chicago is 08:00Z, 06:00 is 12:00Z.
    assert_eq!(look("2026-11-24T07:57:59Z"), (RoleState::Asleep, false, Some(at("2026-11-24T07:58:00Z"))));
    assert_eq!(look("2026-11-24T07:58:00Z"), (RoleState::Asleep, true, Some(at("2026-11-24T08:00:00Z"))));
    assert_eq!(look("2026-11-24T08:00:00Z").0, RoleState::Awake);
    assert_eq!(look("2026-11-24T12:00:00Z"), (RoleState::Draining, true, Some(at("2026-11-24T12:00:30Z"))));
    assert_eq!((look("2026-11-24T12:00:30Z").0, look("2026-11-24T12:00:30Z").1), (RoleState::Asleep, false));
}

#[test]
fn a_wake_up_turns_the_dream_on_by_day() {
    let mut wish = layer();
    let interval = Interval { from: at("2026-11-24T18:00:00Z"), until: at("2026-11-24T19:00:00Z") };
    wish.roles.get_mut("dream").unwrap().wake.push(interval);
    let plan = plan(&wish, &two_nodes(), at("2026-11-24T18:10:00Z"));
    assert_eq!((plan.roles["dream"].state, plan.roles["dream"].until), (RoleState::Awake, Some(interval.until)));
}

#[test]
fn without_placement_the_most_important_role_comes_first_and_the_smallest_gpu_that_fits_is_taken() {
    let roles = ["backup", "conscious", "dream"].map(|name| {
        let layer = match name {
            "backup" => Layer::Backup,
            "dream" => Layer::Subconscious,
            _ => Layer::Conscious,
        };
        (name, role(layer, "resonance"))
    });
    let mut fleet = fleet(&[("a", 1), ("b", 1)]);
    fleet.nodes.get_mut("a").unwrap().devices[0].memory = cherokee_plan::Mib(81_920);
    let plan = plan(&intent(&roles), &fleet, at(NOON));
    assert_eq!((device(&plan, "conscious"), device(&plan, "backup")), ("GPU-b-0".into(), "GPU-a-0".into()));
    assert_eq!(plan.roles["dream"].waits.as_ref().unwrap().code.word(), "NotEnoughGpus");
}

#[test]
fn a_new_gpu_takes_the_one_that_waits_and_moves_nobody_though_all_have_one_model() {
    let roles = [("backup", role(Layer::Backup, "resonance")), ("conscious", role(Layer::Conscious, "resonance"))];
    let wish = intent(&roles);
    let one = fleet(&[("m", 1)]);
    let first = plan(&wish, &one, at(NOON));
    let (wish, held) = applied(&first, &wish, &one);
    let mut two = held.clone();
    two.nodes.extend(fleet(&[("a", 1)]).nodes);
    let second = plan(&wish, &two, at(NOON));
    assert_eq!((device(&second, "conscious"), device(&second, "backup")), ("GPU-m-0".into(), "GPU-a-0".into()));
    let (wish, two) = applied(&second, &wish, &two);
    assert_eq!(plan(&wish, &two, at(NOON)), second);
}

#[test]
fn a_role_whose_place_is_told_makes_another_change_its_device_but_never_lose_it() {
    let any = intent(&[("backup", role(Layer::Backup, "resonance"))]);
    let free = fleet(&[("bluefin", 1), ("redfin", 1)]);
    let before = plan(&any, &free, at(NOON));
    assert_eq!(device(&before, "backup"), "GPU-bluefin-0");
    let (mut wish, held) = applied(&before, &any, &free);
    let mut conscious = role(Layer::Conscious, "resonance");
    conscious.placement = on("bluefin", Some(0));
    wish.roles.insert("conscious".into(), conscious);
    let after = plan(&wish, &held, at(NOON));
    assert_eq!(
        (device(&after, "conscious"), device(&after, "backup")),
        ("GPU-bluefin-0".into(), "GPU-redfin-0".into())
    );
    let mut small = held;
    small.nodes.remove("redfin");
    let cramped = plan(&wish, &small, at(NOON));
    assert_eq!(device(&cramped, "backup"), "GPU-bluefin-0");
    assert!(cramped.roles["conscious"].waits.as_ref().unwrap().message.contains("`backup`"));
}

#[test]
fn a_slot_is_left_alone_on_a_node_that_was_cordoned_while_there_is_no_other() {
    let wish = layer();
    let plan_now = |wish: &Intent, fleet: &Fleet| plan(wish, fleet, at(NOON));
    let first = plan_now(&wish, &two_nodes());
    let (wish, mut held) = applied(&first, &wish, &two_nodes());
    held.nodes.get_mut("bluefin").unwrap().usable = false;
    assert_eq!(device(&plan_now(&wish, &held), "conscious"), "GPU-bluefin-0");
    let mut fresh = two_nodes();
    fresh.nodes.get_mut("bluefin").unwrap().usable = false;
    let refused = plan_now(&layer(), &fresh);
    assert_eq!(refused.roles["conscious"].waits.as_ref().unwrap().code.word(), "NodeNotUsable");
}

#[test]
fn a_gpu_that_vanishes_below_an_index_does_not_move_the_role_above_it() {
    let first = plan(&layer(), &two_nodes(), at(NOON));
    let (wish, mut held) = applied(&first, &layer(), &two_nodes());
    held.nodes.get_mut("redfin").unwrap().devices.remove(0);
    let after = plan(&wish, &held, at(NOON));
    assert_eq!(device(&after, "backup"), "GPU-redfin-1");
    let waits = after.roles["dream"].waits.as_ref().unwrap();
    assert_eq!(waits.code.word(), "NoMatchingGpu");
    assert!(waits.message.contains("redfin has only 1 GPU(s), held by `backup`"), "{}", waits.message);
}

#[test]
fn in_cpu_mode_roles_of_one_model_are_one_process_on_any_node() {
    let mut wish = layer();
    wish.cpu_only = true;
    wish.roles.values_mut().for_each(|r| r.placement = Placement::default());
    let plan = plan(&wish, &fleet(&[("a", 0)]), at(NOON));
    assert_eq!(plan.slots.len(), 1);
    let slot = plan.slots.values().next().unwrap();
    assert_eq!(
        (slot.device.node.as_str(), slot.device.uuid.as_str(), slot.access, slot.on),
        ("", "cpu", Access::None, true)
    );
    assert_eq!((slot.max_sequences, slot.roles.len()), (12, 3));
    assert_eq!(plan.roles["dream"].state, RoleState::Asleep);
}

#[test]
fn under_the_device_plugin_a_device_is_chosen_only_where_all_are_taken() {
    let mut plugged = two_nodes();
    plugged.nodes.values_mut().for_each(|n| n.access = Access::DevicePlugin);
    assert!(plan(&layer(), &plugged, at(NOON)).waiting().next().is_none());
    let mut fewer = layer();
    fewer.roles.remove("backup");
    let refused = plan(&fewer, &plugged, at(NOON));
    assert_eq!(refused.roles["dream"].waits.as_ref().unwrap().code.word(), "DeviceNotChoosable");
}

#[test]
fn another_clusters_device_is_not_taken_and_not_named() {
    let mut held = two_nodes();
    held.nodes.get_mut("bluefin").unwrap().devices[0].holder =
        Holder::Slots { cluster: cluster("secretive", 1), slots: vec!["secretive-0badcafe".into()] };
    held.nodes.get_mut("redfin").unwrap().devices[1].holder = Holder::Foreign;
    let plan = plan(&layer(), &held, at(NOON));
    let codes: BTreeSet<_> = plan.waiting().map(|(role, w)| (role.as_str(), w.code.word())).collect();
    assert_eq!(codes, BTreeSet::from([("backup", "DeviceTaken"), ("conscious", "DeviceTaken")]));
    assert!(!serde_json::to_string(&plan).unwrap().contains("secretive"));
}

#[test]
fn a_plan_at_the_ends_of_time_is_a_plan() {
    let night = Role { activation: daily("0 2 * * *", 4), ..role(Layer::Subconscious, "resonance") };
    let day = Role { activation: daily("0 6 * * 1-5", 16), ..role(Layer::Conscious, "resonance") };
    let shared = Role { placement: sharing("day"), ..night.clone() };
    let wish =
        intent(&[("day", day), ("night", night), ("shared", shared), ("always", role(Layer::Backup, "resonance"))]);
    let fleet = fleet(&[("north", 4)]);
    let ends = [
        DateTime::<Utc>::MIN_UTC,
        DateTime::<Utc>::MAX_UTC,
        at("-262000-01-01T00:00:00Z"),
        at("0000-01-01T00:00:00Z"),
        at("0001-01-01T00:00:00Z"),
        at("1969-12-31T23:59:59Z"),
        at("9999-12-31T23:59:59Z"),
        at("+10000-01-01T00:00:00Z"),
        at("+262000-12-31T23:59:59Z"),
    ];
    for now in ends {
        let plan = plan(&wish, &fleet, now);
        assert_eq!(plan.roles.len(), 4, "{now}");
    }
}
