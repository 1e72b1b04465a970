//! From kubectl's flags and the kubeconfig to the client's settings.

use super::{
    Place,
    kubeconfig::{self, Chosen},
    proxy::{self, Proxies},
};
use crate::kubectl::Fault;
use http::Uri;
use kube::{
    Config,
    client::AuthError,
    config::{AuthInfo, Cluster, ExecAuthCluster, ExecConfig},
};
use rustls::pki_types::{CertificateDer, pem::PemObject};

/// What the flags and files say; in a pod without any, the pod's service account.
pub(super) fn read(place: &Place) -> Result<Config, Fault> {
    let file = kubeconfig::read(place.kubeconfig.as_deref())?;
    let chosen = match &file {
        Some(file) => kubeconfig::choose(file, place.context.as_deref())?,
        None => None,
    };
    let mut config = match (chosen, &place.server, &place.context) {
        (Some(chosen), ..) => of(chosen, place.server.as_deref())?,
        (None, Some(server), _) => of(Chosen::default(), Some(server))?,
        (None, None, Some(context)) => return Err(Fault::new(format!("context `{context}`: there is no kubeconfig"))),
        (None, None, None) if file.is_some() => {
            return Err(Fault::new("the kubeconfig has no current context")
                .hint("name one with --context, or by kubectl config use-context"));
        }
        (None, None, None) => {
            let mut config = Config::incluster().map_err(|_| {
                Fault::new("no kubeconfig, and not in a pod").hint("set KUBECONFIG, or give --kubeconfig or --server")
            })?;
            config.proxy_url = Proxies::of_environment().of(&config.cluster_url);
            config
        }
    };
    read_token(&mut config.auth_info)?;
    impersonate(&mut config.auth_info, place)?;
    Ok(config)
}

fn of(chosen: Chosen, server: Option<&str>) -> Result<Config, Fault> {
    let Chosen { mut cluster, mut user, namespace } = chosen;
    if let Some(server) = server {
        cluster.server = Some(server.to_owned());
    }
    let known = ExecAuthCluster::try_from(&cluster).map_err(|error| Fault::new(format!("the kubeconfig: {error}")))?;
    let mut config = Config::new(url(&cluster, &user)?);
    config.proxy_url = match cluster.proxy_url.as_deref().filter(|url| !url.is_empty()) {
        Some(named) => Some(proxy::named(named)?),
        None => Proxies::of_environment().of(&config.cluster_url),
    };
    config.root_cert = known.certificate_authority_data.as_deref().map(certificates).transpose()?;
    config.accept_invalid_certs = cluster.insecure_skip_tls_verify.unwrap_or_default();
    config.disable_compression = cluster.disable_compression.unwrap_or_default();
    config.tls_server_name = cluster.tls_server_name.filter(|name| !name.is_empty());
    if let Some(namespace) = namespace {
        config.default_namespace = namespace;
    }
    if let Some(exec) = user.exec.as_mut().filter(|exec| exec.provide_cluster_info) {
        exec.cluster = Some(known);
    }
    config.auth_info = user;
    Ok(config)
}

/// A server's address; one without a scheme is `https` where the kubeconfig says something of TLS, as in kubectl.
fn url(cluster: &Cluster, user: &AuthInfo) -> Result<Uri, Fault> {
    let server = cluster.server.as_deref();
    let server =
        server.ok_or_else(|| Fault::new("the cluster of the kubeconfig has no server").hint("add --server URL"))?;
    let tls = cluster.certificate_authority.is_some()
        || cluster.certificate_authority_data.is_some()
        || cluster.insecure_skip_tls_verify == Some(true)
        || user.client_certificate.is_some()
        || user.client_certificate_data.is_some();
    let scheme = if tls { "https" } else { "http" };
    let whole = if server.contains("://") { server.to_owned() } else { format!("{scheme}://{server}") };
    whole.parse().map_err(|error| Fault::new(format!("address `{server}` of the API server: {error}")))
}

fn certificates(pem: &[u8]) -> Result<Vec<Vec<u8>>, Fault> {
    let each = CertificateDer::pem_slice_iter(pem).map(|certificate| certificate.map(|der| der.to_vec()));
    each.collect::<Result<_, _>>()
        .map_err(|error| Fault::new(format!("certificate authority of the kubeconfig: {error}")))
}

/// Takes the token out of its file: kube would send it with the line end, which no header may hold.
fn read_token(user: &mut AuthInfo) -> Result<(), Fault> {
    let Some(path) = user.token_file.take() else { return Ok(()) };
    match std::fs::read_to_string(&path) {
        Ok(text) if text.trim().is_empty() => return Err(Fault::new(format!("token file `{path}` is empty"))),
        Ok(text) => user.token = Some(text.trim().to_owned().into()),
        // As kubectl: the token itself serves where its file is gone.
        Err(_) if user.token.is_some() => {}
        Err(error) => return Err(Fault::new(format!("token file `{path}`: {error}"))),
    }
    Ok(())
}

fn impersonate(user: &mut AuthInfo, place: &Place) -> Result<(), Fault> {
    if let Some(name) = &place.impersonate {
        user.impersonate = Some(name.clone());
    }
    if !place.groups.is_empty() {
        user.impersonate_groups = Some(place.groups.clone());
    }
    let is_user = user.impersonate.as_ref().is_some_and(|name| !name.is_empty());
    if !is_user && user.impersonate_groups.as_ref().is_some_and(|groups| !groups.is_empty()) {
        return Err(Fault::new("--as-group needs the user too").hint("add --as USER"));
    }
    Ok(())
}

/// Why no client could be made; a credential plugin is named.
pub(super) fn refused(error: kube::Error, exec: Option<&ExecConfig>) -> Fault {
    let name = exec.and_then(|exec| exec.command.as_deref()).unwrap_or_default();
    match error {
        kube::Error::Auth(AuthError::AuthExecStart(error)) => {
            let hint =
                exec.and_then(|exec| exec.install_hint.as_deref()).map(str::trim).filter(|hint| !hint.is_empty());
            Fault::new(format!("credential plugin `{name}` of the kubeconfig can't be run: {error}"))
                .hint(hint.unwrap_or("install it into a folder of PATH"))
        }
        kube::Error::Auth(AuthError::AuthExecRun { out, .. }) => {
            let said = String::from_utf8_lossy(&out.stderr);
            Fault::new(format!("credential plugin `{name}` of the kubeconfig failed, {}: {}", out.status, said.trim()))
        }
        kube::Error::Auth(error) => Fault::new(format!("credentials of the kubeconfig: {error}")),
        error => error.into(),
    }
}
