//! What the operator is told at its start.

use cherokee_daemon::log::Logging;
use clap::ValueEnum;

/// Arguments of `cherokee operator`; each has an environment variable `CHEROKEE_…` of the same name.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Image of gateway, autonomic and dream: the one that runs the operator itself.
    #[arg(long, env = "CHEROKEE_IMAGE")]
    pub image: String,
    /// Image of workers.
    #[arg(long, env = "CHEROKEE_WORKER_IMAGE")]
    pub worker_image: String,
    /// Image of a managed Redis, unless the resource names one.
    #[arg(long, env = "CHEROKEE_REDIS_IMAGE")]
    pub redis_image: String,
    /// When images of children are pulled: Always, `IfNotPresent` or Never.
    #[arg(long, env = "CHEROKEE_IMAGE_PULL_POLICY", default_value = "IfNotPresent")]
    pub image_pull_policy: String,
    /// Whether nodes with simulated GPUs, whose workers compute on the CPU, are used.
    #[arg(long, env = "CHEROKEE_SIMULATED_GPUS", value_enum, default_value_t = SimulatedGpus::Refuse)]
    pub simulated_gpus: SimulatedGpus,
    /// Namespaces to look after, separated by commas. Default: all.
    #[arg(long = "namespace", env = "CHEROKEE_NAMESPACES", value_delimiter = ',')]
    pub namespaces: Vec<String>,
    /// Namespace of the Lease by which one operator leads.
    #[arg(long, env = "CHEROKEE_LEASE_NAMESPACE")]
    pub lease_namespace: String,
    /// Name of the Lease.
    #[arg(long, env = "CHEROKEE_LEASE_NAME", default_value = "cherokee-operator")]
    pub lease_name: String,
    /// Who this operator is among its like: its pod's name.
    #[arg(long, env = "CHEROKEE_IDENTITY")]
    pub identity: String,
    /// Address of /healthz, /readyz and /metrics; `[::]` serves IPv4 and IPv6.
    #[arg(long, env = "CHEROKEE_LISTEN", default_value = "[::]:8080")]
    pub listen: std::net::SocketAddr,
    /// The log.
    #[command(flatten)]
    pub log: Logging,
}

/// Whether nodes with simulated GPUs are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum SimulatedGpus {
    /// They count as nodes without GPUs.
    #[default]
    Refuse,
    /// They count as what they say they are.
    Allow,
}

/// What children are made from, beside the resource itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Image of gateway, autonomic and dream.
    pub image: String,
    /// Image of workers.
    pub worker_image: String,
    /// Image of a managed Redis, unless the resource names one.
    pub redis_image: String,
    /// Pull policy of all children.
    pub image_pull_policy: String,
    /// Whether nodes with simulated GPUs are used.
    pub simulated_gpus: SimulatedGpus,
    /// Name of this operator in events.
    pub identity: String,
    /// Namespace of the operator itself.
    pub namespace: String,
}

impl From<&Args> for Settings {
    fn from(args: &Args) -> Self {
        Self {
            image: args.image.clone(),
            worker_image: args.worker_image.clone(),
            redis_image: args.redis_image.clone(),
            image_pull_policy: args.image_pull_policy.clone(),
            simulated_gpus: args.simulated_gpus,
            identity: args.identity.clone(),
            namespace: args.lease_namespace.clone(),
        }
    }
}
