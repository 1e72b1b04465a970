//! The layout: from a file at the start, from the API server's ConfigMap as soon as that has been seen.

use cherokee_wire::layout::{KEY, Layout};
use k8s_openapi::api::core::v1::ConfigMap;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::sync::watch;

/// The layout that holds now; none until there is one.
pub type Layouts = watch::Receiver<Option<Arc<Layout>>>;
/// The writing end of [`Layouts`].
pub type LayoutSender = watch::Sender<Option<Arc<Layout>>>;

/// How often the file is read again. A mounted ConfigMap follows with up to a minute's delay anyway.
const EVERY: Duration = Duration::from_secs(2);

/// Why a layout document is not taken; the one before it goes on to hold.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("layout file {path} cannot be read: {1}", path = .0.display())]
    File(PathBuf, std::io::Error),
    /// The ConfigMap lacks the document.
    #[error("ConfigMap `{0}` has no key `{KEY}`")]
    NoKey(String),
    /// It is no layout.
    #[error("the layout cannot be read: {0}")]
    Form(#[from] serde_json::Error),
}

/// Reads the layout of a ConfigMap.
pub fn of_config_map(map: &ConfigMap) -> Result<Layout, Error> {
    let name = || map.metadata.name.clone().unwrap_or_default();
    let text = map.data.as_ref().and_then(|data| data.get(KEY)).ok_or_else(|| Error::NoKey(name()))?;
    Ok(serde_json::from_str(text)?)
}

fn of_file(path: &Path) -> Result<Layout, Error> {
    let text = std::fs::read(path).map_err(|error| Error::File(path.to_owned(), error))?;
    Ok(serde_json::from_slice(&text)?)
}

/// Makes `layout` the one that holds, if it differs.
pub fn publish(to: &LayoutSender, layout: Layout, from: &'static str) {
    let changed = to.send_if_modified(|held| {
        let differs = held.as_deref() != Some(&layout);
        if differs {
            *held = Some(Arc::new(layout));
        }
        differs
    });
    if changed {
        tracing::info!(from, "layout changed");
    }
}

/// Follows the file until `superseded` is true, because the API server's word is newer than any copy of it.
pub async fn follow_file(path: PathBuf, to: LayoutSender, superseded: watch::Receiver<bool>) {
    let mut last_problem = String::new();
    loop {
        let read = of_file(&path);
        if *superseded.borrow() || to.is_closed() {
            return;
        }
        match read {
            Ok(layout) => publish(&to, layout, "file"),
            Err(error) => {
                let problem = error.to_string();
                if problem != last_problem {
                    tracing::warn!(problem, "the last layout goes on to hold");
                    last_problem = problem;
                }
            }
        }
        tokio::time::sleep(EVERY).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn named(cluster: &str) -> Layout {
        Layout { cluster: cluster.into(), ..Layout::default() }
    }

    #[test]
    fn a_config_map_without_a_layout_says_what_it_lacks() {
        let mut map = ConfigMap::default();
        map.metadata.name = Some("cherokee-layout".into());
        assert_eq!(
            of_config_map(&map).unwrap_err().to_string(),
            "ConfigMap `cherokee-layout` has no key `layout.json`"
        );
        map.data = Some(BTreeMap::from([(KEY.to_owned(), serde_json::to_string(&named("c")).unwrap())]));
        assert_eq!(of_config_map(&map).unwrap(), named("c"));
    }

    #[tokio::test]
    async fn a_changed_file_holds_and_a_broken_one_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(KEY);
        let write = |text: &str| std::fs::write(&path, text).unwrap();
        write(&serde_json::to_string(&named("first")).unwrap());
        let (send, mut layouts) = watch::channel(None);
        tokio::spawn(follow_file(path.clone(), send, watch::channel(false).1));
        let mut wait_for = async |cluster: &str| {
            let seen = layouts.wait_for(|held| held.as_ref().is_some_and(|layout| layout.cluster == cluster));
            tokio::time::timeout(Duration::from_secs(20), seen).await.unwrap().unwrap();
        };
        wait_for("first").await;
        write("{");
        write(&serde_json::to_string(&named("second")).unwrap());
        wait_for("second").await;
    }

    #[test]
    fn the_same_layout_wakes_nobody() {
        let (send, mut layouts) = watch::channel(None);
        publish(&send, named("c"), "test");
        layouts.mark_unchanged();
        publish(&send, named("c"), "test");
        assert!(!layouts.has_changed().unwrap());
    }
}
