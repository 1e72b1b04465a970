//! Limits the length of Rust files, so that each can be read in one sitting.

use crate::{Error, files::root};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Most lines of a Rust file.
const LONGEST: usize = 600;

/// Fails where a Rust file is too long; prints the median.
pub(crate) fn check() -> Result<(), Error> {
    let mut lengths = Vec::new();
    for folder in ["src", "crates", "tests"] {
        walk(&root().join(folder), &mut lengths)?;
    }
    lengths.sort();
    let median = lengths.get(lengths.len() / 2).map_or(0, |(lines, _)| *lines);
    eprintln!("{} Rust files, median {median} lines", lengths.len());
    let long: Vec<_> = lengths
        .iter()
        .filter(|(lines, _)| *lines > LONGEST)
        .map(|(n, path)| format!("{}: {n} lines", path.display()))
        .collect();
    if long.is_empty() {
        Ok(())
    } else {
        Err(Error::Breaches(format!("longer than {LONGEST} lines: split these\n{}", long.join("\n"))))
    }
}

fn walk(folder: &Path, found: &mut Vec<(usize, PathBuf)>) -> Result<(), Error> {
    let failed = |error| Error::File(folder.into(), error);
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
            walk(&path, found)?;
        } else if path.extension().is_some_and(|e| e == "rs") {
            let text = fs::read_to_string(&path).map_err(|error| Error::File(path.clone(), error))?;
            found.push((text.lines().count(), path.strip_prefix(root()).unwrap_or(&path).to_owned()));
        }
    }
    Ok(())
}
