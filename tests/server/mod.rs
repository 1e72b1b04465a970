//! The way to the test cluster's API server, for all tests that need one.

use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};

/// A client of the cluster whose kubeconfig `CHEROKEE_TEST_KUBECONFIG` names.
pub(crate) async fn client() -> Client {
    rustls::crypto::ring::default_provider().install_default().ok();
    let kubeconfig = Kubeconfig::read_from(kubeconfig()).expect("a readable kubeconfig");
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.expect("a config");
    Client::try_from(config).expect("a client")
}

/// Path of that kubeconfig.
pub(crate) fn kubeconfig() -> String {
    std::env::var("CHEROKEE_TEST_KUBECONFIG")
        .expect("CHEROKEE_TEST_KUBECONFIG must name the kubeconfig of a test cluster: run `make test`")
}
