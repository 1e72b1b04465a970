//! The chart as one file, for those who install without Helm.

use crate::{
    Error,
    files::{Mode, root},
};
use std::{path::Path, process::Command};

const NAMESPACE: &str = "cherokee-system";
/// The version that the test cluster runs; Helm's own default depends on how it was built.
const KUBERNETES: &str = "1.34.0";
const HINT: &str = "run `make gen` and commit what it writes";

/// Renders the chart with its default values.
pub(crate) fn render(mode: Mode, helm: &Path) -> Result<(), Error> {
    let mut command = Command::new(helm);
    command
        .args([
            "template",
            "cherokee-operator",
            "charts/cherokee-operator",
            "--namespace",
            NAMESPACE,
            "--kube-version",
            KUBERNETES,
        ])
        .current_dir(root());
    let said = format!("{} template", helm.display());
    let out = command.output().map_err(|error| Error::Run(said.clone(), error))?;
    if !out.status.success() {
        return Err(Error::Failed(said, String::from_utf8_lossy(&out.stderr).trim().to_owned()));
    }
    mode.bring("manifests/install.yaml", &whole(&String::from_utf8_lossy(&out.stdout)), HINT)
}

/// The rendered chart behind the namespace that Helm would create.
fn whole(rendered: &str) -> String {
    format!(
        "# The chart with its default values, rendered by `make gen`: do not edit.\n\
         # kubectl apply --server-side -f manifests/install.yaml\n\
         ---\n\
         apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {NAMESPACE}\n  labels:\n    pod-security.kubernetes.io/enforce: restricted\n\
         {rendered}"
    )
}
