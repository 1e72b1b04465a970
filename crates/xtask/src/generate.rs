//! The CRDs from the Rust types: once for `kubectl apply`, once as a template of the chart.

use crate::{Error, files::Mode};

const HINT: &str = "run `make gen` and commit what it writes";
const HEAD: &str = "# Generated from crates/api by `make gen`: do not edit.\n";
/// Ends the rendering where values are missing, as in every other template of the chart.
const COMPLETE: &str = "{{- include \"cherokee-operator.complete\" . }}\n";

/// Writes or compares a file for each CRD and the chart's template of all.
pub(crate) fn run(mode: Mode) -> Result<(), Error> {
    let mut templates = Vec::new();
    for crd in [cherokee_api::crd::crd(), cherokee_api::crd::holds()] {
        let text = serde_saphyr::to_string(&crd).map_err(|error| Error::Yaml("the CRD", error))?;
        let file = format!("crds/{}_{}.yaml", crd.spec.group, crd.spec.names.plural);
        mode.bring(&file, &format!("{HEAD}{text}"), HINT)?;
        templates.push(template(&text));
    }
    let all = templates.join("---\n");
    let text = format!("{HEAD}{COMPLETE}{{{{- if .Values.crds.enabled }}}}\n{all}{{{{- end }}}}\n");
    mode.bring("charts/cherokee-operator/templates/crds.yaml", &text, HINT)
}

/// A CRD as a template: Helm upgrades it with the release and keeps it when the release is removed, since its removal would
/// delete every object of the kind.
fn template(crd: &str) -> String {
    let escaped = crd.replace("{{", "{{ \"{{\" }}");
    escaped.replacen(
        "metadata:\n",
        "metadata:\n  annotations:\n    helm.sh/resource-policy: keep\n  labels:\n    {{- include \"cherokee-operator.labels\" . | nindent 4 }}\n",
        1,
    )
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_template_keeps_the_crd_and_escapes_braces() {
        let text = super::template("kind: X\nmetadata:\n  name: x\nspec: '{{ y }}'\n");
        assert!(text.contains("helm.sh/resource-policy: keep\n"));
        assert!(text.contains("spec: '{{ \"{{\" }} y }}'"));
    }
}
