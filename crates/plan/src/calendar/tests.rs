use super::*;
use crate::intent::Seconds;
use proptest::prelude::*;

const UTC: &str = "UTC";
const CHICAGO: &str = "America/Chicago";
const BERLIN: &str = "Europe/Berlin";

fn zone(name: &str) -> Zone {
    Zone::named(name).unwrap()
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}
fn window(schedule: &str, minutes: u32) -> Window {
    Window { schedule: schedule.into(), duration: Seconds(minutes * 60) }
}
fn windows(list: &[(&str, u32)]) -> Activation {
    Activation::Scheduled(list.iter().map(|(s, m)| window(s, *m)).collect())
}

fn state(activation: &Activation, wake: &[Interval], name: &str, now: DateTime<Utc>) -> State {
    Calendar::new(activation).state(wake, &zone(name), now)
}
fn meet(a: &Activation, b: &Activation) -> bool {
    Calendar::new(a).meets(&Calendar::new(b))
}
fn gaps(calendars: &[&Activation]) -> Option<Vec<[week::Moment; 2]>> {
    let calendars: Vec<Calendar> = calendars.iter().map(|a| Calendar::new(a)).collect();
    gaps_of_a_week(&calendars.iter().collect::<Vec<_>>())
}

/// Every edge after `from`, as many as are asked for.
fn edges(activation: &Activation, tz: &str, from: &str, count: usize) -> Vec<String> {
    let mut now = at(from);
    let mut found = Vec::new();
    while found.len() < count {
        let now_is = state(activation, &[], tz, now);
        let until = now_is.until.expect("an edge");
        let next = state(activation, &[], tz, until);
        assert_ne!(now_is.awake, next.awake, "an edge turns the state at {until}");
        assert_eq!(
            state(activation, &[], tz, until - TimeDelta::seconds(1)),
            now_is,
            "a second before {until} nothing has changed"
        );
        found.push(zone(tz).local(until).format("%a %d %H:%M").to_string());
        now = until;
    }
    found
}

#[test]
fn two_to_six_is_two_to_six_on_both_change_days_in_chicago() {
    let dream = windows(&[("0 2 * * *", 240)]);
    // 2026-03-08 has no 02:00: the window begins at the end of the gap.
    assert_eq!(
        edges(&dream, CHICAGO, "2026-03-07T18:00:00Z", 4),
        ["Sun 08 03:00", "Sun 08 06:00", "Mon 09 02:00", "Mon 09 06:00"]
    );
    assert_eq!(
        edges(&dream, CHICAGO, "2026-10-31T18:00:00Z", 4),
        ["Sun 01 02:00", "Sun 01 06:00", "Mon 02 02:00", "Mon 02 06:00"]
    );
}

#[test]
fn two_to_six_is_two_to_six_on_both_change_days_in_berlin() {
    let dream = windows(&[("0 2 * * *", 240)]);
    assert_eq!(state(&dream, &[], BERLIN, at("2026-03-29T00:30:00Z")).until, Some(at("2026-03-29T01:00:00Z")));
    assert_eq!(
        state(&dream, &[], BERLIN, at("2026-03-29T01:00:00Z")),
        State { awake: true, until: Some(at("2026-03-29T04:00:00Z")) }
    );
    // 02:00 comes twice on 2026-10-25: the first counts, and the window is an hour longer.
    assert_eq!(
        state(&dream, &[], BERLIN, at("2026-10-24T23:59:59Z")),
        State { awake: false, until: Some(at("2026-10-25T00:00:00Z")) }
    );
    assert_eq!(
        state(&dream, &[], BERLIN, at("2026-10-25T01:00:00Z")),
        State { awake: true, until: Some(at("2026-10-25T05:00:00Z")) }
    );
}

#[test]
fn a_window_inside_the_gap_does_not_happen_and_one_that_ends_in_it_ends_at_its_end() {
    assert_eq!(
        edges(&windows(&[("15 2 * * *", 30)]), CHICAGO, "2026-03-07T18:00:00Z", 2),
        ["Mon 09 02:15", "Mon 09 02:45"]
    );
    assert_eq!(
        edges(&windows(&[("30 1 * * *", 60)]), CHICAGO, "2026-03-07T18:00:00Z", 2),
        ["Sun 08 01:30", "Sun 08 03:00"]
    );
}

