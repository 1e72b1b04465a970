//! Which module may import which: the order of the operator's rooms in `src/`, and no circles between the files of a crate.
//!
//! Paths are found by text: `crate::…` and `super::…`, grouped or not, outside comments and tests. An import of an ancestor counts
//! as none in the search for circles, because `mod.rs` holds the types that its children work with.

use crate::{Error, files::root, imports::imports};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

/// Rooms of the operator, lowest first. One room may import those on its own line and before it.
const ORDER: &[&[&str]] = &[
    &[
        "args", "children", "clock", "error", "lease", "metrics", "name", "quantity", "queue", "server", "thread",
        "time",
    ],
    &["wakes"],
    &["stores"],
    &["observe"],
    &["intent"],
    &["stage"],
    &["holds"],
    &["render"],
    &["apply"],
    &["report"],
    &["attempt", "controller", "operator", "reconcile"],
];

/// What still breaks the order, and why. The list only shrinks: an entry that no longer occurs fails the check.
struct Exception {
    /// Room that imports.
    from: &'static str,
    /// Room that is imported.
    to: &'static str,
    reason: &'static str,
}

const EXCEPTIONS: &[Exception] = &[];

/// Modules of one crate and what each imports, both as paths from the crate's root: `render::slot`; the root itself is empty.
type Modules = BTreeMap<String, BTreeSet<String>>;

/// Fails with every import against the order, every circle, and every exception that is none any more.
pub(crate) fn check() -> Result<(), Error> {
    let operator = read(&root().join("src"))?;
    let mut breaches = against_order(&operator, EXCEPTIONS);
    breaches.extend(circles("src", &operator));
    let crates = root().join("crates");
    let failed = |error| Error::File(crates.clone(), error);
    for entry in fs::read_dir(&crates).map_err(failed)? {
        let folder = entry.map_err(failed)?.path();
        if folder.join("src").is_dir() {
            let name = folder.strip_prefix(root()).unwrap_or(&folder).display().to_string();
            breaches.extend(circles(&name, &read(&folder.join("src"))?));
        }
    }
    breaches.sort();
    if breaches.is_empty() { Ok(()) } else { Err(Error::Breaches(breaches.join("\n"))) }
}

/// Imports from a lower room of a higher one, rooms that have no place in the order, and stale exceptions.
fn against_order(modules: &Modules, exceptions: &[Exception]) -> Vec<String> {
    let rank = |room: &str| ORDER.iter().position(|line| line.contains(&room));
    let mut breaches = BTreeSet::new();
    let mut met = BTreeSet::new();
    for (module, imported) in modules {
        let from = top(module);
        if from.is_empty() || from == "lib" || from == "main" {
            continue;
        }
        let Some(place) = rank(from) else {
            breaches.insert(format!("room `src/{from}` is not in the order: enter it in crates/xtask/src/modules.rs"));
            continue;
        };
        for to in imported.iter().map(|path| top(path)).filter(|to| rank(to).is_some_and(|above| above > place)) {
            if exceptions.iter().any(|e| e.from == from && e.to == to) {
                met.insert((from, to));
            } else {
                breaches
                    .insert(format!("`src/{}` may not import `{to}`, which comes after it", module.replace("::", "/")));
            }
        }
    }
    let stale = exceptions.iter().filter(|e| !met.contains(&(e.from, e.to)));
    breaches.extend(stale.map(|e| {
        format!(
            "`{}` imports `{}` no more: remove the exception from crates/xtask/src/modules.rs ({})",
            e.from, e.to, e.reason
        )
    }));
    breaches.into_iter().collect()
}

fn top(path: &str) -> &str {
    path.split("::").next().unwrap_or_default()
}

/// Circles between modules neither of which contains the other, one line each, starting at the first by name.
fn circles(name: &str, modules: &Modules) -> Vec<String> {
    let next = |from: &str| {
        let kin = |a: &str, b: &str| {
            b.is_empty() || a == b || a.starts_with(&format!("{b}::")) || b.starts_with(&format!("{a}::"))
        };
        modules.get(from).into_iter().flatten().filter(|to| !kin(from, to)).map(String::as_str).collect::<Vec<_>>()
    };
    let mut told = BTreeSet::new();
    let mut breaches = Vec::new();
    for start in modules.keys() {
        // The shortest way back to `start`.
        let mut came: BTreeMap<&str, &str> = BTreeMap::new();
        let mut queue = std::collections::VecDeque::from([start.as_str()]);
        while let Some(at) = queue.pop_front() {
            for to in next(at) {
                if !came.contains_key(to) {
                    came.insert(to, at);
                    queue.push_back(to);
                }
            }
        }
        let mut circle = Vec::new();
        let mut at = came.get(start.as_str()).copied();
        while let Some(module) = at {
            circle.push(module);
            if module == start {
                break;
            }
            at = came.get(module).copied();
        }
        let members: BTreeSet<_> = circle.iter().map(|module| (*module).to_owned()).collect();
        if !members.is_empty() && told.insert(members) {
            circle.reverse();
            circle.push(start);
            breaches.push(format!("circle of imports in `{name}`: {}", circle.join(" -> ")));
        }
    }
    breaches
}

