//! The CRD from the Rust types: once for `kubectl apply`, once as a template of the chart.

use crate::{Error, files::Mode};

const HINT: &str = "run `make gen` and commit what it writes";
const HEAD: &str = "# Generated from crates/api by `make gen`: do not edit.\n";
/// Ends the rendering where values are missing, as in every other template of the chart.
const COMPLETE: &str = "{{- include \"cherokee-operator.complete\" . }}\n";

/// Writes or compares both files.
pub(crate) fn run(mode: Mode) -> Result<(), Error> {
    let crd = serde_saphyr::to_string(&cherokee_api::crd::crd()).map_err(|error| Error::Yaml("the CRD", error))?;
    mode.bring("crds/cherokee.ai_cherokeeclusters.yaml", &format!("{HEAD}{crd}"), HINT)?;
    mode.bring("charts/cherokee-operator/templates/crds.yaml", &template(&crd), HINT)
}

/// The CRD as a template: Helm upgrades it with the release and keeps it when the release is removed, since its removal would
/// delete every CherokeeCluster.
fn template(crd: &str) -> String {
    let escaped = crd.replace("{{", "{{ \"{{\" }}");
    let kept = escaped.replacen(
        "metadata:\n",
        "metadata:\n  annotations:\n    helm.sh/resource-policy: keep\n  labels:\n    {{- include \"cherokee-operator.labels\" . | nindent 4 }}\n",
        1,
    );
    format!("{HEAD}{COMPLETE}{{{{- if .Values.crds.enabled }}}}\n{kept}{{{{- end }}}}\n")
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_template_keeps_the_crd_and_escapes_braces() {
        let text = super::template("kind: X\nmetadata:\n  name: x\nspec: '{{ y }}'\n");
        assert!(text.contains("helm.sh/resource-policy: keep\n"));
        assert!(text.contains("spec: '{{ \"{{\" }} y }}'"));
        assert!(text.trim_end().ends_with("{{- end }}"));
    }
}
