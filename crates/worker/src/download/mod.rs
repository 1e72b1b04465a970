//! Model files over HTTP: in ranges, resumed after breaks and restarts, known by their digest.
//!
//! A file is `<digest>.gguf` in the cache folder once its digest was checked, and `<digest>.part` until then. The part is
//! locked while it is written, so that two processes with one folder fetch once.

mod transfer;

use sha2::{Digest, Sha256};
use std::{
    fs::{File, TryLockError},
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

/// Breaks in a row without a new byte after which it is given up.
const MOST_IDLE_BREAKS: u32 = 6;
/// Pause after a break; doubled after each further one without a new byte.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// Longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

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
    /// Bearer token.
    pub token: Option<String>,
    /// Called with each piece that comes.
    pub progress: Progress,
}

/// Why a model was not fetched.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The cache folder does not work.
    #[error("model cache `{}`: {source}", path.display())]
    Cache {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The server refuses for good.
    #[error("{url} answers {status}; check the address and the token")]
    Refused {
        /// Address without query.
        url: String,
        /// HTTP status.
        status: u16,
    },
    /// The server does not answer, or breaks off again and again.
    #[error("{url} gave up after {breaks} breaks without a new byte at {bytes} bytes: {cause}")]
    GaveUp {
        /// Address without query.
        url: String,
        /// Breaks in a row.
        breaks: u32,
        /// Bytes that are there.
        bytes: u64,
        /// The last break.
        cause: String,
    },
    /// What came is not what was ordered.
    #[error("{url} has SHA-256 {found}, {wanted} was ordered; the {bytes} bytes were removed")]
    WrongDigest {
        /// Address without query.
        url: String,
        /// Digest of what came.
        found: String,
        /// Digest that was ordered.
        wanted: String,
        /// Size of what came.
        bytes: u64,
    },
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
        return Err(Fault::WrongDigest { url: shown(&order.url), found, wanted: order.sha256.clone(), bytes });
    }
    std::fs::rename(&part, &done).map_err(|source| cache(&done, source))?;
    tracing::info!(file = %done.display(), bytes, "model is downloaded and its digest is right");
    Ok(done)
}

/// Fetches until the part is complete; returns its size.
async fn all(order: &Order, part: &Path) -> Result<u64, Fault> {
    let client = transfer::client(&order.url)?;
    let mut patience = Patience { furthest: size(part)?, breaks: 0 };
    loop {
        let cause = match transfer::attempt(&client, order, part, size(part)?).await? {
            transfer::End::Complete => return size(part),
            transfer::End::Broken(cause) => cause,
        };
        let bytes = size(part)?;
        let Some(pause) = patience.after_break(bytes) else {
            return Err(Fault::GaveUp { url: shown(&order.url), breaks: patience.breaks, bytes, cause });
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

/// How often a download may break.
struct Patience {
    /// Most bytes that were there at once: a server without ranges begins the file again after each break.
    furthest: u64,
    /// Breaks since there were more.
    breaks: u32,
}

impl Patience {
    /// How long to wait after a break at `bytes`; none when it is given up.
    fn after_break(&mut self, bytes: u64) -> Option<Duration> {
        self.breaks = if bytes > self.furthest { 0 } else { self.breaks + 1 };
        self.furthest = self.furthest.max(bytes);
        let pause = (FIRST_PAUSE * 2_u32.pow(self.breaks.saturating_sub(1))).min(LONGEST_PAUSE);
        (self.breaks < MOST_IDLE_BREAKS).then_some(pause)
    }
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
    use super::{FIRST_PAUSE, MOST_IDLE_BREAKS, Patience};

    #[test]
    fn a_server_that_begins_again_and_breaks_where_it_broke_is_given_up() {
        let mut patience = Patience { furthest: 0, breaks: 0 };
        assert_eq!(patience.after_break(1_000), Some(FIRST_PAUSE), "the first bytes");
        for breaks in 1..MOST_IDLE_BREAKS {
            let bytes = if breaks == 2 { 0 } else { 1_000 };
            assert_eq!(patience.after_break(bytes), Some(FIRST_PAUSE * 2_u32.pow(breaks - 1)));
        }
        assert_eq!(patience.after_break(1_000), None);
    }

    #[test]
    fn a_download_that_gets_further_each_time_breaks_as_often_as_it_likes_and_pauses_each_time() {
        let mut patience = Patience { furthest: 10, breaks: 0 };
        for bytes in 11..100 {
            assert_eq!(patience.after_break(bytes), Some(FIRST_PAUSE));
        }
    }

    #[test]
    fn secrets_of_an_address_are_not_shown() {
        assert_eq!(super::shown("https://u:p@h/m.gguf?signature=x#y"), "https://h/m.gguf");
        assert_eq!(super::shown("http://h:1/m.gguf"), "http://h:1/m.gguf");
    }
}
