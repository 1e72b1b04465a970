//! Consolidation jobs of a dream worker: checkpointed and resumable.
//!
//! Runs beside a worker, in its pod. While the layout says that a subconscious role of the slot is awake ([`window`]),
//! it opens a night or goes on with the one that was interrupted, and works through its plan ([`plan`]): first the
//! queries whose answer was cut by day, then the hottest entries, each answered again with a larger budget of tokens
//! ([`budget`]) at background priority. Every item is a checkpoint. When the window ends or SIGTERM comes, the item in
//! work is given back at once and asked again the next time; when the plan is done, it idles until the next opening.

pub mod budget;
mod http;
mod item;
mod metrics;
pub mod plan;
mod runner;
pub mod window;
mod worker;

use crate::{metrics::Metrics, runner::Runner};
use std::{future::Future, net::SocketAddr, path::PathBuf, sync::Arc};
use tokio::sync::watch;

/// Arguments of `cherokee dream`; each has an environment variable `CHEROKEE_…` of the same name.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Namespace of the CherokeeCluster.
    #[arg(long, env = "CHEROKEE_NAMESPACE", default_value = "default")]
    pub namespace: String,
    /// Name of the CherokeeCluster.
    #[arg(long, env = "CHEROKEE_CLUSTER")]
    pub cluster: String,
    /// File with the layout: `layout.json` of the mounted ConfigMap `<cluster>-layout`.
    #[arg(long, env = "CHEROKEE_LAYOUT_FILE")]
    pub layout_file: PathBuf,
    /// Name of the slot whose worker runs beside this process.
    #[arg(long, env = "CHEROKEE_SLOT")]
    pub slot: String,
    /// Address of that worker.
    #[arg(long, env = "CHEROKEE_WORKER_URL", default_value = "http://127.0.0.1:8080")]
    pub worker_url: String,
    /// Redis of the muscle memory: redis://host:port, or rediss:// for TLS.
    #[arg(long, env = "CHEROKEE_REDIS_URL", hide_env_values = true)]
    pub redis_url: String,
    /// File with the password of Redis.
    #[arg(long, env = "CHEROKEE_REDIS_PASSWORD_FILE")]
    pub redis_password_file: Option<PathBuf>,
    /// Address of /healthz, /readyz and /metrics.
    #[arg(long, env = "CHEROKEE_LISTEN", default_value = "[::]:8081")]
    pub listen: SocketAddr,
    /// Most items of one night.
    #[arg(long, env = "CHEROKEE_MAX_ITEMS", default_value_t = 500)]
    pub max_items: usize,
    /// How many times the tokens of the first answer the new one may take.
    #[arg(long, env = "CHEROKEE_BUDGET_FACTOR", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub budget_factor: u32,
    /// Seconds after which an unanswered item counts as failed.
    #[arg(long, env = "CHEROKEE_ITEM_TIMEOUT_SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub item_timeout_seconds: u64,
}

/// Why it cannot run, or a night was interrupted.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is taken or not ours.
    #[error("cannot listen on {0}: {1}")]
    Listen(SocketAddr, std::io::Error),
    /// The memory did not answer.
    #[error("muscle memory: {0}")]
    Memory(#[from] cherokee_memory::Error),
    /// The client for the worker could not be made.
    #[error("the client for the worker: {0}")]
    Client(#[from] reqwest::Error),
}

/// Dreams until `stop`; then gives back the item in work and returns.
pub async fn run(args: Args, stop: impl Future<Output = ()>) -> Result<(), Error> {
    let metrics = Arc::new(Metrics::new());
    let server = tokio::spawn(http::serve(args.listen, metrics.clone()).await?);
    let (layout, layouts) = watch::channel(None);
    let following = tokio::spawn(window::follow(args.layout_file.clone(), layout));
    let (tell, told) = watch::channel(false);
    let mut dreaming = std::pin::pin!(Runner::new(args, metrics, layouts, told)?.run());
    tokio::select! {
        () = stop => {
            tell.send_replace(true);
            dreaming.await;
        }
        () = &mut dreaming => {}
    }
    following.abort();
    server.abort();
    tracing::info!("stopped");
    Ok(())
}
