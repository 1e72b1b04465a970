//! Model files over HTTP: in ranges, resumed after breaks and restarts, known by their digest.
//!
//! A file is `<digest>.gguf` in the cache folder once its digest was checked, and `<digest>.part` until then. The part is
//! locked while it is written, so that two processes with one folder fetch once.
//!
//! The limits of the cluster's admin are enforced here: [`Rules`] on each address that is connected to, [`Order::max_bytes`]
//! and [`Order::cache_max_bytes`] on each byte that is written, and the origin that may get the token.

mod causes;
mod fault;
mod patience;
mod reach;
mod transfer;

pub use fault::Fault;
pub use reach::{Host, Rules};

use patience::Patience;
use reqwest::Url;

use sha2::{Digest, Sha256};
use std::{
    fs::{File, TryLockError},
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

/// Is told how far a download is: bytes that are there, and bytes of the whole file if the server says so.
pub type Progress = Arc<dyn Fn(u64, Option<u64>) + Send + Sync>;

/// What is to be fetched.
#[derive(Clone)]
pub struct Order {
    /// `http://` or `https://`.
    pub url: String,
    /// SHA-256 of the file, lower case.
    pub sha256: String,
    /// Cache folder, created if it is not there.
    pub folder: PathBuf,
    /// Bearer token. Sent to the origin of `url` only, and over `http://` only to a host that `rules` allow by name.
    pub token: Option<String>,
    /// Most bytes that the file may have; no limit by default.
    pub max_bytes: Option<u64>,
    /// Most bytes that all files of the cache folder may have together; no limit by default.
    pub cache_max_bytes: Option<u64>,
    /// Addresses that may be connected to.
    pub rules: Arc<Rules>,
    /// Called with each piece that comes.
    pub progress: Progress,
}

/// Fetches the file unless the cache has it, and returns its path.
pub async fn fetch(order: &Order) -> Result<PathBuf, Fault> {
    let done = order.folder.join(format!("{}.gguf", order.sha256));
    let part = order.folder.join(format!("{}.part", order.sha256));
    std::fs::create_dir_all(&order.folder).map_err(|source| cache(&order.folder, source))?;
    if done.is_file() {
        tracing::info!(file = %done.display(), "model is in the cache");
        return Ok(done);
    }
    // Held until the end of this function.
    let _lock = lock(&part).await?;
    if done.is_file() {
        return Ok(done);
    }
    let bytes = all(order, &part).await?;
    let found = digest(part.clone()).await?;
    if found != order.sha256 {
        std::fs::remove_file(&part).map_err(|source| cache(&part, source))?;
        // Not in the error, which ends up in the status of the resource: who may read only that learns no digest of a file.
        tracing::warn!(url = shown(&order.url), found, wanted = order.sha256, "wrong digest");
        return Err(Fault::WrongDigest { url: shown(&order.url), wanted: order.sha256.clone(), bytes });
    }
    std::fs::rename(&part, &done).map_err(|source| cache(&done, source))?;
    tracing::info!(file = %done.display(), bytes, "model is downloaded and its digest is right");
    Ok(done)
}

/// Fetches until the part is complete; returns its size.
async fn all(order: &Order, part: &Path) -> Result<u64, Fault> {
    let url = Url::parse(&order.url)
        .map_err(|fault| Fault::BadAddress { url: shown(&order.url), cause: fault.to_string() })?;
    let limit = limit(order, part)?;
    let mut patience = Patience::new(size(part)?);
    loop {
        let end = match transfer::attempt(&url, order, part, size(part)?, limit).await {
            Ok(end) => end,
            Err(fault) => {
                if matches!(fault, Fault::TooLarge { .. }) && part.exists() {
                    // It can never be completed, and would fill the disk that the limit protects.
                    std::fs::remove_file(part).map_err(|source| cache(part, source))?;
                }
                return Err(fault);
            }
        };
        let bytes = size(part)?;
        let (pause, cause) = match end {
            transfer::End::Complete => return Ok(bytes),
            transfer::End::Broken(cause) => (patience.after_break(bytes), cause),
            transfer::End::Busy { wait, cause } => (patience.after_busy(bytes, wait), cause),
        };
        let Some(pause) = pause else {
            return Err(Fault::GaveUp { url: shown(&order.url), breaks: patience.tries(), bytes, cause });
        };
        tracing::warn!(
            url = shown(&order.url),
            bytes,
            cause,
            pause_seconds = pause.as_secs_f64(),
            "download broke, resuming"
        );
        tokio::time::sleep(pause).await;
    }
}

/// Most bytes that the part may have, and the flag that says so; the tighter of the model's own limit and what the
/// other files leave of the cache's.
fn limit(order: &Order, part: &Path) -> Result<Option<Limit>, Fault> {
    let own = order.max_bytes.map(|bytes| Limit { bytes, flag: "--model-max-bytes" });
    let Some(whole) = order.cache_max_bytes else { return Ok(own) };
    let mut others = 0_u64;
    for entry in std::fs::read_dir(&order.folder).map_err(|source| cache(&order.folder, source))? {
        let entry = entry.map_err(|source| cache(&order.folder, source))?;
        if entry.path() != part {
            others += entry.metadata().map_err(|source| cache(&entry.path(), source))?.len();
        }
    }
    let rest = Limit { bytes: whole.saturating_sub(others), flag: "--model-cache-max-bytes" };
    Ok(Some(own.filter(|own| own.bytes <= rest.bytes).unwrap_or(rest)))
}

/// A limit of bytes and where it comes from.
#[derive(Clone, Copy)]
struct Limit {
    bytes: u64,
    flag: &'static str,
}

/// The part, opened and locked; waits for another process that holds it.
async fn lock(part: &Path) -> Result<File, Fault> {
    let path = part.to_owned();
    let locked = tokio::task::spawn_blocking(move || {
        let file = File::options().append(true).create(true).open(&path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                tracing::info!(file = %path.display(), "another process downloads this model, waiting");
                file.lock()?;
            }
            Err(TryLockError::Error(fault)) => return Err(fault),
        }
        Ok(file)
    });
    locked.await.unwrap_or_else(|fault| Err(io::Error::other(fault))).map_err(|source| cache(part, source))
}

