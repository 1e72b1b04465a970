//! The front door: admission, memory look-up, routing, fallback and streaming.
//!
//! A query passes [`auth`] (whose is it), [`admission`] (is there a place), [`ask`] (what does it want), memory ([`query`], answered
//! by [`replay`] if it was answered before), [`dispatch`] (candidates from [`route`], tried through [`upstream`]) and [`relay`]
//! (the stream to the client, collected on its way and offered to memory when it is whole).
//!
//! Who is awake comes from [`layout_source`], who can be reached from [`endpoints`]; both keep their last word while the API server
//! is away. Without Redis queries go to workers.

pub mod admission;
pub mod args;
pub mod ask;
pub mod auth;
pub mod clock;
pub mod cluster_watch;
pub mod collect;
pub mod dispatch;
pub mod endpoints;
pub mod gateway;
pub mod labels;
pub mod layout_source;
pub mod memory;
pub mod metrics;
pub mod models;
pub mod query;
mod recall;
pub mod refusal;
pub mod relay;
pub mod replay;
pub mod route;
pub mod server;
pub mod sse;
pub mod upstream;

pub use args::Args;
pub use gateway::Gateway;

use admission::{Admission, BODIES_BYTES};
use auth::Door;
use cherokee_daemon::listen;
use dispatch::Dispatcher;
use endpoints::Endpoints;
use layout_source::Layouts;
use memory::Memory;
use metrics::Metrics;
use std::{
    io,
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64},
    },
    time::Duration,
};
use tokio::sync::watch;
use upstream::{Limits, Upstream};

/// Why the gateway did not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is taken or not ours.
    #[error("cannot listen on {0}: {1}")]
    Listen(SocketAddr, io::Error),
    /// A file or folder that a flag names.
    #[error("cannot read {path}: {1}; check the flag and the mount", path = .0.display())]
    Read(PathBuf, io::Error),
    /// The address of Redis.
    #[error("--redis-url: {0}")]
    Redis(cherokee_memory::Error),
    /// Serving failed.
    #[error("serving failed: {0}")]
    Serve(io::Error),
}

/// Serves until `stop`, then drains. The process must have installed a TLS provider for the API server before.
pub async fn run(args: Args, stop: impl Future<Output = ()> + Send + 'static) -> Result<(), Error> {
    let ending = server::Ending {
        pre_stop: Duration::from_secs(args.pre_stop_seconds),
        drain: Duration::from_secs(args.drain_seconds),
    };
    let gateway = Arc::new(build(&args).await?);
    let listener = listen::bind(args.listen).await.map_err(|error| Error::Listen(args.listen, error))?;
    tracing::info!(listen = %args.listen, cluster = args.cluster, namespace = args.namespace, "gateway serves");
    server::serve(listener, gateway, ending, stop).await.map_err(Error::Serve)
}

/// Puts a gateway together and starts what it follows.
async fn build(args: &Args) -> Result<Gateway, Error> {
    let door = match &args.api_keys_dir {
        None => Door::Open,
        Some(folder) => Door::follow(folder.clone()).map_err(|error| Error::Read(folder.clone(), error))?,
    };
    let (layouts, endpoints) = follow(args).await;
    let metrics = Arc::new(Metrics::default());
    let limits =
        Limits { answer: Duration::from_secs(args.answer_seconds), idle: Duration::from_secs(args.idle_seconds) };
    Ok(Gateway {
        door,
        admission: Admission::new(
            args.max_in_flight,
            BODIES_BYTES.max(args.max_body_bytes),
            metrics.in_flight().clone(),
        ),
        max_body_bytes: args.max_body_bytes,
        layouts: layouts.clone(),
        memory: memory(args)?,
        dispatcher: Dispatcher {
            layouts,
            endpoints,
            upstream: Upstream::new(limits),
            metrics: Arc::clone(&metrics),
            hold: args.hold(),
        },
        metrics,
        started: clock::now(),
        ends: AtomicBool::new(false),
        arrived: AtomicU64::new(0),
    })
}

fn memory(args: &Args) -> Result<Option<Arc<dyn Memory>>, Error> {
    let redis = args.redis().map_err(|(path, error)| Error::Read(path, error))?;
    let Some(redis) = redis else { return Ok(None) };
    let options = cherokee_memory::Options::new(&redis.url, redis.password.as_deref(), &args.namespace, &args.cluster);
    let store = options.and_then(|options| cherokee_memory::Store::new(&options)).map_err(Error::Redis)?;
    Ok(Some(Arc::new(store)))
}

/// Starts to follow layout and workers: by file and fixed addresses, or by the API server with the file as its cold-start copy.
async fn follow(args: &Args) -> (Layouts, Endpoints) {
    let (layout_to, layouts) = watch::channel(None);
    let (superseded_to, superseded) = watch::channel(false);
    if let Some(path) = args.layout_file.clone() {
        tokio::spawn(layout_source::follow_file(path, layout_to.clone(), superseded));
    }
    if let Some(table) = args.fixed_endpoints() {
        return (layouts, Endpoints::fixed(table));
    }
    let (table_to, table) = watch::channel(None);
    match kube::Config::infer().await.map_err(kube::Error::InferConfig).and_then(kube::Client::try_from) {
        Ok(client) => {
            let (namespace, cluster, other) = (args.namespace.clone(), args.cluster.clone(), client.clone());
            tokio::spawn(async move {
                tokio::join!(
                    cluster_watch::follow_layout(client, &namespace, &cluster, layout_to, superseded_to),
                    cluster_watch::follow_endpoints(other, &namespace, &cluster, table_to),
                );
            });
        }
        Err(error) => {
            tracing::warn!(%error, "no way to the API server: the layout file and DNS alone tell where to go");
        }
    }
    (layouts, Endpoints::new(table, &args.namespace))
}
