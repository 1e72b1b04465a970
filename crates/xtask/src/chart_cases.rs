//! The chart as its users have it: under a parent chart, twice in one cluster, and with the values of an older release.

use crate::{Error, chart::template, files::root};
use serde_json::Value;
use std::{collections::BTreeSet, fs, os::unix::fs::symlink, path::Path};

const CHART: &str = "charts/cherokee-operator";
/// What the failure text must tell somebody who upgraded with `--reuse-values`.
const WAY_OUT: &str = "--reset-then-reuse-values";

/// Fails with everything that the chart does not do.
pub(crate) fn check(program: &Path) -> Result<(), Error> {
    let mut breaches = dependency(program)?;
    breaches.extend(two_releases(program)?);
    breaches.extend(missing_values(program)?);
    if breaches.is_empty() { Ok(()) } else { Err(Error::Breaches(breaches.join("\n"))) }
}

/// A parent chart may switch its dependency by `condition: cherokee-operator.enabled`.
fn dependency(program: &Path) -> Result<Vec<String>, Error> {
    let parent = std::env::temp_dir().join(format!("cherokee-parent-chart-{}", std::process::id()));
    let made = lay_out(&parent).map_err(|error| Error::File(parent.clone(), error));
    let folder = parent.display().to_string();
    let rendered = made.map(|()| {
        let of = |value: &str| {
            template(program, "t", &folder, "t", &["--set", &format!("cherokee-operator.enabled={value}")])
        };
        (of("true"), of("false"))
    });
    // Also where a step above failed.
    fs::remove_dir_all(&parent).ok();
    Ok(match rendered? {
        (Ok(on), Ok(off)) if on.contains("kind: Deployment") && !off.contains("kind: Deployment") => Vec::new(),
        (Ok(_), Ok(_)) => vec!["the chart as a dependency: `enabled` does not switch it".to_owned()],
        (Err(error), _) | (_, Err(error)) => vec![format!("the chart as a dependency: {error}")],
    })
}

fn lay_out(parent: &Path) -> std::io::Result<()> {
    fs::create_dir_all(parent.join("charts"))?;
    symlink(root().join(CHART), parent.join("charts/cherokee-operator"))?;
    let chart = "apiVersion: v2\nname: parent\nversion: 0.1.0\ndependencies:\n  - name: cherokee-operator\n    \
                 version: \">=0.0.0-0\"\n    condition: cherokee-operator.enabled\n";
    fs::write(parent.join("Chart.yaml"), chart)
}

/// Releases of one name in two namespaces share no object, even where both look after the same namespace.
fn two_releases(program: &Path) -> Result<Vec<String>, Error> {
    let of = |namespace| {
        let options = ["--set", "watchNamespaces={c},crds.enabled=false"];
        template(program, "op", CHART, namespace, &options).and_then(|text| objects(&text))
    };
    let (first, second) = (of("a")?, of("b")?);
    let shared = first.intersection(&second);
    Ok(shared.map(|object| format!("two releases of one name in two namespaces share `{object}`")).collect())
}

/// Kind, namespace and name of each object of a rendered chart.
fn objects(rendered: &str) -> Result<BTreeSet<String>, Error> {
    let documents: Vec<Value> =
        serde_saphyr::from_multiple(rendered).map_err(|error| Error::Read("the rendered chart", Box::new(error)))?;
    let word = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let objects = documents.iter().filter(|document| document.is_object());
    Ok(objects
        .map(|object| {
            let metadata = &object["metadata"];
            [word(&object["kind"]), word(&metadata["namespace"]), word(&metadata["name"])].join(" ")
        })
        .collect())
}

/// Without any one value, as after `helm upgrade --reuse-values` from a chart that lacked it, the chart renders or says the way out.
fn missing_values(program: &Path) -> Result<Vec<String>, Error> {
    let path = root().join(CHART).join("values.yaml");
    let text = fs::read_to_string(&path).map_err(|error| Error::File(path, error))?;
    let values: Value = serde_saphyr::from_str(&text).map_err(|error| Error::Read("values.yaml", Box::new(error)))?;
    let judged = paths(&values).into_iter().filter_map(|(path, needed)| {
        match template(program, "op", CHART, "a", &["--set", &format!("{path}=null")]) {
            Ok(_) if needed => {
                Some(format!("without the value `{path}` the chart renders something else: enter it in _complete.tpl"))
            }
            Err(error) if !error.to_string().contains(WAY_OUT) => Some(format!("without the value `{path}`: {error}")),
            _ => None,
        }
    });
    Ok(judged.collect())
}

/// Values and their groups, and whether the chart must not render without them: those whose default is not empty. What is in
/// `resources` is the user's to remove.
fn paths(values: &Value) -> Vec<(String, bool)> {
    let mut found = Vec::new();
    for (key, value) in values.as_object().into_iter().flatten() {
        found.push((key.clone(), !empty(value)));
        if key != "resources" {
            let inner = value.as_object().into_iter().flatten();
            found.extend(inner.map(|(name, value)| (format!("{key}.{name}"), !empty(value))));
        }
    }
    found
}

fn empty(value: &Value) -> bool {
    match value {
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::Null => true,
        Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::{objects, paths};
    use serde_json::json;

    #[test]
    fn every_value_is_removed_and_those_with_a_default_are_needed() {
        let values = json!({"image": {"registry": "x", "tag": ""}, "on": false, "resources": {"limits": {"cpu": 1}}, "list": []});
        let wanted = [
            ("image", true),
            ("image.registry", true),
            ("image.tag", false),
            ("list", false),
            ("on", true),
            ("resources", true),
        ];
        let mut found = paths(&values);
        found.sort();
        assert_eq!(found, wanted.map(|(path, needed)| (path.to_owned(), needed)));
    }

    #[test]
    fn objects_are_known_by_kind_namespace_and_name() {
        let text = "# only a comment\n---\nkind: Role\nmetadata:\n  name: x\n  namespace: a\n---\nkind: ClusterRole\nmetadata:\n  name: z\n";
        assert_eq!(objects(text).unwrap().into_iter().collect::<Vec<_>>(), ["ClusterRole - z", "Role a x"]);
    }
}
