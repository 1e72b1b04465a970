//! `status`: what the operator said last, for people.

mod table;

use super::{Fault, connect::Place, printer::Output};
use cherokee_api::{CherokeeCluster, names::condition};
use kube::ResourceExt;
use table::Sheet;

/// Which ones to show.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Name of the CherokeeCluster; default: all of the namespace
    name: Option<String>,
    /// Show those of all namespaces
    #[arg(short = 'A', long, conflicts_with = "name")]
    all_namespaces: bool,
    /// How to print
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
}

pub(crate) async fn run(place: &Place, args: &Args) -> Result<(), Fault> {
    let server = place.connect()?;
    let stored = match &args.name {
        Some(name) => vec![server.one(name).await?],
        None if args.all_namespaces => server.everywhere().await?,
        None => server.all().await?,
    };
    if stored.is_empty() && args.all_namespaces {
        eprintln!("no CherokeeCluster in any namespace");
    } else if stored.is_empty() {
        eprintln!("no CherokeeCluster in namespace `{}`", server.namespace);
        eprintln!("hint: kubectl cherokee status -A lists all");
    }
    args.output.print(&Sheet::new(&stored))?;
    for cluster in stored.iter().flatten().filter(|cluster| is_stalled(cluster)) {
        let namespace = cluster.namespace().unwrap_or_default();
        eprintln!("hint: kubectl cherokee plan -n {namespace} {} tells what would fit", cluster.name_any());
    }
    Ok(())
}

/// Whether waiting does not help.
fn is_stalled(cluster: &CherokeeCluster) -> bool {
    let mut conditions = cluster.status.iter().flat_map(|status| &status.conditions);
    conditions.any(|c| c.type_ == condition::STALLED && c.status == "True")
}
