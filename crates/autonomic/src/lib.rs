//! The daemon that tends memories: thermal decay, eviction and hints.
//!
//! Every few seconds a tick reads the mounted layout, cleans up what has expired, evicts the coldest entries until the
//! rest fits the budget and Redis has room, and publishes figures: exact ones as metrics, coarse ones in the ConfigMap
//! `<cluster>-hints`, which is the only object that it writes. Temperatures need no sweep: they decay alike, so only a
//! use changes the order (`cherokee_memory::heat`).

mod http;
pub mod mend;
mod metrics;
pub mod publish;
pub mod report;
pub mod tend;
mod tick;

use crate::{metrics::Metrics, publish::Publisher, tick::Ticker};
use cherokee_memory::{Options, Store};
use cherokee_wire::{
    hints::{Hints, MemoryReport},
    layout::Layout,
};
use std::{
    future::Future,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

/// Arguments of `cherokee autonomic`; each has an environment variable `CHEROKEE_…` of the same name.
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
    /// Redis of the muscle memory: redis://host:port, or rediss:// for TLS; without it there is nothing to tend.
    #[arg(long, env = "CHEROKEE_REDIS_URL", hide_env_values = true)]
    pub redis_url: Option<String>,
    /// File with the password of Redis.
    #[arg(long, env = "CHEROKEE_REDIS_PASSWORD_FILE")]
    pub redis_password_file: Option<PathBuf>,
    /// Address of /healthz, /readyz and /metrics.
    #[arg(long, env = "CHEROKEE_LISTEN", default_value = "[::]:8080")]
    pub listen: SocketAddr,
    /// Seconds between two ticks.
    #[arg(long, env = "CHEROKEE_TICK_SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub tick_seconds: u64,
    /// Write no ConfigMap: for a daemon outside of a cluster.
    #[arg(long, env = "CHEROKEE_NO_KUBERNETES")]
    pub no_kubernetes: bool,
}

/// Why the daemon cannot run, or a tick failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The layout cannot be read.
    #[error("layout file `{0}` cannot be read: {1}")]
    Layout(PathBuf, std::io::Error),
    /// The layout is not one.
    #[error("layout file `{0}` is not a layout: {1}")]
    LayoutForm(PathBuf, serde_json::Error),
    /// The address is taken or not ours.
    #[error("cannot listen on {0}: {1}")]
    Listen(SocketAddr, std::io::Error),
    /// The memory did not answer.
    #[error("muscle memory: {0}")]
    Memory(#[from] cherokee_memory::Error),
    /// The API server did not answer or refused.
    #[error("ConfigMap `{0}`: {1}")]
    Kubernetes(String, Box<kube::Error>),
    /// No way to the API server.
    #[error("no way to the API server (use --no-kubernetes outside of a cluster): {0}")]
    NoCluster(Box<kube::Error>),
}

/// Runs the daemon until `stop`; the tick that runs then ends first.
pub async fn run(args: Args, stop: impl Future<Output = ()>) -> Result<(), Error> {
    let kubernetes = if args.no_kubernetes {
        None
    } else {
        Some(kube::Client::try_default().await.map_err(|error| Error::NoCluster(Box::new(error)))?)
    };
    let metrics = Arc::new(Metrics::new());
    let server = tokio::spawn(http::serve(args.listen, metrics.clone()).await?);
    let publisher = Publisher::new(kubernetes, &args.namespace, &args.cluster);
    let mut ticker = match &args.redis_url {
        Some(url) => {
            let password = args.redis_password_file.as_deref();
            let options = Options::with_password_file(url, password, &args.namespace, &args.cluster)?;
            Some(Ticker::new(Store::new(&options)?))
        }
        None => None,
    };
    let mut every = tokio::time::interval(Duration::from_secs(args.tick_seconds));
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    tokio::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            _ = every.tick() => {}
        }
        match tick(&args.layout_file, ticker.as_mut(), &publisher, &metrics).await {
            Ok(()) => metrics.tick_done(true),
            Err(error) => {
                metrics.tick_done(false);
                tracing::warn!(%error, "tick failed, the next one tries again");
            }
        }
    }
    server.abort();
    tracing::info!("stopped");
    Ok(())
}

async fn tick(
    layout: &Path,
    ticker: Option<&mut Ticker>,
    publisher: &Publisher,
    metrics: &Metrics,
) -> Result<(), Error> {
    let layout = read_layout(layout).await?;
    let report = match (&layout.memory, ticker) {
        (Some(memory), Some(ticker)) => ticker.tick(memory, metrics, chrono::Utc::now()).await,
        _ => Ok(MemoryReport::default()),
    };
    // Hints do not wait for a memory that is away.
    publisher.publish(&Hints::default(), report.as_ref().ok()).await?;
    report.map(drop)
}

async fn read_layout(path: &Path) -> Result<Layout, Error> {
    let text = tokio::fs::read(path).await.map_err(|error| Error::Layout(path.to_owned(), error))?;
    serde_json::from_slice(&text).map_err(|error| Error::LayoutForm(path.to_owned(), error))
}
