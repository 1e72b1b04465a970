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
    /// How to print
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
}

pub(crate) async fn run(place: &Place, args: &Args) -> Result<(), Fault> {
    let server = place.connect().await?;
    let stored = match &args.name {
        Some(name) => vec![server.one(name).await?],
        None => server.all().await?,
    };
    if stored.is_empty() {
        eprintln!("no CherokeeCluster in namespace `{}`", server.namespace);
        eprintln!("hint: kubectl get ckc --all-namespaces lists all");
    }
    args.output.print(&Sheet::new(&stored))?;
    for cluster in stored.iter().flatten().filter(|cluster| is_stalled(cluster)) {
        eprintln!("hint: kubectl cherokee plan -n {} {} tells what would fit", server.namespace, cluster.name_any());
    }
    Ok(())
}

/// Whether waiting does not help.
fn is_stalled(cluster: &CherokeeCluster) -> bool {
    let mut conditions = cluster.status.iter().flat_map(|status| &status.conditions);
    conditions.any(|c| c.type_ == condition::STALLED && c.status == "True")
}