#[test]
fn both_edges_in_the_double_hour_are_the_earlier_ones() {
    let late = windows(&[("15 1 * * *", 30)]);
    let first = state(&late, &[], CHICAGO, at("2026-11-01T06:00:00Z")).until.unwrap();
    assert_eq!(state(&late, &[], CHICAGO, first), State { awake: true, until: Some(first + TimeDelta::minutes(30)) });
    assert_eq!(first, at("2026-11-01T06:15:00Z"), "01:15 comes at 06:15Z and again at 07:15Z");
    assert!(!state(&late, &[], CHICAGO, at("2026-11-01T07:20:00Z")).awake);
}

#[test]
fn a_window_over_midnight_is_one_window() {
    let night = windows(&[("0 22 * * *", 480)]);
    assert_eq!(edges(&night, CHICAGO, "2026-06-01T17:00:00Z", 3), ["Mon 01 22:00", "Tue 02 06:00", "Tue 02 22:00"]);
    assert!(state(&night, &[], CHICAGO, at("2026-06-02T05:00:00Z")).awake);
}

#[test]
fn weekday_windows_rest_at_the_weekend() {
    let office = windows(&[("0 9 * * MON-FRI", 480)]);
    assert_eq!(
        edges(&office, BERLIN, "2026-06-05T06:00:00Z", 4),
        ["Fri 05 09:00", "Fri 05 17:00", "Mon 08 09:00", "Mon 08 17:00"]
    );
}

#[test]
fn several_windows_merge_where_they_touch_or_overlap() {
    let day = windows(&[("0 6 * * *", 240), ("0 10 * * *", 240), ("0 13 * * *", 180), ("0 20 * * *", 60)]);
    assert_eq!(
        edges(&day, CHICAGO, "2026-06-01T06:00:00Z", 4),
        ["Mon 01 06:00", "Mon 01 16:00", "Mon 01 20:00", "Mon 01 21:00"]
    );
}

#[test]
fn a_whole_day_every_day_is_always() {
    assert_eq!(
        state(&windows(&[("0 0 * * *", 1440)]), &[], CHICAGO, at("2026-06-01T06:00:00Z")),
        State { awake: true, until: None }
    );
    assert_eq!(
        state(&Activation::Always, &[], CHICAGO, at("2026-06-01T06:00:00Z")),
        State { awake: true, until: None }
    );
    assert_eq!(
        state(&Activation::OnDemand, &[], CHICAGO, at("2026-06-01T06:00:00Z")),
        State { awake: false, until: None }
    );
}

#[test]
fn a_rare_date_is_found_years_ahead() {
    assert_eq!(
        state(&windows(&[("0 6 29 2 *", 60)]), &[], UTC, at("2026-06-01T00:00:00Z")).until,
        Some(at("2028-02-29T06:00:00Z"))
    );
}

#[test]
fn a_wake_up_is_united_with_the_windows() {
    let dream = windows(&[("0 2 * * *", 240)]);
    let wake = [Interval { from: at("2026-06-01T10:30:00Z"), until: at("2026-06-01T12:00:00Z") }];
    let of = |t: &str| state(&dream, &wake, CHICAGO, at(t));
    // 06:00 in Chicago is 11:00Z: the wake-up makes the window longer.
    assert_eq!(of("2026-06-01T10:00:00Z"), State { awake: true, until: Some(at("2026-06-01T12:00:00Z")) });
    assert_eq!(of("2026-06-01T12:00:00Z"), State { awake: false, until: Some(at("2026-06-02T07:00:00Z")) });
    let far = [Interval { from: at("2027-06-01T10:30:00Z"), until: at("2027-06-01T12:00:00Z") }];
    assert_eq!(state(&Activation::OnDemand, &far, CHICAGO, at("2026-06-01T00:00:00Z")).until, Some(far[0].from));
}

