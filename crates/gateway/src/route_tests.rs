//! What must hold of every route.

use super::*;
use cherokee_wire::layout::{Model, Slot};
use chrono::TimeZone;
use proptest::prelude::*;

fn noon() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 11, 24, 12, 0, 0).unwrap()
}

fn role(layer: Layer, state: RoleState, slots: &[&str]) -> Role {
    Role {
        layer,
        model: "resonance".into(),
        state,
        until: None,
        slots: slots.iter().map(|slot| (*slot).to_owned()).collect(),
        default_route: layer == Layer::Conscious,
        model_names: Vec::new(),
        backs: Vec::new(),
        overflow: layer == Layer::Subconscious,
    }
}

/// The layer layout: conscious on `a`, dream on `b`, backup of conscious on `c`, a council on `d`.
fn layer_layout() -> Layout {
    let slot = |device: &str| Slot {
        node: "n".into(),
        device: device.into(),
        models: vec!["resonance".into()],
        on: true,
        superseded: false,
    };
    let mut backup = role(Layer::Backup, RoleState::Awake, &["c"]);
    backup.backs = vec!["conscious".into()];
    let mut council = role(Layer::Specialist, RoleState::Awake, &["d"]);
    council.model = "qwen".into();
    council.model_names = vec!["council-jr".into()];
    let mut dream = role(Layer::Subconscious, RoleState::Asleep, &["b"]);
    dream.until = Some("2026-11-24T13:00:00Z".into());
    Layout {
        models: BTreeMap::from([("resonance".into(), Model::default()), ("qwen".into(), Model::default())]),
        roles: BTreeMap::from([
            ("conscious".into(), role(Layer::Conscious, RoleState::Awake, &["a"])),
            ("dream".into(), dream),
            ("backup".into(), backup),
            ("council".into(), council),
        ]),
        slots: ["a", "b", "c", "d"].into_iter().map(|name| (name.to_owned(), slot(&format!("GPU-{name}")))).collect(),
        ..Layout::default()
    }
}

fn ready(slots: &[(&str, usize)]) -> Ready {
    slots.iter().map(|(name, busy)| ((*name).to_owned(), *busy)).collect()
}

fn ways(route: &Route) -> Vec<(&str, &str)> {
    match route {
        Route::Go(candidates) => candidates.iter().map(|one| (one.role.as_str(), one.reason.word())).collect(),
        other => panic!("expected candidates, got {other:?}"),
    }
}

#[test]
fn the_default_route_goes_to_the_conscious_then_its_backup() {
    let all = ready(&[("a", 0), ("b", 0), ("c", 0), ("d", 0)]);
    for asked in ["", "default"] {
        let route = route(&layer_layout(), asked, &all, noon());
        assert_eq!(ways(&route), [("conscious", "default-route"), ("backup", "fallback")]);
    }
    let by_model = route(&layer_layout(), "resonance", &all, noon());
    assert_eq!(ways(&by_model), [("conscious", "model-name"), ("backup", "fallback")]);
}

#[test]
fn an_awake_dream_worker_takes_overflow_of_the_default_route_only() {
    let mut layout = layer_layout();
    layout.roles.get_mut("dream").unwrap().state = RoleState::Awake;
    let all = ready(&[("a", 9), ("b", 0), ("c", 0), ("d", 0)]);
    let route_of = |asked| route(&layout, asked, &all, noon());
    assert_eq!(ways(&route_of("")), [("conscious", "default-route"), ("backup", "fallback"), ("dream", "overflow")]);
    assert_eq!(ways(&route_of("council")), [("council", "model-name")]);
    assert_eq!(ways(&route_of("council-jr")), [("council", "model-name")]);
    assert_eq!(ways(&route_of("dream")), [("dream", "model-name")]);
}

#[test]
fn a_backup_that_names_nobody_stands_in_for_everybody() {
    let mut layout = layer_layout();
    layout.roles.get_mut("backup").unwrap().backs.clear();
    let route = route(&layout, "council", &ready(&[("c", 0)]), noon());
    assert_eq!(ways(&route), [("backup", "fallback")]);
}

#[test]
fn of_several_slots_the_one_with_the_least_in_flight_is_first() {
    let mut layout = layer_layout();
    layout.roles.get_mut("conscious").unwrap().slots = vec!["a".into(), "d".into()];
    let Route::Go(candidates) = route(&layout, "", &ready(&[("a", 3), ("d", 1)]), noon()) else {
        panic!("no candidates")
    };
    assert_eq!(candidates.iter().map(|one| one.slot.as_str()).collect::<Vec<_>>(), ["d", "a"]);
    assert_eq!(candidates[0].device, "GPU-d");
}

#[test]
fn awake_without_a_ready_worker_is_worth_waiting_for() {
    assert_eq!(
        route(&layer_layout(), "", &ready(&[("b", 0)]), noon()),
        Route::NobodyReady(vec!["backup".into(), "conscious".into()])
    );
}

#[test]
fn a_house_is_short_while_an_awake_role_has_no_ready_worker() {
    let short = |slots: &[(&str, usize)]| is_short(&layer_layout(), "", &ready(slots));
    assert!(short(&[("c", 0)]));
    assert!(!short(&[("a", 0), ("c", 0)]), "the dream worker sleeps and nobody misses it");
}

#[test]
fn asleep_tells_the_seconds_until_the_first_wakes() {
    let mut layout = layer_layout();
    for (name, until) in [("conscious", "2026-11-24T12:00:30.2Z"), ("backup", "2026-11-24T14:00:00Z")] {
        let role = layout.roles.get_mut(name).unwrap();
        (role.state, role.until) = (RoleState::Asleep, Some(until.into()));
    }
    let all = ready(&[("a", 0), ("b", 0), ("c", 0)]);
    assert_eq!(route(&layout, "", &all, noon()), Route::Asleep(31));
    assert_eq!(route(&layout, "dream", &all, noon()), Route::Asleep(3600));
    // A layout gone stale: the operator is away at the edge.
    let later = noon() + chrono::Duration::hours(9);
    assert_eq!(route(&layout, "", &all, later), Route::Asleep(1));
}

