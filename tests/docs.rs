//! What a resource can say, docs/failure-modes.md explains.

use std::{collections::BTreeSet, fs, path::Path};

fn text(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect(path)
}

/// The string literals of `source` that follow `before`, from `start` on.
fn words(source: &str, start: &str, before: &str) -> Vec<String> {
    let text = text(source);
    let (_, rest) = text.split_once(start).expect(start);
    // A module or an implementation ends with a brace in the first column.
    let body = rest.split_once("\n}").map_or(rest, |(body, _)| body);
    body.split(before).skip(1).filter_map(|literal| literal.split('"').next()).map(str::to_owned).collect()
}

#[test]
fn every_reason_is_explained_among_the_failure_modes() {
    let sources = [
        words("crates/api/src/names.rs", "pub mod reason {", ": &str = \""),
        words("crates/plan/src/outcome.rs", "impl Code {", "=> \""),
        words("src/error.rs", "impl Error {", "=> \""),
    ];
    let counts = sources.each_ref().map(Vec::len);
    assert!(
        counts[0] >= 28 && counts[1] >= 10 && counts[2] >= 10,
        "the sources are written in another way: {counts:?}"
    );
    let docs = text("docs/failure-modes.md");
    // What stands between backticks.
    let code = docs.split('`').skip(1).step_by(2);
    let told: BTreeSet<&str> = code.flat_map(|code| code.split(|c: char| !c.is_ascii_alphanumeric())).collect();
    let untold: Vec<_> = sources.iter().flatten().filter(|word| !told.contains(word.as_str())).collect();
    assert!(untold.is_empty(), "docs/failure-modes.md says nothing of {untold:?}");
}
