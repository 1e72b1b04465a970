//! Paths of our own modules that a file names, found by text.

use std::collections::BTreeSet;

/// Every `crate::…` and `super::…` path of `text`, from the crate's root. `module` is the path of the file's own module.
pub(crate) fn imports(module: &str, text: &str) -> BTreeSet<String> {
    let code: String = without_tests(text)
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .collect::<Vec<_>>()
        .join("\n");
    let mut found = BTreeSet::new();
    for word in ["crate", "super"] {
        for (at, _) in code.match_indices(&format!("{word}::")) {
            let before = code[..at].chars().next_back();
            // `my_crate::`, `$crate::`, and the later ones of `super::super::`.
            if !before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '$' | ':')) {
                let base = if word == "crate" { String::new() } else { parent(module) };
                read(&base, &code[at + word.len() + 2..], &mut found);
            }
        }
    }
    found
}

/// The text up to the tests, which by our habit end a file.
fn without_tests(text: &str) -> &str {
    let start =
        text.find("#[cfg(test)]\nmod ").filter(|at| text[*at..].lines().nth(1).is_some_and(|line| line.ends_with('{')));
    start.map_or(text, |at| &text[..at])
}

fn parent(module: &str) -> String {
    module.rsplit_once("::").map_or(String::new(), |(before, _)| before.to_owned())
}

/// Reads one path, or the paths of a group, that follow `base`. Returns what comes after.
fn read<'a>(base: &str, text: &'a str, found: &mut BTreeSet<String>) -> &'a str {
    let mut rest = text.trim_start();
    if let Some(group) = rest.strip_prefix('{') {
        rest = group;
        loop {
            rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == ',');
            if rest.is_empty() {
                return rest;
            }
            if let Some(after) = rest.strip_prefix('}') {
                return after;
            }
            rest = read(base, rest, found);
            // A renamed import: `X as Y`.
            rest = rest.trim_start_matches(|c: char| c != ',' && c != '}');
        }
    }
    let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
    let (name, after) = rest.split_at(end);
    let here = match name {
        "" | "self" => base.to_owned(),
        "super" => parent(base),
        name if base.is_empty() => name.to_owned(),
        name => format!("{base}::{name}"),
    };
    if let Some(deeper) = after.strip_prefix("::") {
        return read(&here, deeper, found);
    }
    found.insert(here);
    after
}

#[cfg(test)]
mod tests {
    use super::imports;

    fn of(module: &str, text: &str) -> Vec<String> {
        imports(module, text).into_iter().collect()
    }

    #[test]
    fn groups_renamed_and_nested_are_read_to_their_ends() {
        let text = "use crate::{\n    error::{Doing, Error as E},\n    render::{self, Kind}, time,\n};\nuse serde::X;";
        assert_eq!(of("apply", text), ["error::Doing", "error::Error", "render", "render::Kind", "time"]);
    }

    #[test]
    fn super_is_the_parent_and_paths_in_bodies_count() {
        assert_eq!(
            of("a::b", "use super::c::X;\nfn f() { super::super::d::g(crate::e::H) }"),
            ["a::c::X", "d::g", "e::H"]
        );
    }

    #[test]
    fn comments_tests_and_other_crates_count_for_nothing() {
        let text =
            "// crate::a\n/// [`crate::b`]\nuse my_crate::c;\n#[cfg(test)]\nmod tests {\n    use crate::d::X;\n}\n";
        assert_eq!(of("e", text), Vec::<String>::new());
        assert_eq!(of("e", "#[cfg(test)]\nmod tests;\nuse crate::f;"), ["f"]);
    }
}