#[test]
fn a_role_that_waits_for_a_place_is_neither_asleep_nor_worth_holding_for() {
    let mut layout = layer_layout();
    layout.roles.get_mut("council").unwrap().state = RoleState::Waiting;
    assert_eq!(route(&layout, "council", &ready(&[("d", 0)]), noon()), Route::Nowhere(10));
    layout.roles.get_mut("council").unwrap().state = RoleState::Asleep;
    assert_eq!(route(&layout, "council", &ready(&[("d", 0)]), noon()), Route::Asleep(10));
}

#[test]
fn an_unknown_name_is_answered_with_the_known_ones() {
    let Route::Unknown(known) = route(&layer_layout(), "gpt-4o", &Ready::new(), noon()) else { panic!("known") };
    assert_eq!(known, ["backup", "conscious", "council", "council-jr", "dream", "qwen", "resonance"]);
}

fn any_layer() -> impl Strategy<Value = Layer> {
    prop_oneof![Just(Layer::Conscious), Just(Layer::Subconscious), Just(Layer::Specialist), Just(Layer::Backup)]
}

fn any_state() -> impl Strategy<Value = RoleState> {
    prop_oneof![3 => Just(RoleState::Awake), 1 => Just(RoleState::Draining), 1 => Just(RoleState::Asleep), 1 => Just(RoleState::Waiting)]
}

prop_compose! {
    fn any_role()(
        layer in any_layer(), state in any_state(), model in "[mn]", slots in prop::collection::vec("[s-v]", 0..3),
        default_route in any::<bool>(), overflow in any::<bool>(), model_names in prop::collection::vec("[m-p]", 0..2),
        backs in prop::collection::vec("[a-d]", 0..2), minutes in prop::option::of(-90i64..90),
    ) -> Role {
        let until = minutes.map(|minutes| (noon() + chrono::Duration::minutes(minutes)).to_rfc3339());
        Role { layer, model, state, until, slots, default_route, model_names, backs, overflow }
    }
}

fn any_layout() -> impl Strategy<Value = Layout> {
    let slot = |on| Slot { node: "n".into(), device: "cpu".into(), models: vec![], on, superseded: false };
    let slots = prop::collection::btree_map("[s-v]", any::<bool>().prop_map(slot), 0..4);
    (prop::collection::btree_map("[a-d]", any_role(), 0..5), slots).prop_map(|(roles, slots)| Layout {
        roles,
        slots,
        ..Layout::default()
    })
}

fn any_ready() -> impl Strategy<Value = Ready> {
    prop::collection::btree_map("[s-v]", 0usize..5, 0..4)
}

fn tier(reason: Reason) -> u8 {
    match reason {
        Reason::ModelName | Reason::DefaultRoute => 0,
        Reason::Fallback => 1,
        Reason::Overflow => 2,
        Reason::Remembered => panic!("no route is remembered"),
    }
}

proptest! {
    #[test]
    fn candidates_are_awake_ready_placed_different_and_in_the_order_of_their_tiers(
        layout in any_layout(), asked in "[a-z]?", ready in any_ready(),
    ) {
        let Route::Go(candidates) = route(&layout, &asked, &ready, noon()) else { return Ok(()) };
        prop_assert!(!candidates.is_empty());
        let mut seen = BTreeSet::new();
        for one in &candidates {
            let role = &layout.roles[&one.role];
            prop_assert_eq!(role.state, RoleState::Awake);
            prop_assert!(role.slots.contains(&one.slot) && ready.contains_key(&one.slot) && layout.slots.contains_key(&one.slot));
            prop_assert_eq!(&role.model, &one.model);
            prop_assert!(seen.insert((&one.slot, &one.model)));
            prop_assert!(one.reason != Reason::Overflow || role.overflow);
        }
        for pair in candidates.windows(2) {
            let rank = |one: &Candidate| (tier(one.reason), ready[&one.slot]);
            prop_assert!(rank(&pair[0]) <= rank(&pair[1]));
        }
    }

    #[test]
    fn one_more_ready_slot_takes_no_candidate_away(
        layout in any_layout(), asked in "[a-z]?", ready in any_ready(), more in "[s-v]",
    ) {
        let places = |route| match route {
            Route::Go(list) => list.into_iter().map(|one| (one.slot, one.model)).collect::<BTreeSet<_>>(),
            _ => BTreeSet::new(),
        };
        let before = places(route(&layout, &asked, &ready, noon()));
        let mut ready = ready;
        ready.entry(more).or_insert(0);
        prop_assert!(before.is_subset(&places(route(&layout, &asked, &ready, noon()))));
    }

    #[test]
    fn every_listed_name_has_somebody_who_answers_for_it_and_no_other_has(layout in any_layout(), asked in "[a-z]") {
        let known = names(&layout).contains(asked.as_str());
        prop_assert_eq!(wanted(&layout, &asked).is_some(), known);
        let unknown = matches!(route(&layout, &asked, &Ready::new(), noon()), Route::Unknown(_));
        prop_assert_eq!(unknown, !known);
    }

    #[test]
    fn a_refusal_always_says_at_least_a_second(layout in any_layout(), asked in "[a-z]?", ready in any_ready()) {
        if let Route::Asleep(seconds) | Route::Nowhere(seconds) = route(&layout, &asked, &ready, noon()) {
            prop_assert!((1..=90 * 60).contains(&seconds));
        }
    }
}
