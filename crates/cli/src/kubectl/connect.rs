//! The way to the API server, as kubectl would go.

use super::{
    Fault,
    clock::ServerClock,
    stored::{self, Stored},
};
use cherokee_api::CherokeeCluster;
use http::Response;
use kube::{
    Api, Client, Config,
    api::{DynamicObject, ListParams},
    client::ClientBuilder,
    config::{KubeConfigOptions, Kubeconfig},
    core::ApiResource,
};
use tower::util::MapResponseLayer;

/// Which cluster and namespace.
#[derive(clap::Args)]
pub(crate) struct Place {
    /// Namespace of the CherokeeCluster; default: that of the context
    #[arg(short, long, global = true)]
    pub(crate) namespace: Option<String>,
    /// Context of the kubeconfig
    #[arg(long, global = true)]
    pub(crate) context: Option<String>,
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
    pub(crate) async fn connect(&self) -> Result<Server, Fault> {
        self.server(self.config().await?)
    }

    /// Connects for a query: a refusal is the gateway's answer, and its `Retry-After` is for the person who asked.
    pub(crate) async fn connect_without_retries(&self) -> Result<Server, Fault> {
        let mut config = self.config().await?;
        config.default_retry = false;
        self.server(config)
    }

    fn server(&self, config: Config) -> Result<Server, Fault> {
        let namespace = self.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
        let clock = ServerClock::default();
        let client = ClientBuilder::try_from(config)?.with_layer(&MapResponseLayer::new(noting(clock.clone()))).build();
        Ok(Server { client, namespace, clock })
    }

    async fn config(&self) -> Result<Config, Fault> {
        let Some(context) = &self.context else {
            return Config::infer()
                .await
                .map_err(|error| Fault::new(format!("no way to a cluster: {error}")).hint("set KUBECONFIG"));
        };
        let file = Kubeconfig::read().map_err(Fault::new)?;
        let options = KubeConfigOptions { context: Some(context.clone()), ..KubeConfigOptions::default() };
        Config::from_custom_kubeconfig(file, &options)
            .await
            .map_err(|error| Fault::new(format!("context `{context}`: {error}")))
    }
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
        let found = self.objects().list(&ListParams::default()).await?;
        Ok(found.items.into_iter().map(stored::read).collect())
    }

    /// The one of that name, as it is stored.
    pub(crate) async fn one(&self, name: &str) -> Result<Stored, Fault> {
        let found = self.objects().get_opt(name).await?;
        found.map(stored::read).ok_or_else(|| {
            Fault::new(format!("no CherokeeCluster `{name}` in namespace `{}`", self.namespace))
                .hint("kubectl get ckc --all-namespaces lists all")
        })
    }

    /// The CherokeeCluster of that name.
    pub(crate) async fn cluster(&self, name: &str) -> Result<CherokeeCluster, Fault> {
        self.one(name).await?.map_err(|unreadable| Fault::new(format!("`{name}`: {}", unreadable.message)))
    }

    fn objects(&self) -> Api<DynamicObject> {
        let resource = ApiResource::erase::<CherokeeCluster>(&());
        Api::namespaced_with(self.client.clone(), &self.namespace, &resource)
    }
}
