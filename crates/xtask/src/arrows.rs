//! Which room may depend on which, and what it may not touch: the table of docs/architecture.md.

use crate::{Error, files::root};
use serde_json::Value;
use std::process::Command;

/// One room.
struct Room {
    package: &'static str,
    /// Workspace packages that it may depend on.
    may: &'static [&'static str],
    /// Libraries that it may not depend on.
    never: &'static [&'static str],
}

const KUBERNETES: &[&str] = &["kube", "k8s-openapi"];

/// Every room. A new one must be entered here.
const ROOMS: &[Room] = &[
    // The words for roles are of the programs' documents and of the resource alike.
    Room { package: "cherokee-api", may: &["cherokee-wire"], never: &["tokio", "chrono", "reqwest", "axum"] },
    Room {
        package: "cherokee-plan",
        may: &["cherokee-wire"],
        never: &["kube", "k8s-openapi", "tokio", "rand", "reqwest"],
    },
    Room { package: "cherokee-wire", may: &[], never: &["kube", "k8s-openapi", "tokio", "chrono", "axum", "reqwest"] },
    Room {
        package: "cherokee-memory",
        may: &["cherokee-wire"],
        never: &["kube", "k8s-openapi", "axum", "hyper", "reqwest"],
    },
    Room {
        package: "cherokee-gateway",
        may: &["cherokee-daemon", "cherokee-api", "cherokee-wire", "cherokee-memory"],
        never: &["redis", "candle-core", "candle-nn"],
    },
    // What every program has; it knows nothing of the product.
    Room { package: "cherokee-daemon", may: &[], never: &["kube", "k8s-openapi", "redis", "reqwest"] },
    Room { package: "cherokee-engine", may: &[], never: &["kube", "k8s-openapi", "axum", "hyper", "reqwest"] },
    Room {
        package: "cherokee-worker",
        may: &["cherokee-daemon", "cherokee-engine", "cherokee-wire"],
        never: KUBERNETES,
    },
    Room {
        package: "cherokee-dream",
        may: &["cherokee-daemon", "cherokee-wire", "cherokee-memory"],
        never: &["kube", "k8s-openapi", "redis"],
    },
    Room {
        package: "cherokee-autonomic",
        may: &["cherokee-daemon", "cherokee-api", "cherokee-wire", "cherokee-memory"],
        never: &["redis"],
    },
    Room {
        package: "cherokee-operator",
        may: &["cherokee-daemon", "cherokee-api", "cherokee-plan", "cherokee-wire"],
        never: &["redis", "candle-core"],
    },
    Room {
        package: "cherokee-cli",
        may: &[
            "cherokee-api",
            "cherokee-plan",
            "cherokee-wire",
            "cherokee-daemon",
            "cherokee-operator",
            "cherokee-gateway",
            "cherokee-dream",
            "cherokee-autonomic",
        ],
        never: &["redis", "candle-core"],
    },
    Room { package: "xtask", may: &["cherokee-api"], never: &[] },
];

/// Fails with every dependency that the table does not allow.
pub(crate) fn check() -> Result<(), Error> {
    let said = "cargo metadata";
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["metadata", "--no-deps", "--offline", "--format-version", "1"]).current_dir(root());
    let out = command.output().map_err(|error| Error::Run(said.into(), error))?;
    if !out.status.success() {
        return Err(Error::Failed(said.into(), String::from_utf8_lossy(&out.stderr).trim().to_owned()));
    }
    let metadata: Value = serde_json::from_slice(&out.stdout).map_err(Error::Metadata)?;
    let breaches: Vec<_> = list(&metadata, "packages").iter().flat_map(breaches).collect();
    if breaches.is_empty() { Ok(()) } else { Err(Error::Breaches(breaches.join("\n"))) }
}

/// Dependencies of one package that the table does not allow. Dev-dependencies are exempt.
fn breaches(package: &Value) -> Vec<String> {
    let name = package["name"].as_str().unwrap_or_default();
    let Some(room) = ROOMS.iter().find(|room| room.package == name) else {
        return vec![format!("package `{name}` is not in the table of rooms: enter it in crates/xtask/src/arrows.rs")];
    };
    let used = list(package, "dependencies").iter().filter(|dependency| dependency["kind"].is_null());
    used.filter_map(|dependency| {
        let used = dependency["name"].as_str().unwrap_or_default();
        let ours = dependency["path"].is_string();
        if ours && !room.may.contains(&used) {
            return Some(format!("`{name}` may not depend on `{used}`: it may depend on {:?}", room.may));
        }
        room.never.contains(&used).then(|| format!("`{name}` may not touch `{used}`"))
    })
    .collect()
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map(Vec::as_slice).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::breaches;
    use serde_json::json;

    fn package(name: &str, dependency: serde_json::Value) -> serde_json::Value {
        json!({"name": name, "dependencies": [dependency]})
    }

    #[test]
    fn an_arrow_outside_the_table_is_a_breach() {
        let of = |name, used| breaches(&package(name, json!({"name": used, "kind": null, "path": "x"})));
        assert_eq!(of("cherokee-gateway", "cherokee-memory"), Vec::<String>::new());
        assert!(of("cherokee-plan", "cherokee-api")[0].contains("`cherokee-plan` may not depend on `cherokee-api`"));
        assert!(of("stranger", "x")[0].contains("not in the table"));
    }

    #[test]
    fn a_library_that_a_room_may_not_touch_is_a_breach_except_in_its_tests() {
        let of = |kind| breaches(&package("cherokee-plan", json!({"name": "kube", "kind": kind, "path": null})));
        assert_eq!(of(json!(null)), ["`cherokee-plan` may not touch `kube`"]);
        assert_eq!(of(json!("dev")), Vec::<String>::new());
    }
}