#[test]
fn a_schedule_is_five_fields_with_one_start_on_a_date_that_exists() {
    for good in ["0 2 * * *", "30 22 * * MON-FRI", "0 6 29 2 *", "5 4 1,15 * *", "0 2 * * 7"] {
        assert_eq!(check_schedule(good), Ok(()), "{good}");
    }
    for unreadable in ["0 0 2 * * *", "61 2 * * *", "0 2 * *", "", "noon"] {
        assert!(matches!(check_schedule(unreadable), Err(ScheduleError::Unreadable { .. })), "{unreadable}");
    }
    for many in ["@daily", "* 2 * * *", "0 */2 * * *", "0,30 2 * * *", "0 2-4 * * *"] {
        assert!(matches!(check_schedule(many), Err(ScheduleError::NotOneStart { .. })), "{many}");
    }
    assert!(matches!(check_schedule("0 2 31 2 *"), Err(ScheduleError::Never { .. })));
}

#[test]
fn weekdays_over_the_end_of_the_week_are_refused_with_the_list_to_write() {
    for (range, list) in
        [("FRI-MON", "FRI,SAT,SUN,MON"), ("6-0", "SAT,SUN"), ("sat-mon", "SAT,SUN,MON"), ("WED,5-1/2", "FRI,SUN")]
    {
        let refusal = check_schedule(&format!("0 12 * * {range}")).expect_err(range).to_string();
        assert!(refusal.ends_with(&format!("list the days, as `{list}`")), "{range}: {refusal}");
        assert_eq!(check_schedule(&format!("0 12 * * {list}")), Ok(()), "{list}");
    }
    assert!(matches!(check_schedule("61 12 * * MON-FRI"), Err(ScheduleError::Unreadable { .. })));
}

#[test]
fn a_day_of_month_and_a_weekday_are_joined_by_or() {
    let either = windows(&[("0 2 1-7 * MON", 60)]);
    let awake = |day: u32| state(&either, &[], UTC, at(&format!("2026-12-{day:02}T02:30:00Z"))).awake;
    assert_eq!((1..=31).filter(|d| awake(*d)).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6, 7, 14, 21, 28]);
}

#[test]
fn calendars_that_touch_do_not_meet() {
    let day = windows(&[("0 6 * * *", 16 * 60)]);
    assert!(!meet(&day, &windows(&[("0 2 * * *", 240)])));
    assert!(!meet(&day, &windows(&[("0 22 * * *", 480)])));
    assert!(meet(&day, &windows(&[("0 2 * * *", 241)])));
    assert!(meet(&windows(&[("0 22 * * SUN", 600)]), &windows(&[("0 6 * * MON", 60)])));
    assert!(!meet(&windows(&[("0 6 1 * *", 60)]), &windows(&[("0 6 2 * *", 60)])));
    assert!(meet(&windows(&[("0 6 13 * *", 60)]), &windows(&[("0 6 * * FRI", 60)])));
    assert!(meet(&Activation::Always, &day) && !meet(&Activation::OnDemand, &Activation::Always));
}

#[test]
fn the_gaps_of_a_week_are_known() {
    let daily = gaps(&[&windows(&[("0 6 * * *", 16 * 60)]), &windows(&[("0 2 * * *", 240)])]).unwrap();
    assert_eq!((daily.len(), daily[0][0].1, daily[0][1].1), (7, 22 * 60, 2 * 60));
    assert_eq!(gaps(&[&Activation::Always]), Some(vec![]));
    assert_eq!(gaps(&[&windows(&[("0 6 1 * *", 60)])]), None);
    // As many days of the month as there are: the same every week.
    assert_eq!(gaps(&[&windows(&[("0 0 1-31 * *", 24 * 60)])]), Some(vec![]));
    let office = gaps(&[&windows(&[("0 9 * * MON-FRI", 480)])]).unwrap();
    assert_eq!((office[0], office[4]), ([(0, 17 * 60), (1, 9 * 60)], [(4, 17 * 60), (0, 9 * 60)]));
}

