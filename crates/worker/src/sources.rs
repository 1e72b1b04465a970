//! From arguments to model files.

use crate::{args::Args, download};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// Where a model comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A file, or a folder with exactly one GGUF file.
    Path(PathBuf),
    /// A download.
    Url {
        /// `http://` or `https://`.
        url: String,
        /// SHA-256 of the file, lower case.
        sha256: String,
    },
}

/// A contradiction in the arguments, or a folder without a model.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Nothing to hold.
    #[error("no model is named; give --model NAME=PATH or --model-url NAME=URL with --model-sha256 NAME=HEX")]
    None,
    /// Two models of a name.
    #[error("model `{0}` is named twice")]
    Twice(String),
    /// An address without a digest.
    #[error("model `{0}` has an address but no SHA-256; give --model-sha256 {0}=HEX")]
    NoDigest(String),
    /// A digest without an address.
    #[error("--model-sha256 names `{0}`, which has no --model-url")]
    StrayDigest(String),
    /// Not a digest.
    #[error("SHA-256 of model `{0}` must be 64 hexadecimal digits")]
    BadDigest(String),
    /// Not an address that can be fetched.
    #[error("address of model `{0}` must start with http:// or https://")]
    BadUrl(String),
    /// Nothing there, or too much.
    #[error("model `{name}`: `{}` holds {found} .gguf files, exactly one is needed", path.display())]
    NotOne {
        /// Name of the model.
        name: String,
        /// The folder.
        path: PathBuf,
        /// How many were found.
        found: usize,
    },
    /// Nothing there.
    #[error("model `{name}`: `{}` cannot be read: {cause}", path.display())]
    Unreadable {
        /// Name of the model.
        name: String,
        /// The file or folder.
        path: PathBuf,
        /// Why.
        cause: String,
    },
}

/// The models that the arguments ask for, in order.
pub fn wanted(args: &Args) -> Result<Vec<(String, Source)>, Fault> {
    let mut digests: BTreeMap<&str, &str> = BTreeMap::new();
    for (name, digest) in &args.model_digests {
        if digests.insert(name, digest).is_some() {
            return Err(Fault::Twice(name.clone()));
        }
    }
    let mut sources: Vec<(String, Source)> =
        args.models.iter().map(|(name, path)| (name.clone(), Source::Path(path.into()))).collect();
    for (name, url) in &args.model_urls {
        if !url.starts_with("http://") && !url.starts_with("https://") {
            return Err(Fault::BadUrl(name.clone()));
        }
        let digest = digests.remove(name.as_str()).ok_or_else(|| Fault::NoDigest(name.clone()))?;
        if digest.len() != 64 || !digest.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(Fault::BadDigest(name.clone()));
        }
        sources.push((name.clone(), Source::Url { url: url.clone(), sha256: digest.to_ascii_lowercase() }));
    }
    if let Some(stray) = digests.keys().next() {
        return Err(Fault::StrayDigest((*stray).to_owned()));
    }
    let mut names: Vec<&String> = sources.iter().map(|(name, _)| name).collect();
    names.sort();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(Fault::Twice(pair[0].clone())),
        None if names.is_empty() => Err(Fault::None),
        None => Ok(sources),
    }
}

/// The file of a model on disk: `path` itself, or the only GGUF file in it.
pub fn file(name: &str, path: &Path) -> Result<PathBuf, Fault> {
    let unreadable = |fault: std::io::Error| Fault::Unreadable {
        name: name.to_owned(),
        path: path.to_owned(),
        cause: fault.to_string(),
    };
    if !std::fs::metadata(path).map_err(unreadable)?.is_dir() {
        return Ok(path.to_owned());
    }
    let mut found = Vec::new();
    for entry in std::fs::read_dir(path).map_err(unreadable)? {
        let file = entry.map_err(unreadable)?.path();
        if file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("gguf")) {
            found.push(file);
        }
    }
    match <[PathBuf; 1]>::try_from(found) {
        Ok([file]) => Ok(file),
        Err(found) => Err(Fault::NotOne { name: name.to_owned(), path: path.to_owned(), found: found.len() }),
    }
}

/// Address and digest as the downloader takes them, with cache and token from the arguments.
pub fn download(
    url: &str,
    sha256: &str,
    args: &Args,
    token: Option<&str>,
    progress: download::Progress,
) -> download::Order {
    download::Order {
        url: url.to_owned(),
        sha256: sha256.to_owned(),
        folder: args.model_cache.clone(),
        token: token.map(str::to_owned),
        progress,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    fn wanted_by(words: &[&str]) -> Result<Vec<(String, Source)>, Fault> {
        wanted(&Args::try_parse_from([&["worker"][..], words].concat()).expect("they parse"))
    }

    #[test]
    fn an_address_goes_with_its_digest() {
        let digest = "AB".repeat(32);
        let sources =
            wanted_by(&["--model-url", "a=https://h/m.gguf", "--model-sha256", &format!("a={digest}")]).expect("sound");
        let sha256 = "ab".repeat(32);
        assert_eq!(sources, [("a".into(), Source::Url { url: "https://h/m.gguf".into(), sha256 })]);
    }

    #[test]
    fn contradictions_are_named() {
        let digest = format!("a={}", "0".repeat(64));
        let cases: [(&[&str], Fault); 6] = [
            (&[], Fault::None),
            (&["--model", "a=/x", "--model", "a=/y"], Fault::Twice("a".into())),
            (&["--model-url", "a=https://h/m"], Fault::NoDigest("a".into())),
            (&["--model", "b=/x", "--model-sha256", &digest], Fault::StrayDigest("a".into())),
            (&["--model-url", "a=https://h/m", "--model-sha256", "a=12"], Fault::BadDigest("a".into())),
            (&["--model-url", "a=ftp://h/m", "--model-sha256", &digest], Fault::BadUrl("a".into())),
        ];
        for (words, fault) in cases {
            assert_eq!(wanted_by(words), Err(fault));
        }
    }

    #[test]
    fn a_folder_must_hold_exactly_one_model() {
        let folder = tempfile::tempdir().expect("a folder");
        let put = |name: &str| std::fs::write(folder.path().join(name), b"").expect("it is written");
        let found = || file("m", folder.path());
        put("README.md");
        assert!(matches!(found(), Err(Fault::NotOne { found: 0, .. })));
        put("a.gguf");
        assert_eq!(found(), Ok(folder.path().join("a.gguf")));
        put("b.GGUF");
        assert!(matches!(found(), Err(Fault::NotOne { found: 2, .. })));
    }
}