/// SHA-256 of a file, in lower-case hexadecimal.
async fn digest(path: PathBuf) -> Result<String, Fault> {
    let at = path.clone();
    let digest = tokio::task::spawn_blocking(move || {
        let mut file = File::open(&path)?;
        // The digest is only worth something if these very bytes outlive a crash.
        file.sync_all()?;
        let (mut hasher, mut buffer) = (Sha256::new(), vec![0; 1 << 20]);
        loop {
            match file.read(&mut buffer)? {
                0 => return Ok(hex::encode(hasher.finalize())),
                count => hasher.update(&buffer[..count]),
            }
        }
    });
    digest.await.unwrap_or_else(|fault| Err(io::Error::other(fault))).map_err(|source| cache(&at, source))
}

fn size(part: &Path) -> Result<u64, Fault> {
    match std::fs::metadata(part) {
        Ok(metadata) => Ok(metadata.len()),
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(source) => Err(cache(part, source)),
    }
}

fn cache(path: &Path, source: io::Error) -> Fault {
    Fault::Cache { path: path.to_owned(), source }
}

/// An address for logs: without its query, which may be a signature, and without user and password.
fn shown(url: &str) -> String {
    let plain = url.split(['?', '#']).next().unwrap_or(url);
    match (plain.split_once("://"), plain.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, rest))) => format!("{scheme}://{rest}"),
        _ => plain.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn secrets_of_an_address_are_not_shown() {
        assert_eq!(super::shown("https://u:p@h/m.gguf?signature=x#y"), "https://h/m.gguf");
        assert_eq!(super::shown("http://h:1/m.gguf"), "http://h:1/m.gguf");
    }
}
