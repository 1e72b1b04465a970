use super::*;
use crate::{
    Layer, Mib, Model, Role, Zone,
    calendar::tests::day_fields,
    group,
    intent::{Activation, ClusterId, Placement, Seconds, Window},
};
use jiff::tz::TimeZoneDatabase;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// Most instants that a plan of 32 roles with eight windows each looks at. Every stretch has an edge of a window at each
/// side of its days: eleven days at first, then five for each role and each spare stretch.
const MOST: usize = 32 * (2 * 8 * 12 + 8) + (32 + calendar::SPARE_STRETCHES) * 32 * (2 * 8 * 5 + 8);

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// Roles of these windows that share one device, each with a model of its own.
fn intent(roles: &[Vec<Window>], hand_over: u32) -> Intent {
    let model = |n| Model {
        revision: format!("{n}"),
        weights: Mib(100),
        kv_bytes_per_token: 1,
        context_tokens: 8,
        parameters: None,
        dtype: "F16".into(),
    };
    let role = |(n, windows): (usize, &Vec<Window>)| Role {
        layer: Layer::Specialist,
        model: format!("m{n:02}"),
        max_sequences: 1,
        budget: None,
        activation: Activation::Scheduled(windows.clone()),
        wake: Vec::new(),
        overflow: false,
        default_route: false,
        placement: Placement { share_with: BTreeSet::from(["r00".to_owned()]), ..Placement::default() },
    };
    Intent {
        cluster: ClusterId::default(),
        time_zone: Zone::utc(),
        cpu_only: false,
        models: (0..roles.len()).map(|n| (format!("m{n:02}"), model(n))).collect(),
        roles: roles.iter().enumerate().map(|r| (format!("r{:02}", r.0), role(r))).collect(),
        drain: Seconds(hand_over),
        lead_time: Seconds(hand_over),
        serving: BTreeMap::new(),
        queries_per_second: None,
    }
}

/// What all groups do, and how many instants were looked at for it.
fn look_at_all(intent: &Intent, now: DateTime<Utc>) -> (Vec<Now>, usize) {
    let (calendars, clock) = (calendar::of(intent), Clock::new(&intent.time_zone));
    let groups = group::form(intent, &calendars).groups;
    (groups.iter().map(|g| look_by(g, intent, &clock, now)).collect(), clock.looked_at())
}

fn window(schedule: &str, minutes: u32) -> Window {
    Window { schedule: schedule.into(), duration: Seconds(minutes * 60) }
}

#[test]
fn roles_of_rare_dates_hand_over_as_others_do() {
    let (day, night) = (window("0 6 29 2 *", 16 * 60), window("0 22 29 2 *", 8 * 60));
    let (groups, looked_at) = look_at_all(&intent(&[vec![day], vec![night]], 60), at("2026-11-24T18:00:00Z"));
    let [group] = &groups[..] else { panic!("one group") };
    let next: Vec<_> = group.roles.iter().map(|phase| phase.next).collect();
    // The second worker starts when the first has drained, and admits a minute of start later.
    let wakes = |text| Some((at(text), RoleState::Awake));
    assert_eq!(next, [wakes("2028-02-29T06:00:00Z"), wakes("2028-02-29T22:01:00Z")]);
    assert_eq!(group.until, Some(at("2028-02-29T05:59:00Z")), "the first worker starts");
    assert!(looked_at < 40, "{looked_at}");
}

#[test]
fn a_role_whose_windows_are_all_cut_is_asleep_and_costs_a_bounded_search() {
    let roles = [vec![window("0 6 * * *", 60)], vec![window("59 5 * * *", 1)]];
    let (groups, looked_at) = look_at_all(&intent(&roles, 3600), at("2026-11-24T18:00:00Z"));
    assert_eq!((groups[0].roles[1].state, groups[0].roles[1].next), (RoleState::Asleep, None));
    assert!(looked_at < 500, "{looked_at}");
}

/// Any zone of the database.
fn zones() -> impl Strategy<Value = Zone> {
    let names: Vec<String> = TimeZoneDatabase::bundled().available().map(|name| name.as_str().to_owned()).collect();
    prop::sample::select(names).prop_map(|name| Zone::named(&name).unwrap())
}

/// Windows of 32 roles: five minutes of the day each, so that no two meet, or any.
fn roles() -> impl Strategy<Value = Vec<Vec<Window>>> {
    let window = (day_fields(), 0u32..1440, 1u32..=86_400);
    let role = prop::collection::vec(window, 8);
    (prop::collection::vec(role, 32), any::<bool>()).prop_map(|(roles, apart)| {
        let window = |slot: usize, (days, start, length): (String, u32, u32)| {
            let start = if apart { u32::try_from(slot).unwrap() * 5 } else { start };
            let length = if apart { length.min(300) } else { length };
            Window { schedule: format!("{} {} {days}", start % 60, start / 60), duration: Seconds(length) }
        };
        let of = |(n, list): (usize, Vec<(String, u32, u32)>)| {
            list.into_iter().enumerate().map(|(w, drawn)| window(n * 8 + w, drawn)).collect()
        };
        roles.into_iter().enumerate().map(of).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn a_plan_looks_at_a_bounded_number_of_instants(
        roles in roles(), hand_over in prop::sample::select(vec![0u32, 30, 3600]),
        zone in zones(), s in 1_700_000_000i64..4_200_000_000
    ) {
        let now = DateTime::from_timestamp(s, 0).unwrap();
        let wish = Intent { time_zone: zone, ..intent(&roles, hand_over) };
        let (_, looked_at) = look_at_all(&wish, now);
        prop_assert!(looked_at <= MOST, "{} of at most {}", looked_at, MOST);
    }

    #[test]
    fn a_look_at_few_days_sees_what_a_look_at_all_days_of_a_year_sees(
        roles in roles(), wakes in prop::collection::vec((0usize..3, -9_000i64..20_000_000, 1i64..90_000), 0..3),
        hand_over in prop::sample::select(vec![0u32, 30, 3600]), s in 1_700_000_000i64..1_900_000_000
    ) {
        let now = DateTime::from_timestamp(s, 0).unwrap();
        let three: Vec<Vec<Window>> = roles.iter().step_by(8).take(3).map(|list| list[..2].to_vec()).collect();
        let mut wish = intent(&three, hand_over);
        for (role, from, length) in wakes {
            let from = now + TimeDelta::seconds(from);
            let wake = Interval { from, until: from + TimeDelta::seconds(length) };
            wish.roles.values_mut().nth(role).unwrap().wake.push(wake);
        }
        let (calendars, clock) = (calendar::of(&wish), Clock::new(&wish.time_zone));
        for group in group::form(&wish, &calendars).groups {
            let (found, day) = (look_by(&group, &wish, &clock, now), TimeDelta::days(1));
            let (seen, year) = (Interval { from: now - day, until: now + day * 400 }, now + day * 399);
            let days = Days::of(&group, &wish, &clock, seen);
            for (phase, list) in found.roles.iter().zip(&days.admits) {
                let wanted = super::phase(list, wish.drain.delta(), now, year);
                prop_assert_eq!(phase.state, wanted.state);
                prop_assert_eq!(phase.next.filter(|(at, _)| *at < year), wanted.next);
            }
            let edges = days.on.iter().filter_map(|list| span::next_edge(list, now)).filter(|e| *e < year);
            let nexts = found.roles.iter().filter_map(|p| p.next.map(|(at, _)| at)).filter(|e| *e < year);
            prop_assert_eq!(found.until.filter(|e| *e < year), edges.chain(nexts).min());
        }
    }
}
