//! The kubeconfig, read and merged as kubectl does it.

use crate::kubectl::Fault;
use kube::config::{AuthInfo, Cluster, Context, Kubeconfig, KubeconfigError};
use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
};

/// What the chosen context names.
#[derive(Default)]
pub(super) struct Chosen {
    pub(super) cluster: Cluster,
    pub(super) user: AuthInfo,
    pub(super) namespace: Option<String>,
}

/// The merged files of `KUBECONFIG`, else `~/.kube/config`, or only the file that is `given`. None if there is nothing in them.
pub(super) fn read(given: Option<&Path>) -> Result<Option<Kubeconfig>, Fault> {
    if let Some(path) = given {
        let config =
            open(path)?.ok_or_else(|| Fault::new(format!("kubeconfig `{}` does not exist", path.display())))?;
        return Ok(filled(config));
    }
    let mut merged = Kubeconfig::default();
    let (paths, mut found) = (paths(), false);
    for path in &paths {
        // As kubectl: a file that is not there is no fault, for it may come later.
        if let Some(next) = open(path)? {
            merged = merged.merge(next).map_err(|error| unreadable(path, error))?;
            found = true;
        }
    }
    if !found && std::env::var_os("KUBECONFIG").is_some_and(|list| !list.is_empty()) {
        let paths: Vec<_> = paths.iter().map(|path| path.display().to_string()).collect();
        eprintln!("no kubeconfig is found at {}", paths.join(", "));
    }
    Ok(filled(merged))
}

fn paths() -> Vec<PathBuf> {
    match std::env::var_os("KUBECONFIG").filter(|list| !list.is_empty()) {
        Some(list) => std::env::split_paths(&list).filter(|path| !path.as_os_str().is_empty()).collect(),
        None => std::env::home_dir().map(|home| home.join(".kube").join("config")).into_iter().collect(),
    }
}

fn open(path: &Path) -> Result<Option<Kubeconfig>, Fault> {
    match Kubeconfig::read_from(path) {
        Ok(mut config) => {
            // An empty name is what `kubectl config unset current-context` leaves: it yields to the next file's.
            config.current_context = config.current_context.filter(|name| !name.is_empty());
            Ok(Some(config))
        }
        Err(KubeconfigError::ReadConfig(error, _)) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unreadable(path, error)),
    }
}

fn unreadable(path: &Path, error: KubeconfigError) -> Fault {
    Fault::new(format!("kubeconfig `{}`: {error}", path.display()))
}

fn filled(config: Kubeconfig) -> Option<Kubeconfig> {
    let is_empty = config.contexts.is_empty() && config.clusters.is_empty() && config.current_context.is_none();
    (!is_empty).then_some(config)
}

/// What the context `asked` for names, else the current one; none where there is neither.
pub(super) fn choose(config: &Kubeconfig, asked: Option<&str>) -> Result<Option<Chosen>, Fault> {
    let Some(name) = asked.or(config.current_context.as_deref()) else { return Ok(None) };
    let contexts = config.contexts.iter();
    let context = contexts.clone().find(|named| named.name == name).and_then(|named| named.context.clone());
    let Context { cluster, user, namespace, .. } = context.ok_or_else(|| {
        let known = contexts.map(|named| named.name.as_str()).collect::<Vec<_>>().join("`, `");
        Fault::new(format!("context `{name}` is not in the kubeconfig")).hint(format!("there are `{known}`"))
    })?;
    let found = config.clusters.iter().find(|named| named.name == cluster).and_then(|named| named.cluster.clone());
    let found = found.ok_or_else(|| {
        Fault::new(format!("context `{name}` names cluster `{cluster}`, which is not in the kubeconfig"))
    })?;
    let users = config.auth_infos.iter();
    // As kubectl: without a user of that name the request is anonymous.
    let user = users.filter(|named| Some(&named.name) == user.as_ref()).find_map(|named| named.auth_info.clone());
    Ok(Some(Chosen {
        cluster: found,
        user: user.unwrap_or_default(),
        namespace: namespace.filter(|namespace| !namespace.is_empty()),
    }))
}
