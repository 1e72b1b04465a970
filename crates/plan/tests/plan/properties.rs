//! What must hold of every plan.

use crate::build::*;
use cherokee_plan::{
    Access, Fleet, Holder, Intent, Layer, Mib, Node, Plan, Role, RoleState,
    calendar::Calendar,
    intent::{Activation, DeviceChoice, Interval, Placement, Seconds, Window},
    plan, sizing,
};
use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

fn layers() -> impl Strategy<Value = Layer> {
    prop::sample::select(vec![Layer::Conscious, Layer::Specialist, Layer::Backup, Layer::Subconscious])
}

fn activations() -> impl Strategy<Value = Activation> {
    let days = prop::sample::select(vec!["* * *", "* * *", "* * MON-FRI"]);
    let window = (0u32..60, 0u32..24, days, 1u32..12).prop_map(|(m, h, days, hours)| Window {
        schedule: format!("{m} {h} {days}"),
        duration: Seconds(hours * 3600),
    });
    prop_oneof![
        2 => Just(Activation::Always),
        3 => prop::collection::vec(window, 1..3).prop_map(Activation::Scheduled),
        1 => Just(Activation::OnDemand),
    ]
}

fn placements() -> impl Strategy<Value = Placement> {
    let device = prop_oneof![
        6 => Just(None),
        2 => (0u32..4).prop_map(|i| Some(DeviceChoice::Index(i))),
        1 => Just(Some(DeviceChoice::Product("B".into()))),
        1 => (0usize..4, 0u32..3).prop_map(|(n, i)| Some(DeviceChoice::Uuid(format!("GPU-n{n}-{i}")))),
    ];
    let others =
        || prop_oneof![3 => Just(BTreeSet::new()), 1 => (0usize..6).prop_map(|n| BTreeSet::from([format!("r{n}")]))];
    let node = prop::option::weighted(0.2, (0usize..5).prop_map(|n| format!("n{n}")));
    let zone = prop::option::weighted(0.2, prop::sample::select(vec!["a", "b"]));
    (node, zone, device, others(), others()).prop_map(|(node, zone, device, share_with, apart_from)| Placement {
        node_selector: zone.filter(|_| node.is_none()).map(|z| ("zone".into(), z.into())).into_iter().collect(),
        node,
        device,
        share_with,
        apart_from,
    })
}

fn roles() -> impl Strategy<Value = Role> {
    let model = prop::sample::select(vec!["small", "small", "middle", "large"]);
    let wake = prop::collection::vec((-40_000i64..90_000, 1i64..40_000), 0..2);
    let budget = prop::option::weighted(0.2, (1_000u64..20_000).prop_map(Mib));
    (layers(), model, 1u32..9, budget, activations(), wake, placements()).prop_map(
        |(layer, model, max_sequences, budget, activation, wake, placement)| Role {
            max_sequences,
            budget,
            activation,
            wake: wake
                .into_iter()
                .map(|(from, length)| Interval {
                    from: base() + TimeDelta::seconds(from),
                    until: base() + TimeDelta::seconds(from + length),
                })
                .collect(),
            placement,
            ..role(layer, model)
        },
    )
}

fn base() -> DateTime<Utc> {
    at("2026-03-07T12:00:00Z")
}

fn intents() -> impl Strategy<Value = Intent> {
    let drain = prop::sample::select(vec![0u32, 30, 600, 3600]);
    let lead = prop::sample::select(vec![0u32, 120, 3600]);
    (prop::collection::vec(roles(), 1..7), drain, lead, prop::bool::weighted(0.1)).prop_map(
        |(roles, drain, lead, cpu_only)| Intent {
            cpu_only,
            models: BTreeMap::from([
                ("small".into(), model(1_100_000_000, "F16")),
                ("middle".into(), model(8_000_000_000, "Q4_K_M")),
                ("large".into(), model(14_000_000_000, "F16")),
            ]),
            roles: roles.into_iter().enumerate().map(|(n, role)| (format!("r{n}"), role)).collect(),
            drain: Seconds(drain),
            lead_time: Seconds(lead),
            ..intent(&[])
        },
    )
}