#[test]
fn the_days_of_a_window_are_those_on_which_croner_fires() {
    // Past 2100, which is no leap year.
    let (first, last) = (NaiveDate::from_ymd_opt(2095, 1, 1).unwrap(), NaiveDate::from_ymd_opt(2105, 1, 1).unwrap());
    for fields in [
        "* * *",
        "1,15 * MON",
        "29 2 *",
        "*/7 */5 *",
        "1-31/2 1-6 7",
        "* 2 5L",
        "L * *",
        "LW * *",
        "* * MON#5",
        "15W 3 *",
        "*/2 JAN,DEC SUN",
    ] {
        let cron = schedule::parse(&format!("0 0 {fields}")).unwrap();
        let days = Days::of(&cron);
        for day in first.iter_days().take_while(|d| *d < last) {
            let fires = cron.is_time_matching(&NaiveDateTime::from(day).and_utc()).unwrap();
            assert_eq!(days.has(position(day)), fires, "{fields} on {day}");
        }
    }
}

#[test]
fn the_next_edge_costs_few_looks_at_the_clock_however_rare_it_is() {
    for (schedule, now, until) in [
        ("0 6 29 2 *", "2026-06-01T00:00:00Z", "2028-02-29T06:00:00Z"),
        ("0 6 29 2 *", "2096-06-01T00:00:00Z", "2104-02-29T06:00:00Z"),
        ("0 6 * 2 THU#5", "2026-06-01T00:00:00Z", "2052-02-29T06:00:00Z"),
    ] {
        let utc = Zone::utc();
        let clock = Clock::new(&utc);
        let state = Calendar::new(&windows(&[(schedule, 60)])).state_by(&[], &clock, at(now));
        assert_eq!(state, State { awake: false, until: Some(at(until)) }, "{schedule}");
        assert!(clock.looked_at() < 12, "{schedule}: {}", clock.looked_at());
    }
}

#[test]
fn a_role_that_is_awake_for_years_knows_when_that_ends() {
    let but_leap_days = windows(&[("0 0 1-28 2 *", 1440), ("0 0 * 1,3-12 *", 1440)]);
    assert_eq!(
        state(&but_leap_days, &[], UTC, at("2024-06-01T00:00:00Z")),
        State { awake: true, until: Some(at("2028-02-29T00:00:00Z")) }
    );
}

const WEEKLY: &[&str] = &["* * *", "* * MON-FRI", "* * SUN"];
const DATED: &[&str] = &["* * *", "* * MON-FRI", "* * SUN", "1 * *", "* 3,10,11 *"];

fn some_windows(days: &'static [&'static str]) -> impl Strategy<Value = Vec<Window>> {
    let days = prop::sample::select(days);
    prop::collection::vec((0u32..60, 0u32..24, days, 1u32..=1440), 1..4).prop_map(|list| {
        list.into_iter().map(|(m, h, days, length)| window(&format!("{m} {h} {days}"), length)).collect()
    })
}
fn zones() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![CHICAGO, BERLIN, UTC, "Australia/Lord_Howe", "Asia/Kathmandu"])
}

/// Any day fields that the schema admits and croner reads, on dates that exist.
pub(crate) fn day_fields() -> impl Strategy<Value = String> {
    fn list(least: u32, most: u32) -> impl Strategy<Value = String> {
        let one = (least..=most).prop_map(|n| n.to_string());
        let range = (least..=most, least..=most).prop_map(|(a, b)| format!("{}-{}", a.min(b), a.max(b)));
        let stepped =
            (least..=most, least..=most, 1u32..9).prop_map(|(a, b, s)| format!("{}-{}/{s}", a.min(b), a.max(b)));
        let step = (1u32..9).prop_map(|s| format!("*/{s}"));
        prop::collection::vec(prop_oneof![3 => one, 2 => range, 1 => stepped, 1 => step], 1..4)
            .prop_map(|v| v.join(","))
    }
    let day = prop_oneof![3 => Just("*".to_owned()), 2 => list(1, 31)];
    let month = prop_oneof![3 => Just("*".to_owned()), 2 => list(1, 12), 1 => Just("FEB,jul-OCT".to_owned())];
    let named = prop::sample::select(vec!["MON-FRI", "sat,SUN", "5L", "FRIL", "7"]).prop_map(str::to_owned);
    let weekday = prop_oneof![3 => Just("*".to_owned()), 1 => list(0, 7), 1 => named];
    (day, month, weekday)
        .prop_map(|(day, month, weekday)| format!("{day} {month} {weekday}"))
        .prop_filter("a date that exists", |f| check_schedule(&format!("0 0 {f}")).is_ok())
}

