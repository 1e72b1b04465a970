//! `plan`: the operator's own intent and planner, over a file or a live resource, a live fleet or one given by `--gpus`. Writes
//! nothing.

mod file;
mod gpus;
mod report;

use super::{
    Fault,
    connect::{Place, Server},
    printer::{Output, Table},
};
use cherokee_api::{CherokeeCluster, names::child};
use cherokee_operator::{
    clock::{Clock, SystemClock},
    intent, observe, time,
};
use cherokee_plan::Fleet;
use cherokee_wire::{
    hints::{self, Hints},
    layout::{self, Layout},
};
use chrono::{DateTime, Utc};
use gpus::Gpus;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, api::ObjectMeta};
use report::Report;
use serde::{Serialize, de::DeserializeOwned};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    process::ExitCode,
};

/// Exit code of a plan in which some role has no place.
const WAITS: u8 = 2;

/// What to plan, where and for when. Ends with 2 where a role has no place.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Name of the CherokeeCluster; with --file which one of several
    #[arg(required_unless_present = "file")]
    name: Option<String>,
    /// File with the CherokeeCluster, instead of the stored one; `-` is stdin
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Fleet to plan for, as bluefin=1x16303,redfin=2x16303 (NODE=COUNTxMIB[xPRODUCT]); with --file no cluster is needed
    #[arg(long, value_name = "FLEET")]
    gpus: Option<Gpus>,
    /// Moment to plan for, as 2026-11-24T03:00:00-06:00; default: now
    #[arg(long, value_name = "RFC3339")]
    at: Option<DateTime<Utc>>,
    /// Print the resource with the roles that its strategy brings, instead of their places
    #[arg(long)]
    expand: bool,
    /// How to print
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
}

/// What a plan is made from.
struct Subject {
    cluster: CherokeeCluster,
    hints: Hints,
    fleet: Fleet,
    /// Slots that each role has by the live layout.
    serving: BTreeMap<String, BTreeSet<String>>,
}

/// The resource with the roles that its strategy brings.
#[derive(Serialize)]
#[serde(transparent)]
struct Expanded(CherokeeCluster);

impl Table for Expanded {
    fn table(&self) -> String {
        serde_saphyr::to_string(self).unwrap_or_default()
    }
}

pub(crate) async fn run(place: &Place, args: &Args) -> Result<ExitCode, Fault> {
    let now = args.at.unwrap_or_else(|| SystemClock.now());
    let subject = subject(place, args, now).await?;
    let mut understood = intent::understand(&subject.cluster, &subject.hints, &subject.fleet, now)
        .map_err(|refusal| Fault::new(format!("{}: {refusal}", refusal.reason())))?;
    for note in &understood.notes {
        eprintln!("note: {note}");
    }
    understood.intent.serving = subject.serving;
    if args.expand {
        let mut cluster = subject.cluster;
        cluster.spec.strategy = understood.strategy;
        cluster.spec.roles = understood.roles;
        cluster.status = None;
        let ObjectMeta { name, namespace, labels, annotations, .. } = cluster.metadata;
        cluster.metadata = ObjectMeta { name, namespace, labels, annotations, ..ObjectMeta::default() };
        args.output.print(&Expanded(cluster))?;
        return Ok(ExitCode::SUCCESS);
    }
    let plan = cherokee_plan::plan(&understood.intent, &subject.fleet, now);
    let report = Report::new(understood.strategy, &understood.roles, &understood.intent, &subject.fleet, &plan, now);
    args.output.print(&report)?;
    Ok(if report.waits() { ExitCode::from(WAITS) } else { ExitCode::SUCCESS })
}

async fn subject(place: &Place, args: &Args, now: DateTime<Utc>) -> Result<Subject, Fault> {
    let read = args.file.as_deref().map(|path| file::read(path, args.name.as_deref())).transpose()?;
    match (read, &args.gpus) {
        (Some(cluster), Some(gpus)) => {
            let cluster = stored_by(cluster, place.namespace.as_deref(), now);
            Ok(Subject { cluster, hints: Hints::default(), fleet: gpus.fleet(), serving: BTreeMap::new() })
        }
        (read, gpus) => {
            let server = place.connect().map_err(|fault| {
                let hint = fault.hint.map(|hint| format!("{hint}, or plan offline with -f and --gpus"));
                Fault { hint, ..fault }
            })?;
            live(&server, read, args, gpus.as_ref(), now).await
        }
    }
}

/// The subject as the API server has it, but for what the arguments say.
async fn live(
    server: &Server,
    read: Option<CherokeeCluster>,
    args: &Args,
    gpus: Option<&Gpus>,
    now: DateTime<Utc>,
) -> Result<Subject, Fault> {
    let name = read
        .as_ref()
        .and_then(|cluster| cluster.metadata.name.clone())
        .or_else(|| args.name.clone())
        .unwrap_or_default();
    let cluster = match read {
        None => server.cluster(&name).await?,
        Some(mut cluster) => {
            // What the stored one holds is its own: the file takes its place in the queue.
            if let Some(stored) = server.clusters().get_metadata_opt(&name).await? {
                cluster.metadata.uid = stored.metadata.uid;
                cluster.metadata.creation_timestamp = stored.metadata.creation_timestamp;
            }
            stored_by(cluster, Some(&server.namespace), now)
        }
    };
    let fleet = match gpus {
        Some(gpus) => gpus.fleet(),
        None => observe::fleet_now(&server.client, &cluster).await.map_err(Fault::new)?,
    };
    let hints = document(server, &child::hints(&name), hints::KEY).await?.unwrap_or_default();
    let layout: Layout = document(server, &child::layout(&name), layout::KEY).await?.unwrap_or_default();
    let serving = layout.roles.into_iter().map(|(role, now)| (role, now.slots.into_iter().collect())).collect();
    Ok(Subject { cluster, hints, fleet, serving })
}

/// A document of a ConfigMap; none if there is none that can be read.
async fn document<T: DeserializeOwned>(server: &Server, name: &str, key: &str) -> Result<Option<T>, Fault> {
    let maps: Api<ConfigMap> = Api::namespaced(server.client.clone(), &server.namespace);
    let text = maps.get_opt(name).await?.and_then(|map| map.data?.remove(key));
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
}

/// A resource that was not stored yet, as if it were stored now.
fn stored_by(mut cluster: CherokeeCluster, namespace: Option<&str>, now: DateTime<Utc>) -> CherokeeCluster {
    let meta = &mut cluster.metadata;
    if let Some(namespace) = namespace {
        meta.namespace = Some(namespace.to_owned());
    }
    meta.namespace.get_or_insert_with(|| "default".to_owned());
    meta.uid.get_or_insert_with(|| "not-stored".to_owned());
    meta.creation_timestamp.get_or_insert_with(|| time::to_k8s(now));
    cluster
}

#[cfg(test)]
mod tests;