/// A node as it is drawn: devices of a memory, a holder and one of two products; access, zone, whether it is usable.
type Drawn = (Vec<(u64, Holder, bool)>, Access, &'static str, bool);

fn fleets() -> impl Strategy<Value = Fleet> {
    let memory = prop::sample::select(vec![8_192u64, 16_303, 24_576, 49_152]);
    let holder = prop_oneof![
        8 => Just(Holder::Free),
        1 => Just(Holder::Foreign),
        1 => Just(Holder::Slots { cluster: cluster("other", 1), slots: vec!["other-00000000".into()] }),
    ];
    let access = prop_oneof![8 => Just(Access::Dra), 2 => Just(Access::DevicePlugin), 1 => Just(Access::Twice)];
    let zone = prop::sample::select(vec!["a", "b"]);
    let node =
        (prop::collection::vec((memory, holder, prop::bool::ANY), 0..4), access, zone, prop::bool::weighted(0.9));
    prop::collection::vec(node, 1..5).prop_map(|nodes| {
        let node = |(n, (devices, access, zone, usable)): (usize, Drawn)| {
            let devices = devices.into_iter().enumerate().map(|(i, (memory, holder, b))| {
                let mut device = device(&format!("GPU-n{n}-{i}"), memory);
                (device.holder, device.product) = (holder, if b { "B".into() } else { "A".into() });
                device
            });
            let labels = BTreeMap::from([("zone".to_owned(), zone.to_owned())]);
            (
                format!("n{n}"),
                Node { labels, usable, access, devices: devices.collect(), withdrawn: Vec::new(), simulated: false },
            )
        };
        Fleet { nodes: nodes.into_iter().enumerate().map(node).collect() }
    })
}

fn nows() -> impl Strategy<Value = DateTime<Utc>> {
    (0i64..90_000).prop_map(|s| base() + TimeDelta::seconds(s))
}

fn find<'a>(fleet: &'a Fleet, plan: &Plan, slot: &str) -> &'a cherokee_plan::Device {
    let id = &plan.slots[slot].device;
    fleet.nodes[&id.node].devices.iter().find(|d| d.uuid == id.uuid).expect("the device exists")
}

fn places(plan: &Plan) -> BTreeMap<String, BTreeSet<String>> {
    plan.roles.iter().filter(|(_, o)| !o.slots.is_empty()).map(|(r, o)| (r.clone(), o.slots.clone())).collect()
}

