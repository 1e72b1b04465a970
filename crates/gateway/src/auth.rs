//! API keys from a mounted Secret: a file a client, its name is the tenant, its content the key.

use crate::refusal::Refusal;
use cherokee_wire::error::Code;
use http::{HeaderMap, header};
use sha2::{Digest, Sha256};
use std::{collections::BTreeMap, fmt, io, path::Path, path::PathBuf, sync::Arc, time::Duration};
use subtle::{ConditionallySelectable, ConstantTimeEq};
use tokio::sync::watch;

/// Tenant of everybody where no keys are asked for.
pub const DEFAULT_TENANT: &str = "default";
/// How often the folder is read again: kubelet itself takes up to a minute to bring a change.
const EVERY: Duration = Duration::from_secs(2);

/// The known keys, as hashes by tenant. Neither its `Debug` nor its memory shows a key.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Keys(BTreeMap<Arc<str>, [u8; 32]>);

impl fmt::Debug for Keys {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_set().entries(self.0.keys()).finish()
    }
}

impl Keys {
    /// Reads the folder. Files whose name begins with a dot and empty keys are passed over.
    pub fn read(folder: &Path) -> io::Result<Self> {
        let mut keys = BTreeMap::new();
        for file in std::fs::read_dir(folder)? {
            let file = file?;
            let Ok(tenant) = file.file_name().into_string() else { continue };
            // A mounted Secret holds its files behind links to a folder `..data`.
            if tenant.starts_with('.') || !std::fs::metadata(file.path())?.is_file() {
                continue;
            }
            let key = std::fs::read(file.path())?;
            let key = key.trim_ascii();
            if !key.is_empty() {
                keys.insert(tenant.into(), Sha256::digest(key).into());
            }
        }
        Ok(Self(keys))
    }

    /// The tenant of a key. Takes the same time whether and whichever key fits.
    pub fn tenant(&self, key: &[u8]) -> Option<Arc<str>> {
        let given: [u8; 32] = Sha256::digest(key).into();
        let mut found = u64::MAX;
        for (place, known) in (0_u64..).zip(self.0.values()) {
            found.conditional_assign(&place, given.ct_eq(known));
        }
        self.0.keys().nth(usize::try_from(found).ok()?).cloned()
    }
}

/// Who may ask.
#[derive(Clone, Debug)]
pub enum Door {
    /// Everybody, as [`DEFAULT_TENANT`].
    Open,
    /// Holders of one of these keys.
    Keys(watch::Receiver<Arc<Keys>>),
}

impl Door {
    /// A door that follows the folder's keys for as long as somebody holds it.
    pub fn follow(folder: PathBuf) -> io::Result<Self> {
        let (send, receive) = watch::channel(Arc::new(Keys::read(&folder)?));
        tokio::spawn(async move {
            while tokio::time::timeout(EVERY, send.closed()).await.is_err() {
                // Half of a change, or a folder gone for a moment: the known keys stay.
                let Ok(keys) = Keys::read(&folder) else { continue };
                if keys != **send.borrow() {
                    tracing::info!(keys = keys.0.len(), "API keys changed");
                    send.send_replace(Arc::new(keys));
                }
            }
        });
        Ok(Self::Keys(receive))
    }

    /// The tenant of a request, from `Authorization: Bearer <key>`.
    pub fn admit(&self, headers: &HeaderMap) -> Result<Arc<str>, Refusal> {
        let Self::Keys(keys) = self else { return Ok(DEFAULT_TENANT.into()) };
        let refuse =
            |what: &str| Refusal::new(Code::InvalidApiKey, format!("{what}; send `Authorization: Bearer <key>`"));
        let value = headers.get(header::AUTHORIZATION).ok_or_else(|| refuse("an API key is required"))?.as_bytes();
        let is_bearer = value.len() > 7 && value[..7].eq_ignore_ascii_case(b"bearer ");
        let key = if is_bearer { value[7..].trim_ascii() } else { b"" };
        keys.borrow().tenant(key).ok_or_else(|| refuse("the API key is not known"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bearer(key: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::AUTHORIZATION, format!("Bearer {key}").parse().unwrap())])
    }

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, key) in files {
            std::fs::write(folder.path().join(name), key).unwrap();
        }
        folder
    }

    #[test]
    fn a_key_names_its_tenant_and_others_name_nobody() {
        let folder =
            folder(&[("traders", "sk-one\n"), ("council", "sk-two"), (".hidden", "sk-three"), ("empty", "\n")]);
        std::fs::create_dir(folder.path().join("..2026")).unwrap();
        let keys = Keys::read(folder.path()).unwrap();
        assert_eq!(keys.tenant(b"sk-one").as_deref(), Some("traders"));
        assert_eq!(keys.tenant(b"sk-two").as_deref(), Some("council"));
        for wrong in ["sk-three", "", "sk-on", "sk-one\n"] {
            assert_eq!(keys.tenant(wrong.as_bytes()), None, "{wrong}");
        }
        assert_eq!(format!("{keys:?}"), r#"{"council", "traders"}"#);
    }

    #[test]
    fn an_open_door_makes_everybody_the_default_tenant() {
        assert_eq!(&*Door::Open.admit(&HeaderMap::new()).unwrap(), DEFAULT_TENANT);
    }

    #[test]
    fn without_any_key_nobody_is_let_in() {
        let door = Door::Keys(watch::channel(Arc::new(Keys::default())).1);
        for headers in [HeaderMap::new(), bearer(""), bearer("x")] {
            assert_eq!(door.admit(&headers).unwrap_err().status, 401);
        }
    }

    #[tokio::test]
    async fn changed_keys_hold_without_a_restart() {
        let folder = folder(&[("traders", "sk-old")]);
        let door = Door::follow(folder.path().to_owned()).unwrap();
        assert!(door.admit(&bearer("sk-old")).is_ok());
        std::fs::write(folder.path().join("traders"), "sk-new").unwrap();
        let Door::Keys(mut changes) = door.clone() else { panic!("open") };
        tokio::time::timeout(Duration::from_secs(20), changes.changed()).await.unwrap().unwrap();
        assert_eq!(&*door.admit(&bearer("sk-new")).unwrap(), "traders");
        assert!(door.admit(&bearer("sk-old")).is_err());
    }
}
