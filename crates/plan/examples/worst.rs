//! How long the worst plans take: calendars of 32 roles with eight windows each, the most that the schema admits, and growing
//! fleets.
//!
//! `cargo run --release -p cherokee-plan --example worst` prints a table; `make bench` calls it.

use cherokee_plan::{
    Access, ClusterId, Device, DeviceId, Fleet, Holder, Intent, Layer, Mib, Model, Node, Role, Zone,
    intent::{Activation, DeviceChoice, Placement, Seconds, Window},
    plan,
};
use chrono::{DateTime, Utc};
use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write,
    time::Instant,
};

const ROLES: u32 = 32;
const WINDOWS: u32 = 8;
/// Plans of each kind. On a busy machine the fastest says most.
const PLANS: usize = 51;

/// A kind of intent: its name, whether all roles share one device, and the windows of a role.
type Kind = (&'static str, bool, fn(u32) -> Vec<Window>);

const KINDS: &[Kind] = &[
    ("every day by days of the month, a device each", false, |_| {
        windows(|w| (format!("{w} {} 1-31 * *", 2 * w), 3600))
    }),
    ("months and weekdays, a device each", false, |_| windows(|w| (format!("0 {} * 9-12,1-6 MON-FRI", 3 * w), 7200))),
    ("a day of each month, a device each", false, |r| {
        windows(|w| (format!("{w} 6 {} * *", (r * 7 + w) % 28 + 1), 86_400))
    }),
    ("every day, taking turns on one device", true, |r| windows(|w| (turn(r, w, "1-31 * *"), 300))),
    ("29 February, taking turns on one device", true, |r| windows(|w| (turn(r, w, "29 2 *"), 300))),
    ("a month and day each, taking turns on one device", true, |r| {
        windows(|w| (format!("0 {} {} {} *", 3 * w, r % 28 + 1, r % 12 + 1), 10_000))
    }),
    ("one role always cut by the others, on one device", true, |r| match r {
        31 => vec![Window { schedule: "58 23 * * *".into(), duration: Seconds(60) }],
        _ => windows(|w| (turn(r, w, "* * *"), 120)),
    }),
];

fn main() -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    let now: DateTime<Utc> = "2026-11-24T18:00:00Z".parse().expect("a time");
    writeln!(
        out,
        "{ROLES} roles with {WINDOWS} windows each: milliseconds of a plan, fastest, median and slowest of {PLANS}"
    )?;
    for (name, shared, windows) in KINDS {
        let (intent, fleet) = (intent(*shared, *windows), fleet());
        let mut times: Vec<f64> = (0..PLANS)
            .map(|_| {
                let start = Instant::now();
                std::hint::black_box(plan(&intent, &fleet, now));
                start.elapsed().as_secs_f64() * 1000.0
            })
            .collect();
        times.sort_by(f64::total_cmp);
        writeln!(out, "{:7.1} {:7.1} {:7.1}  {name}", times[0], times[PLANS / 2], times[PLANS - 1])?;
    }
    writeln!(out, "16 roles, half of which name a product, on nodes with 8 GPUs each by the device plugin")?;
    let mut before = None;
    for nodes in [100, 200, 400, 800] {
        let (intent, fleet) = (by_product(), plugged(nodes));
        let times = (0..11).map(|_| {
            let start = Instant::now();
            std::hint::black_box(plan(&intent, &fleet, now));
            start.elapsed().as_secs_f64() * 1000.0
        });
        let fastest = times.fold(f64::INFINITY, f64::min);
        let growth = before.map_or_else(String::new, |b: f64| format!(", {:.1} times half of them", fastest / b));
        writeln!(out, "{fastest:7.1} ms at best for {nodes} nodes{growth}")?;
        before = Some(fastest);
    }
    Ok(())
}

/// 16 roles that are always awake; every second one names a product.
fn by_product() -> Intent {
    let mut intent = intent(false, |_| Vec::new());
    intent.roles.retain(|name, _| name.as_str() < "r16");
    for (n, role) in intent.roles.values_mut().enumerate() {
        role.activation = Activation::Always;
        role.placement.device = (n % 2 == 0).then(|| DeviceChoice::Product("Simulated".into()));
    }
    intent
}

/// Nodes with eight devices each by the device plugin.
fn plugged(nodes: u32) -> Fleet {
    let one = fleet().nodes.remove("north").unwrap_or_default();
    let node = |n| {
        let name = format!("n{n:04}");
        let devices = one
            .devices
            .iter()
            .take(8)
            .enumerate()
            .map(|(i, device)| Device { uuid: DeviceId::of_ordinal(&name, i).uuid, ..device.clone() });
        let node = Node { access: Access::DevicePlugin, devices: devices.collect(), ..one.clone() };
        (name, node)
    };
    Fleet { nodes: (0..nodes).map(node).collect() }
}

fn windows(of: impl Fn(u32) -> (String, u32)) -> Vec<Window> {
    (0..WINDOWS).map(of).map(|(schedule, seconds)| Window { schedule, duration: Seconds(seconds) }).collect()
}

/// A start of its own for each window of each role, five minutes apart.
fn turn(role: u32, window: u32, days: &str) -> String {
    let minute = (role * WINDOWS + window) * 5;
    format!("{} {} {days}", minute % 60, minute / 60)
}

fn intent(shared: bool, windows: fn(u32) -> Vec<Window>) -> Intent {
    let first = if shared { BTreeSet::from(["r00".to_owned()]) } else { BTreeSet::new() };
    let role = |n| Role {
        layer: Layer::Conscious,
        model: format!("m{n:02}"),
        max_sequences: 4,
        budget: None,
        activation: Activation::Scheduled(windows(n)),
        wake: Vec::new(),
        overflow: false,
        default_route: n == 0,
        placement: Placement { share_with: first.clone(), ..Placement::default() },
    };
    let model = |n: u32| Model {
        revision: n.to_string(),
        weights: Mib(2000),
        kv_bytes_per_token: 1000,
        context_tokens: 2048,
        parameters: Some(1_100_000_000),
        dtype: "F16".into(),
    };
    Intent {
        cluster: ClusterId { name: "bench".into(), ..ClusterId::default() },
        time_zone: Zone::named("America/Chicago").expect("a zone"),
        cpu_only: false,
        models: (0..ROLES).map(|n| (format!("m{n:02}"), model(n))).collect(),
        roles: (0..ROLES).map(|n| (format!("r{n:02}"), role(n))).collect(),
        drain: Seconds(if shared { 600 } else { 30 }),
        lead_time: Seconds(120),
        serving: BTreeMap::new(),
        queries_per_second: Some(1),
    }
}

/// Half as many devices as roles, so that half of them wait where each wants one.
fn fleet() -> Fleet {
    let device =
        |n| Device { uuid: format!("GPU-{n}"), product: "Simulated".into(), memory: Mib(16_303), holder: Holder::Free };
    let node = Node {
        labels: BTreeMap::new(),
        usable: true,
        access: Access::Dra,
        devices: (0..ROLES / 2).map(device).collect(),
        withdrawn: Vec::new(),
        simulated: false,
    };
    Fleet { nodes: BTreeMap::from([("north".to_owned(), node)]) }
}
