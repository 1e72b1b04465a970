//! One device handed from role to role.

use crate::build::*;
use cherokee_plan::{
    Intent, Layer, Plan, RoleState,
    intent::{Interval, Seconds},
    plan,
};

/// By day one model, by night another, on one device.
fn day_and_night() -> Intent {
    let mut conscious = role(Layer::Conscious, "resonance");
    conscious.activation = daily("0 6 * * *", 16);
    let mut dream = role(Layer::Subconscious, "dreamer");
    (dream.activation, dream.placement) = (daily("0 22 * * *", 8), sharing("conscious"));
    let mut wish = intent(&[("conscious", conscious), ("dream", dream)]);
    wish.models.insert("dreamer".into(), model(500_000_000, "F16"));
    (wish.drain, wish.lead_time) = (Seconds(60), Seconds(300));
    wish
}

fn look(wish: &Intent, time: &str) -> (Plan, RoleState, RoleState, bool, bool) {
    let plan = plan(wish, &fleet(&[("bluefin", 1)]), at(time));
    let on = |role: &str| plan.slots[plan.roles[role].slots.first().expect("a slot")].on;
    let (a, b) = (on("conscious"), on("dream"));
    let (x, y) = (plan.roles["conscious"].state, plan.roles["dream"].state);
    (plan, x, y, a, b)
}

#[test]
fn the_conscious_role_keeps_its_full_window_and_the_dream_ends_in_time_for_it() {
    use RoleState::{Asleep, Awake, Draining};
    let wish = day_and_night();
    // 06:00 in Chicago is 12:00Z: the dream stops at 06:00 - drain - leadTime, its worker a drain later.
    for (time, conscious, dream, on_conscious, on_dream) in [
        ("2026-11-24T11:53:59Z", Asleep, Awake, false, true),
        ("2026-11-24T11:54:00Z", Asleep, Draining, false, true),
        ("2026-11-24T11:55:00Z", Asleep, Asleep, true, false),
        ("2026-11-24T12:00:00Z", Awake, Asleep, true, false),
        ("2026-11-25T03:59:59Z", Awake, Asleep, true, false),
        ("2026-11-25T04:00:00Z", Draining, Asleep, true, false),
        ("2026-11-25T04:01:00Z", Asleep, Awake, false, true),
    ] {
        let (_, c, d, a, b) = look(&wish, time);
        assert_eq!((c, d, a, b), (conscious, dream, on_conscious, on_dream), "{time}");
    }
}

#[test]
fn a_wake_up_by_day_does_not_take_the_device_from_the_conscious_role() {
    let mut wish = day_and_night();
    let noon = Interval { from: at("2026-11-24T18:00:00Z"), until: at("2026-11-24T19:00:00Z") };
    wish.roles.get_mut("dream").unwrap().wake.push(noon);
    let (_, conscious, dream, on_conscious, on_dream) = look(&wish, "2026-11-24T18:30:00Z");
    assert_eq!((conscious, dream, on_conscious, on_dream), (RoleState::Awake, RoleState::Asleep, true, false));
}

#[test]
fn roles_of_one_model_share_one_process_that_runs_whenever_one_of_them_is_awake() {
    let mut wish = day_and_night();
    wish.roles.get_mut("dream").unwrap().model = "resonance".into();
    let (plan, conscious, dream, ..) = look(&wish, "2026-11-24T11:58:59Z");
    assert_eq!(plan.slots.len(), 1);
    assert_eq!((conscious, dream), (RoleState::Asleep, RoleState::Awake));
    // Nothing has to start, so only the drain is kept free.
    let (plan, _, dream, ..) = look(&wish, "2026-11-24T11:59:00Z");
    assert!(dream == RoleState::Draining && plan.slots.values().all(|s| s.on));
    let (_, conscious, dream, ..) = look(&wish, "2026-11-25T04:00:00Z");
    assert_eq!((conscious, dream), (RoleState::Draining, RoleState::Awake));
}

#[test]
fn the_device_stays_reserved_in_the_hours_in_which_nobody_is_awake() {
    let mut wish = day_and_night();
    wish.roles.get_mut("dream").unwrap().activation = daily("0 2 * * *", 4);
    let (plan, conscious, dream, on_conscious, on_dream) = look(&wish, "2026-11-24T06:00:00Z");
    assert_eq!((conscious, dream, on_conscious, on_dream), (RoleState::Asleep, RoleState::Asleep, false, false));
    assert!(plan.slots.len() == 2 && plan.waiting().next().is_none());
    let said = plan.advice.iter().find(|a| a.code == "NobodyAwake").expect("advice");
    assert!(said.message.contains("from 22:00 to 06:00 every day"), "{}", said.message);
}

#[test]
fn roles_awake_at_once_do_not_share_a_device() {
    let mut wish = day_and_night();
    wish.roles.get_mut("dream").unwrap().activation = daily("0 5 * * *", 4);
    let plan = plan(&wish, &fleet(&[("bluefin", 2)]), at("2026-11-24T18:00:00Z"));
    let waits = plan.roles["dream"].waits.as_ref().unwrap();
    assert_eq!(waits.code.word(), "SharedAwake");
    assert!(place_of(&plan, "conscious").is_some());
}