fn read(source: &Path) -> Result<Modules, Error> {
    let mut texts = BTreeMap::new();
    walk(source, source, &mut texts)?;
    Ok(resolve(&texts))
}

fn walk(source: &Path, folder: &Path, found: &mut BTreeMap<String, String>) -> Result<(), Error> {
    let failed = |error| Error::File(folder.into(), error);
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_dir() {
            walk(source, &path, found)?;
        } else if let Some(module) = module_of(path.strip_prefix(source).unwrap_or(&path)) {
            let text = fs::read_to_string(&path).map_err(|error| Error::File(path, error))?;
            found.insert(module, text);
        }
    }
    Ok(())
}

/// Module of a file by its path below `src`; none for tests and programs.
fn module_of(path: &Path) -> Option<String> {
    let text = path.to_str()?.strip_suffix(".rs")?;
    if text == "main" || text.starts_with("bin/") || text.ends_with("tests") {
        return None;
    }
    let module = if text == "lib" { "" } else { text.strip_suffix("/mod").unwrap_or(text) };
    Some(module.replace('/', "::"))
}

/// Each imported path cut back to the longest one that is a module.
fn resolve(texts: &BTreeMap<String, String>) -> Modules {
    let longest = |path: &str| {
        let mut path = path;
        while !texts.contains_key(path) {
            path = path.rsplit_once("::").map_or("", |(before, _)| before);
            if path.is_empty() {
                break;
            }
        }
        path.to_owned()
    };
    texts
        .iter()
        .map(|(module, text)| (module.clone(), imports(module, text).iter().map(|path| longest(path)).collect()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn modules(texts: &[(&str, &str)]) -> Modules {
        resolve(&texts.iter().map(|(module, text)| ((*module).to_owned(), (*text).to_owned())).collect())
    }

    #[test]
    fn a_lower_room_may_not_import_a_higher_one() {
        let found = modules(&[
            ("observe", "use crate::{error::Error, report::Facts};"),
            ("report", "use crate::observe::Live;"),
            ("error", ""),
        ]);
        assert_eq!(against_order(&found, &[]), ["`src/observe` may not import `report`, which comes after it"]);
        assert!(against_order(&modules(&[("attic", "")]), &[])[0].contains("not in the order"));
    }

    #[test]
    fn an_exception_that_occurs_no_more_is_a_breach() {
        let exception = || [Exception { from: "observe", to: "render", reason: "for now" }];
        let with = modules(&[("observe::live", "use crate::render::Kind;"), ("render", "")]);
        assert_eq!(against_order(&with, &exception()), Vec::<String>::new());
        let without = modules(&[("observe::live", ""), ("render", "")]);
        assert!(against_order(&without, &exception())[0].contains("remove the exception"));
    }

    #[test]
    fn siblings_that_import_each_other_are_a_circle_and_children_of_a_folder_are_none() {
        let found = modules(&[
            ("", ""),
            ("a", "use crate::b::c::X;"),
            ("b", "use self::c::X;"),
            ("b::c", "use super::Y; use crate::a::Z;"),
        ]);
        assert_eq!(circles("src", &found), ["circle of imports in `src`: a -> b::c -> a"]);
        let kin = modules(&[("b", "mod c; use c::X;"), ("b::c", "use super::Y;")]);
        assert_eq!(circles("src", &kin), Vec::<String>::new());
    }

    #[test]
    fn files_know_their_module() {
        let of = |path: &str| module_of(Path::new(path));
        assert_eq!(of("render/mod.rs").as_deref(), Some("render"));
        assert_eq!(of("lib.rs").as_deref(), Some(""));
        assert_eq!(of("controller/changes.rs").as_deref(), Some("controller::changes"));
        assert_eq!(of("observe/fleet_tests.rs"), None);
    }
}
