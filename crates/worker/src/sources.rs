//! From arguments to model files.

use crate::args::Args;
use std::{
    collections::BTreeMap,
    path::{Component, Path, PathBuf},
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
    /// A token or a limit for a model that is not downloaded.
    #[error("{flag} names `{name}`, which has no --model-url")]
    Stray {
        /// The flag.
        flag: &'static str,
        /// Name of the model.
        name: String,
    },
    /// A path with `..`, or a link out of the model's folder.
    #[error("model `{name}`: `{}` leaves the folder of the model; name a file inside it, without `..`", path.display())]
    Outside {
        /// Name of the model.
        name: String,
        /// The path as it was given.
        path: PathBuf,
    },
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
    let tokens = args.model_token_files.iter().filter_map(|file| file.model.as_ref());
    let tokens = tokens.map(|name| ("--model-token-file", name));
    let limits = args.model_max_bytes.iter().map(|(name, _)| ("--model-max-bytes", name));
    for (flag, name) in tokens.chain(limits) {
        if !args.model_urls.iter().any(|(model, _)| model == name) {
            return Err(Fault::Stray { flag, name: name.clone() });
        }
    }
    let mut names: Vec<&String> = sources.iter().map(|(name, _)| name).collect();
    names.sort();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(Fault::Twice(pair[0].clone())),
        None if names.is_empty() => Err(Fault::None),
        None => Ok(sources),
    }
}

/// Folder in which a pod has a folder for each model: a mounted claim or image, whose content its users choose.
pub const FOLDER: &str = "/models";

/// The file of a model on disk: `path` itself, or the only GGUF file in it.
///
/// A path has no `..`. One below `root` stays in its model's folder there, links resolved: else a claim could name, and by
/// the words of a refusal read, any file of the pod. Other paths may be links, as whoever starts a worker by hand likes.
pub fn file(name: &str, path: &Path, root: &Path) -> Result<PathBuf, Fault> {
    let outside = || Fault::Outside { name: name.to_owned(), path: path.to_owned() };
    if path.components().any(|part| part == Component::ParentDir) {
        return Err(outside());
    }
    let Some(Component::Normal(own)) = path.strip_prefix(root).ok().and_then(|rest| rest.components().next()) else {
        return only(name, path);
    };
    let unreadable = |fault: std::io::Error| Fault::Unreadable {
        name: name.to_owned(),
        path: path.to_owned(),
        cause: fault.to_string(),
    };
    // The folder first: what is behind a link out of it, or whether anything is, must not show in an error.
    let folder = root.canonicalize().map_err(unreadable)?.join(own);
    let inside = |path: &Path| match path.canonicalize() {
        Ok(real) if real.starts_with(&folder) => Ok(real),
        Err(fault) if !linked(path, &root.join(own)) => Err(unreadable(fault)),
        _ => Err(outside()),
    };
    inside(&only(name, &inside(path)?)?)
}

/// Whether any part of a path below `folder` is a link.
fn linked(path: &Path, folder: &Path) -> bool {
    path.ancestors().take_while(|part| *part != folder).any(Path::is_symlink)
}

/// `path` itself, or the only GGUF file in it.
fn only(name: &str, path: &Path) -> Result<PathBuf, Fault> {
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

/// The file with the token of a model: its own, else the one for all.
pub fn token_file<'a>(args: &'a Args, name: &str) -> Option<&'a Path> {
    let of = |model: Option<&str>| args.model_token_files.iter().find(|file| file.model.as_deref() == model);
    of(Some(name)).or_else(|| of(None)).map(|file| file.path.as_path())
}

/// Most bytes that a model may have.
pub fn max_bytes(args: &Args, name: &str) -> Option<u64> {
    args.model_max_bytes.iter().filter(|(model, _)| model == name).map(|(_, bytes)| *bytes).min()
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
        let found = || file("m", folder.path(), Path::new(FOLDER));
        put("README.md");
        assert!(matches!(found(), Err(Fault::NotOne { found: 0, .. })));
        put("a.gguf");
        assert_eq!(found(), Ok(folder.path().join("a.gguf")));
        put("b.GGUF");
        assert!(matches!(found(), Err(Fault::NotOne { found: 2, .. })));
    }

    #[test]
    fn tokens_and_limits_go_with_the_model_that_they_name() {
        let words =
            ["worker", "--model-token-file", "a=/t/a", "--model-token-file", "/t/all", "--model-max-bytes", "a=7"];
        let args = Args::try_parse_from(words).expect("they parse");
        assert_eq!(token_file(&args, "a"), Some(Path::new("/t/a")));
        assert_eq!(token_file(&args, "b"), Some(Path::new("/t/all")));
        assert_eq!((max_bytes(&args, "a"), max_bytes(&args, "b")), (Some(7), None));
        for flag in ["--model-token-file", "--model-max-bytes"] {
            let stray = wanted_by(&["--model", "b=/x", flag, "a=7"]);
            assert_eq!(stray, Err(Fault::Stray { flag, name: "a".into() }));
        }
    }

    #[test]
    fn a_model_stays_in_its_folder() {
        let root = tempfile::tempdir().expect("a folder");
        let at = |path: &str| root.path().join(path);
        for (folder, name) in [("m", "real.gguf"), ("other", "secret.gguf")] {
            std::fs::create_dir(at(folder)).expect("a folder");
            std::fs::write(at(folder).join(name), b"").expect("a file");
        }
        let links = [
            ("real.gguf", "m/inside"),
            ("../other/secret.gguf", "m/outside"),
            ("../other/none", "m/dangling"),
            ("../other", "m/folder"),
        ];
        for (target, link) in links {
            std::os::unix::fs::symlink(target, at(link)).expect("a link");
        }
        let found = |path: &str| file("m", &at(path), root.path());
        for path in ["m/real.gguf", "m/inside", "m"] {
            assert_eq!(found(path), Ok(at("m/real.gguf").canonicalize().expect("it is there")), "{path}");
        }
        // Whether the target is there makes no difference.
        for path in ["m/outside", "m/dangling", "m/folder", "m/folder/none.gguf", "m/../other/secret.gguf"] {
            assert_eq!(found(path), Err(Fault::Outside { name: "m".into(), path: at(path) }), "{path}");
        }
        assert!(matches!(found("m/none.gguf"), Err(Fault::Unreadable { .. })));
    }
}