fn any_windows(most: usize) -> impl Strategy<Value = Vec<Window>> {
    let length = prop_oneof![1u32..=86_400, (1u32..=24).prop_map(|h| h * 3600)];
    prop::collection::vec((0u32..60, 0u32..24, day_fields(), length), 1..=most).prop_map(|list| {
        let window = |(m, h, days, length)| Window { schedule: format!("{m} {h} {days}"), duration: Seconds(length) };
        list.into_iter().map(window).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn calendars_meet_when_their_windows_do_in_28_years(a in any_windows(2), b in any_windows(2)) {
        let [x, y] = [&a, &b].map(|list| Calendar::new(&Activation::Scheduled(list.clone())));
        prop_assert_eq!(x.meets(&y), oracle::meet(&a, &b));
        prop_assert_eq!(y.meets(&x), x.meets(&y));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_calendar_is_awake_when_its_windows_are(list in any_windows(4), tz in zones(), s in 1_700_000_000i64..1_900_000_000, days in 1i64..60) {
        let from = DateTime::from_timestamp(s, 0).unwrap();
        let zone = zone(tz);
        let (clock, span) = (Clock::new(&zone), Interval { from, until: from + TimeDelta::days(days) });
        let activation = Activation::Scheduled(list);
        let found = Calendar::new(&activation).intervals(&[], &clock, span);
        prop_assert_eq!(&found, &oracle::intervals(&activation, &[], &clock, span));
        let edge = span::next_edge(&found, from).filter(|e| *e < span.until);
        let until = Calendar::new(&activation).state(&[], &zone, from).until;
        prop_assert_eq!(edge, until.filter(|e| *e < span.until));
    }

    #[test]
    fn gaps_of_a_week_are_where_no_window_is(list in some_windows(WEEKLY)) {
        prop_assert_eq!(gaps(&[&Activation::Scheduled(list.clone())]), Some(oracle::gaps_of_a_week(&list)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn an_end_is_after_its_start_and_edges_are_exact(list in some_windows(DATED), tz in zones(), s in 1_700_000_000i64..1_900_000_000) {
        let now = DateTime::from_timestamp(s, 0).unwrap();
        let activation = Activation::Scheduled(list);
        let here = state(&activation, &[], tz, now);
        if let Some(until) = here.until {
            prop_assert!(until > now);
            let there = state(&activation, &[], tz, until);
            prop_assert_ne!(here.awake, there.awake);
            let before = state(&activation, &[], tz, until - TimeDelta::seconds(1));
            prop_assert_eq!(before, here);
            prop_assert!(there.until.is_none_or(|u| u > until));
        }
    }

    #[test]
    fn calendars_that_never_meet_are_never_awake_together(a in some_windows(WEEKLY), b in some_windows(WEEKLY), tz in zones(), s in 1_700_000_000i64..1_900_000_000) {
        // Dates need a long cycle, which is tested above; here the weeks are enough.
        let (a, b) = (Activation::Scheduled(a), Activation::Scheduled(b));
        if !meet(&a, &b) {
            let mut now = DateTime::from_timestamp(s, 0).unwrap();
            for _ in 0..20 {
                let (x, y) = (state(&a, &[], tz, now), state(&b, &[], tz, now));
                prop_assert!(!(x.awake && y.awake));
                let Some(next) = [x.until, y.until].into_iter().flatten().min() else { break };
                now = next;
            }
        }
    }

    #[test]
    fn an_instant_never_goes_back_when_the_wall_clock_goes_on(s in 1_700_000_000i64..1_900_000_000, ahead in 0i64..7200, tz in zones()) {
        let naive = DateTime::from_timestamp(s, 0).unwrap().naive_utc();
        let zone = zone(tz);
        let clock = Clock::new(&zone);
        prop_assert!(clock.instant(naive) <= clock.instant(naive + TimeDelta::seconds(ahead)));
    }
}
