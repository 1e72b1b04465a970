//! Prints who of a cluster sits where and who is awake at given times: `timeline INTENT.json FLEET.json TIME...` (RFC 3339).

use cherokee_plan::{Fleet, Intent, Plan};
use chrono::{DateTime, Utc};
use std::{error::Error, fs, io::Write};

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(intent), Some(fleet)) = (args.next(), args.next()) else {
        return Err("usage: timeline INTENT.json FLEET.json TIME...".into());
    };
    let intent: Intent = read(&intent)?;
    let fleet: Fleet = read(&fleet)?;
    let mut out = std::io::stdout().lock();
    for time in args {
        let now: DateTime<Utc> =
            time.parse().map_err(|e| format!("`{time}`: {e}: write it as 2026-11-24T08:00:00Z"))?;
        show(&mut out, &intent, &cherokee_plan::plan(&intent, &fleet, now), now)?;
    }
    Ok(())
}

fn read<T: serde::de::DeserializeOwned>(path: &str) -> Result<T, Box<dyn Error>> {
    let text = fs::read_to_string(path).map_err(|e| format!("{path}: {e}"))?;
    Ok(serde_json::from_str(&text).map_err(|e| format!("{path}: {e}"))?)
}

fn show(out: &mut impl Write, intent: &Intent, plan: &Plan, now: DateTime<Utc>) -> std::io::Result<()> {
    let local = |at: DateTime<Utc>| at.with_timezone(&intent.time_zone).format("%a %H:%M").to_string();
    writeln!(out, "\n{} in {}", local(now), intent.time_zone)?;
    for (name, role) in &plan.roles {
        let slot = role.slots.iter().find_map(|s| plan.slots.get(s));
        let place = slot.map_or("no place".into(), |s| {
            let replica = if s.on { "pod up" } else { "no pod" };
            format!("{} {} {}, {replica}", s.device.node, s.device.uuid, s.memory.total)
        });
        let until = role.until.map(|at| format!(" until {}", local(at))).unwrap_or_default();
        writeln!(out, "  {name:<10} {:<8}{until:<16} {place}", format!("{:?}", role.state))?;
        if let Some(waits) = &role.waits {
            writeln!(out, "             {}: {}", waits.code.word(), waits.message)?;
        }
    }
    match plan.valid_until {
        Some(at) => writeln!(out, "  nothing changes before {}", local(at)),
        None => writeln!(out, "  nothing changes by the calendar"),
    }
}
