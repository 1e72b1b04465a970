//! The way to the API server, as kubectl would go: the same flags, files, environment and proxies.

mod config;
mod kubeconfig;
mod proxy;

use super::{
    Fault,
    clock::ServerClock,
    stored::{self, Stored},
};
use cherokee_api::CherokeeCluster;
use http::Response;
use kube::{
    Api, Client,
    api::{DynamicObject, ListParams},
    client::ClientBuilder,
    core::ApiResource,
};
use std::{path::PathBuf, time::Duration};
use tower::{
    timeout::TimeoutLayer,
    util::{MapResponseLayer, option_layer},
};

pub(crate) use proxy::Proxies;

/// Which cluster and namespace, by kubectl's own flags.
#[derive(clap::Args)]
pub(crate) struct Place {
    /// Namespace of the CherokeeCluster; default: that of the context
    #[arg(short, long, global = true)]
    pub(crate) namespace: Option<String>,
    /// Context of the kubeconfig
    #[arg(long, global = true)]
    pub(crate) context: Option<String>,
    /// Kubeconfig to read instead of those of KUBECONFIG
    #[arg(long, value_name = "FILE", global = true)]
    kubeconfig: Option<PathBuf>,
    /// Address of the API server, instead of the context's
    #[arg(short, long, value_name = "URL", global = true)]
    server: Option<String>,
    /// User to impersonate
    #[arg(long = "as", value_name = "USER", global = true)]
    impersonate: Option<String>,
    /// Group to impersonate, with --as; may be repeated
    #[arg(long = "as-group", value_name = "GROUP", global = true)]
    groups: Vec<String>,
    /// Longest wait for an answer, as 5s, 1m or 10 (seconds); default: 0, no limit
    #[arg(long, value_name = "DURATION", global = true, value_parser = limit)]
    request_timeout: Option<Duration>,
}

/// A client and the namespace that is meant.
pub(crate) struct Server {
    pub(crate) client: Client,
    pub(crate) namespace: String,
    /// By the answers that the client got.
    pub(crate) clock: ServerClock,
}

impl Place {
    /// Connects; a refusal to try again later is retried.
    pub(crate) fn connect(&self) -> Result<Server, Fault> {
        self.server(true)
    }

    /// Connects for a query: a refusal is the gateway's answer, and its `Retry-After` is for the person who asked.
    pub(crate) fn connect_without_retries(&self) -> Result<Server, Fault> {
        self.server(false)
    }

    /// Longest wait for an answer; none: no limit.
    pub(crate) fn request_timeout(&self) -> Option<Duration> {
        self.request_timeout.filter(|limit| !limit.is_zero())
    }

    fn server(&self, retry: bool) -> Result<Server, Fault> {
        let mut config = config::read(self)?;
        config.default_retry = retry;
        // `TimeoutLayer` limits the wait for an answer's head, this limits each pause within its body.
        config.read_timeout = self.request_timeout();
        let namespace = self.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
        let clock = ServerClock::default();
        let exec = config.auth_info.exec.clone();
        let stack = ClientBuilder::try_from(config).map_err(|error| config::refused(error, exec.as_ref()))?;
        let client = stack
            .with_layer(&option_layer(self.request_timeout().map(TimeoutLayer::new)))
            .with_layer(&MapResponseLayer::new(noting(clock.clone())))
            .build();
        Ok(Server { client, namespace, clock })
    }
}

/// A duration as kubectl takes it: with units, or a number of seconds.
fn limit(text: &str) -> Result<Duration, String> {
    if let Ok(seconds) = text.parse() {
        return Ok(Duration::from_secs(seconds));
    }
    let duration = text.parse::<kube::core::Duration>().ok().filter(|duration| !duration.is_negative());
    duration.map(Duration::from).ok_or_else(|| "write it as 5s, 2m or 10, which are seconds".to_owned())
}

/// Passes answers on; `clock` notes their `Date`.
fn noting<B>(clock: ServerClock) -> impl Fn(Response<B>) -> Response<B> + Clone {
    move |answer| {
        clock.note(answer.headers());
        answer
    }
}

impl Server {
    pub(crate) fn clusters(&self) -> Api<CherokeeCluster> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// All of the namespace.
    pub(crate) async fn all(&self) -> Result<Vec<Stored>, Fault> {
        Self::list(self.objects()).await
    }

    /// All of all namespaces.
    pub(crate) async fn everywhere(&self) -> Result<Vec<Stored>, Fault> {
        Self::list(Api::all_with(self.client.clone(), &resource())).await
    }

    async fn list(objects: Api<DynamicObject>) -> Result<Vec<Stored>, Fault> {
        let found = objects.list(&ListParams::default()).await?;
        Ok(found.items.into_iter().map(stored::read).collect())
    }

    /// The one of that name, as it is stored.
    pub(crate) async fn one(&self, name: &str) -> Result<Stored, Fault> {
        let found = self.objects().get_opt(name).await?;
        found.map(stored::read).ok_or_else(|| {
            Fault::new(format!("no CherokeeCluster `{name}` in namespace `{}`", self.namespace))
                .hint("kubectl cherokee status -A lists all")
        })
    }

    /// The CherokeeCluster of that name.
    pub(crate) async fn cluster(&self, name: &str) -> Result<CherokeeCluster, Fault> {
        self.one(name).await?.map_err(|unreadable| Fault::new(format!("`{name}`: {}", unreadable.message)))
    }

    fn objects(&self) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), &self.namespace, &resource())
    }
}

fn resource() -> ApiResource {
    ApiResource::erase::<CherokeeCluster>(&())
}
