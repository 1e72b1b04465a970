//! `dream`: writes the annotation by which a person wakes a role outside its windows, or takes it away.

use super::{
    Fault,
    connect::{Place, Server},
    printer::{Output, Table},
};
use cherokee_api::{
    CherokeeCluster,
    names::annotation::WAKE_PREFIX,
    role::{Layer, Role, Trigger},
};
use cherokee_operator::time;
use chrono::{DateTime, TimeDelta, Utc};
use kube::{
    Api,
    api::{Patch, PatchParams},
    core::Duration,
};
use serde::Serialize;
use serde_json::json;

/// Whom to wake and for how long.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Name of the CherokeeCluster
    name: String,
    /// Role to wake; default: the one of layer Subconscious
    #[arg(long)]
    role: Option<String>,
    /// How long, as 30m or 1h; default: the role's onDemand.maxDuration, which is also the maximum
    #[arg(long = "for", value_name = "DURATION")]
    lasting: Option<Duration>,
    /// Send it back to sleep, unless a window keeps it awake
    #[arg(long, conflicts_with = "lasting")]
    stop: bool,
    /// How to print
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
}

/// What was asked of the operator.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Wake {
    cluster: String,
    role: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<String>,
}

impl Table for Wake {
    fn table(&self) -> String {
        match &self.until {
            Some(until) => format!("role `{}` of `{}` is to be awake until {until}\n", self.role, self.cluster),
            None => format!("role `{}` of `{}` is to sleep outside its windows\n", self.role, self.cluster),
        }
    }
}

pub(crate) async fn run(place: &Place, args: &Args) -> Result<(), Fault> {
    let server = place.connect()?;
    let cluster = server.cluster(&args.name).await?;
    let (name, most) = dreamer(&cluster, args.role.as_deref())?;
    let now = server.clock.now();
    let until = if args.stop { None } else { Some(end(now, args.lasting, most)?) };
    if let Some(most) = most.filter(|most| args.lasting.is_some_and(|asked| asked > *most)) {
        eprintln!("cut to {most}, the role's onDemand.maxDuration");
    }
    let wake = Wake {
        cluster: args.name.clone(),
        role: name,
        from: until.map(|_| time::text(now)),
        until: until.map(time::text),
    };
    annotate(&server, &wake).await?;
    if let (Some(until), Some(stored)) = (until, server.clock.last())
        && until <= stored
    {
        return Err(past(until, stored));
    }
    args.output.print(&wake)?;
    eprintln!("hint: kubectl cherokee status -n {} {}", server.namespace, args.name);
    Ok(())
}

/// The role that is meant, and the longest time that it may be woken for, if it is in the spec.
fn dreamer(cluster: &CherokeeCluster, asked: Option<&str>) -> Result<(String, Option<Duration>), Fault> {
    let roles = &cluster.spec.roles;
    if roles.is_empty() {
        return of_strategy(cluster, asked).map(|name| (name, None));
    }
    let role = match asked {
        Some(name) => {
            let names = roles.iter().map(|r| r.name.as_str()).collect::<Vec<_>>().join(", ");
            let found = roles.iter().find(|role| role.name == name);
            found.ok_or_else(|| Fault::new(format!("no role `{name}`: there are {names}")))?
        }
        None => only_dreamer(roles)?,
    };
    let manual = role.on_demand.as_ref().filter(|on_demand| on_demand.triggers.contains(&Trigger::Manual));
    let manual = manual.ok_or_else(|| {
        Fault::new(format!("role `{}` cannot be woken by people", role.name)).hint(format!(
            "give it onDemand: {{triggers: [Manual]}} in spec.roles of `{}`",
            cluster.metadata.name.as_deref().unwrap_or("the resource")
        ))
    })?;
    Ok((role.name.clone(), Some(manual.max_duration)))
}

/// With the strategy's own roles, those of status are all that is known here; the operator cuts to what they allow.
fn of_strategy(cluster: &CherokeeCluster, asked: Option<&str>) -> Result<String, Fault> {
    let known: Vec<_> = cluster.status.iter().flat_map(|status| &status.roles).map(|role| role.name.as_str()).collect();
    let wanted = asked.unwrap_or("dream");
    if known.contains(&wanted) {
        return Ok(wanted.to_owned());
    }
    Err(Fault::new(format!("no role `{wanted}`: there are {}", known.join(", "))).hint("name another one with --role"))
}

