//! The chart as one file, for those who install without Helm.

use crate::{
    Error,
    files::{Mode, root},
};
use std::{path::Path, process::Command};

const CHART: &str = "charts/cherokee-operator";
const NAME: &str = "cherokee-operator";
const NAMESPACE: &str = "cherokee-system";
/// The version that the test cluster runs; Helm's own default depends on how it was built.
const KUBERNETES: &str = "1.34.0";
const HINT: &str = "run `make gen` and commit what it writes";

/// Lints the chart, then renders it with its default values.
pub(crate) fn render(mode: Mode, program: &Path) -> Result<(), Error> {
    helm(program, &["lint", CHART, "--strict", "--quiet", "--kube-version", KUBERNETES])?;
    mode.bring("manifests/install.yaml", &whole(&template(program, NAME, CHART, NAMESPACE, &[])?), HINT)
}

/// The objects of release `name` of the chart in folder `chart`, in `namespace`, with further `options` of helm.
pub(crate) fn template(
    program: &Path,
    name: &str,
    chart: &str,
    namespace: &str,
    options: &[&str],
) -> Result<String, Error> {
    let words = ["template", name, chart, "--namespace", namespace, "--kube-version", KUBERNETES];
    helm(program, &[&words, options].concat())
}

/// Standard output of helm; if it fails, an error with both of its outputs.
fn helm(program: &Path, words: &[&str]) -> Result<String, Error> {
    let said = format!("{} {}", program.display(), words[0]);
    let out = Command::new(program).args(words).current_dir(root()).output();
    let out = out.map_err(|error| Error::Run(said.clone(), error))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if out.status.success() {
        return Ok(String::from_utf8_lossy(&out.stdout).into_owned());
    }
    // `lint` reports on stdout, `template` on stderr.
    Err(Error::Failed(said, format!("{}\n{}", text(&out.stdout), text(&out.stderr))))
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