/// Roles that are joined with this one by any chain of `shareWith`.
fn joined(wish: &Intent, role: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::from([role.to_owned()]);
    loop {
        let shares = |name: &String, role: &Role| {
            role.placement.share_with.iter().any(|o| found.contains(o))
                || wish.roles.iter().any(|(n, r)| found.contains(n) && r.placement.share_with.contains(name))
        };
        let more: Vec<String> =
            wish.roles.iter().filter(|(n, r)| !found.contains(*n) && shares(n, r)).map(|(n, _)| n.clone()).collect();
        if more.is_empty() {
            return found;
        }
        found.extend(more);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn no_device_twice_no_memory_over_and_nobody_lost(wish in intents(), fleet in fleets(), now in nows()) {
        let plan = plan(&wish, &fleet, now);
        prop_assert_eq!(plan.roles.keys().collect::<Vec<_>>(), wish.roles.keys().collect::<Vec<_>>());
        for (role, outcome) in &plan.roles {
            prop_assert_eq!(outcome.slots.is_empty(), outcome.waits.is_some(), "{}", role);
            prop_assert_eq!(outcome.state == RoleState::Waiting, outcome.waits.is_some());
            prop_assert!(outcome.slots.iter().all(|s| plan.slots[s].roles.contains(role) && plan.slots[s].models.contains(&wish.roles[role].model)));
            let heard = outcome.waits.as_ref().is_none_or(|w| w.message.contains(&format!("`{role}`")) && !w.message.contains("other-"));
            prop_assert!(heard);
        }
        let mut by_device: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (name, slot) in &plan.slots {
            prop_assert!(!slot.roles.is_empty() && sizing::need(&slot.memory) <= slot.memory.total);
            if wish.cpu_only { continue }
            let device = find(&fleet, &plan, name);
            prop_assert!(slot.memory.total <= device.memory && device.holder == Holder::Free);
            by_device.entry(&slot.device).or_default().push(slot);
        }
        for slots in by_device.values() {
            prop_assert!(slots.iter().filter(|s| s.on).count() <= 1, "two processes on one device");
            let roles: BTreeSet<&String> = slots.iter().flat_map(|s| &s.roles).collect();
            let first = joined(&wish, roles.first().expect("a role"));
            prop_assert!(roles.iter().all(|r| first.contains(*r)), "roles share a device and never said so");
            prop_assert!(roles.iter().all(|r| roles.iter().all(|o| !wish.roles[*r].placement.apart_from.contains(*o) || r == o)));
            let awake = roles.iter().filter(|r| plan.roles[**r].state == RoleState::Awake);
            prop_assert!(awake.count() <= 1, "two roles awake on one device");
        }
        for (role, outcome) in &plan.roles {
            let on = outcome.slots.iter().any(|s| plan.slots[s].on);
            prop_assert!(!matches!(outcome.state, RoleState::Awake) || on, "{} is awake and its process is off", role);
        }
    }

    #[test]
    fn the_same_input_gives_the_same_bytes_in_whatever_order_it_was_listed(wish in intents(), fleet in fleets(), now in nows()) {
        let first = plan(&wish, &fleet, now);
        let mut turned = wish.clone();
        turned.roles.values_mut().for_each(|r| {
            r.wake.reverse();
            if let Activation::Scheduled(windows) = &mut r.activation { windows.reverse() }
        });
        let second = plan(&turned, &fleet, now);
        prop_assert_eq!(serde_json::to_string(&first).unwrap(), serde_json::to_string(&second).unwrap());
    }

    #[test]
    fn a_plan_that_took_hold_is_planned_again_as_it_is(wish in intents(), fleet in fleets(), now in nows()) {
        let first = plan(&wish, &fleet, now);
        let (settled, held) = applied(&first, &wish, &fleet);
        prop_assert_eq!(&plan(&settled, &held, now), &first);
        // Without the layout document, holds alone keep the devices, and after one plan the roles on them too.
        let blind = plan(&wish, &held, now);
        let devices = |p: &Plan| p.slots.values().map(|s| s.device.clone()).collect::<BTreeSet<_>>();
        prop_assert_eq!(devices(&blind), devices(&first));
        let (_, held) = applied(&blind, &wish, &held);
        prop_assert_eq!(plan(&wish, &held, now), blind);
    }

    #[test]
    fn one_more_gpu_unplaces_nobody_and_moves_nobody_that_runs(wish in intents(), fleet in fleets(), now in nows(), memory in 8_000u64..50_000) {
        let mut more = fleet.clone();
        let node = Node { usable: true, access: Access::Dra, devices: vec![device("GPU-new", memory)], ..Node::default() };
        more.nodes.insert("new".into(), node.clone());
        let (before, after) = (plan(&wish, &fleet, now), plan(&wish, &more, now));
        for role in places(&before).keys() {
            prop_assert!(places(&after).contains_key(role), "{} lost its place", role);
        }
        let (settled, mut held) = applied(&before, &wish, &fleet);
        held.nodes.insert("new".into(), node);
        let after = places(&plan(&settled, &held, now));
        for (role, slots) in places(&before) {
            prop_assert_eq!(after.get(&role), Some(&slots), "{} moved", role);
        }
    }

    #[test]
    fn one_more_role_that_may_sit_anywhere_moves_nobody(wish in intents(), fleet in fleets(), now in nows(), newcomer in roles()) {
        let before = plan(&wish, &fleet, now);
        let (mut settled, held) = applied(&before, &wish, &fleet);
        settled.roles.insert("zz".into(), Role { placement: Placement::default(), ..newcomer });
        let after = places(&plan(&settled, &held, now));
        for (role, slots) in places(&before) {
            prop_assert_eq!(after.get(&role), Some(&slots), "{} moved", role);
        }
    }

    #[test]
    fn outside_its_windows_a_dream_is_off(wish in intents(), fleet in fleets(), now in nows()) {
        let plan = plan(&wish, &fleet, now);
        for (name, slot) in plan.slots.iter().filter(|(_, s)| s.roles.len() == 1) {
            let role = &wish.roles[slot.roles.first().unwrap()];
            let calendar = Calendar::new(&role.activation);
            let awake = |at| calendar.state(&role.wake, &wish.time_zone, at);
            let (here, earlier) = (awake(now), awake(now - wish.drain.delta()));
            let near = here.until.is_some_and(|u| u <= now + wish.lead_time.delta());
            if !here.awake && !near && !earlier.awake && earlier.until == here.until {
                prop_assert!(!slot.on, "{} is on outside of its windows", name);
            }
        }
    }

    #[test]
    fn a_plan_holds_until_it_says_and_no_shorter(wish in intents(), fleet in fleets(), now in nows(), part in 0.0f64..1.0) {
        let first = plan(&wish, &fleet, now);
        let until = first.valid_until.unwrap_or(now + TimeDelta::days(2));
        prop_assert!(until > now);
        #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "any second in between will do")]
        let between = now + TimeDelta::seconds(((until - now).num_seconds() as f64 * part) as i64);
        for later in [between, until - TimeDelta::seconds(1)] {
            prop_assert_eq!(&plan(&wish, &fleet, later), &first);
        }
        // In CPU mode roles with one process may hide each other's edges.
        if first.valid_until.is_some() && !wish.cpu_only {
            prop_assert_ne!(plan(&wish, &fleet, until), first);
        }
    }

    #[test]
    fn the_next_transition_happens_when_it_is_said(wish in intents(), fleet in fleets(), now in nows()) {
        if let Some(next) = plan(&wish, &fleet, now).next {
            let then = plan(&wish, &fleet, next.at);
            let state = then.roles[&next.role].state;
            prop_assert_eq!(state == RoleState::Awake, next.to == RoleState::Awake, "{:?} {:?}", next, state);
        }
    }

    #[test]
    fn two_clusters_never_both_get_one_device(a in intents(), b in intents(), fleet in fleets(), now in nows()) {
        let first = plan(&a, &fleet, now);
        let (_, held) = applied(&first, &a, &fleet);
        let second = plan(&Intent { cluster: cluster("second", 2_000), ..b }, &held, now);
        let devices = |p: &Plan| p.slots.values().map(|s| s.device.clone()).filter(|d| d.uuid != "cpu").collect::<BTreeSet<_>>();
        prop_assert!(devices(&first).is_disjoint(&devices(&second)));
    }
}