fn only_dreamer(roles: &[Role]) -> Result<&Role, Fault> {
    let mut dreamers = roles.iter().filter(|role| role.layer == Layer::Subconscious);
    match (dreamers.next(), dreamers.next()) {
        (Some(only), None) => Ok(only),
        (None, _) => Err(Fault::new("no role of layer Subconscious").hint("name the role to wake with --role")),
        (Some(one), Some(other)) => {
            Err(Fault::new(format!("`{}` and `{}` both dream", one.name, other.name))
                .hint("name one of them with --role"))
        }
    }
}

/// The wake-up was stored when its end had passed: nobody wakes.
fn past(until: DateTime<Utc>, stored: DateTime<Utc>) -> Fault {
    let (until, stored) = (time::text(until), time::text(stored));
    Fault::new(format!("the wake-up ends at {until}, which is past: the API server's clock says {stored}"))
        .hint("give a longer --for")
}

/// When it is to sleep again: what was asked, at most what the role allows; an hour where neither is known.
fn end(now: DateTime<Utc>, asked: Option<Duration>, most: Option<Duration>) -> Result<DateTime<Utc>, Fault> {
    let hour = Duration::from(std::time::Duration::from_hours(1));
    let lasting = match (asked, most) {
        (Some(asked), Some(most)) => asked.min(most),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => hour,
    };
    let delta = TimeDelta::from_std(lasting.into()).ok().filter(|delta| *delta > TimeDelta::zero());
    let delta = delta.ok_or_else(|| Fault::new("--for must be more than 0s, as 30m"))?;
    now.checked_add_signed(delta).ok_or_else(|| Fault::new("--for is too long"))
}

async fn annotate(server: &Server, wake: &Wake) -> Result<(), Fault> {
    let interval = wake.from.as_ref().zip(wake.until.as_ref()).map(|(from, until)| format!("{from}/{until}"));
    let patch = json!({"metadata": {"annotations": {format!("{WAKE_PREFIX}{}", wake.role): interval}}});
    let api: Api<CherokeeCluster> = server.clusters();
    #[expect(
        clippy::disallowed_methods,
        reason = "the user's own write: a wake is an annotation of the CherokeeCluster"
    )]
    api.patch_metadata(&wake.cluster, &PatchParams::default(), &Patch::Merge(&patch)).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cluster(roles: serde_json::Value) -> CherokeeCluster {
        let spec = json!({"models": [{"name": "m", "uri": "pvc://a/b", "size": "1Gi"}], "roles": roles});
        let status = json!({"roles": [{"name": "dream", "state": "Asleep"}]});
        serde_json::from_value(json!({"metadata": {"name": "c"}, "spec": spec, "status": status})).unwrap()
    }

    fn role(name: &str, layer: &str, triggers: serde_json::Value) -> serde_json::Value {
        json!({"name": name, "layer": layer, "model": "m", "onDemand": {"triggers": triggers, "maxDuration": "30m"}})
    }

    #[test]
    fn the_only_dreamer_is_meant_unless_another_role_is_named() {
        let one =
            cluster(json!([role("a", "Conscious", json!(["Manual"])), role("b", "Subconscious", json!(["Manual"]))]));
        assert_eq!(dreamer(&one, None).unwrap().0, "b");
        assert_eq!(dreamer(&one, Some("a")).unwrap().0, "a");
        assert!(dreamer(&one, Some("x")).unwrap_err().message.contains("there are a, b"));
        let two = cluster(json!([
            role("a", "Subconscious", json!(["Manual"])),
            role("b", "Subconscious", json!(["Manual"]))
        ]));
        assert!(dreamer(&two, None).unwrap_err().message.contains("both dream"));
        assert_eq!(dreamer(&cluster(json!([])), None).unwrap(), ("dream".to_owned(), None));
    }

    #[test]
    fn a_role_that_people_may_not_wake_is_refused_with_what_to_change() {
        let only = cluster(json!([role("b", "Subconscious", json!(["Overflow"]))]));
        let fault = dreamer(&only, None).unwrap_err();
        assert!(fault.message.contains("`b`") && fault.hint.unwrap().contains("triggers: [Manual]"));
    }

    #[test]
    fn nobody_is_woken_for_longer_than_the_role_allows() {
        let now = DateTime::from_timestamp(1_795_500_000, 0).unwrap();
        let minutes = |n: u64| Some(Duration::from(std::time::Duration::from_secs(60 * n)));
        let lasting = |asked, most| (end(now, asked, most).unwrap() - now).num_minutes();
        assert_eq!(lasting(minutes(10), minutes(30)), 10);
        assert_eq!(lasting(minutes(40), minutes(30)), 30);
        assert_eq!(lasting(None, minutes(30)), 30);
        assert_eq!(lasting(None, None), 60);
        assert!(end(now, minutes(0), minutes(30)).is_err());
    }
}
