//! Where the memory is and whose it is.

use crate::Error;
use redis::{ConnectionInfo, IntoConnectionInfo, ProtocolVersion};
use std::{fs, path::Path};

/// Address, password and owner of a memory. The password is in no output of `Debug`.
#[derive(Clone, Debug)]
pub struct Options {
    pub(crate) connection: ConnectionInfo,
    pub(crate) prefix: String,
}

impl Options {
    /// Memory of the `CherokeeCluster` `namespace`/`cluster` at `url` (`redis://host:port`, `rediss://` for TLS).
    ///
    /// An empty `password` is none; it wins over one in the URL.
    pub fn new(url: &str, password: Option<&str>, namespace: &str, cluster: &str) -> Result<Self, Error> {
        let connection = url.into_connection_info().map_err(|_| Error::Address)?;
        // With RESP3 the server's farewell is noticed at once, not by the next query.
        let mut settings = connection.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
        if let Some(password) = password.filter(|text| !text.is_empty()) {
            settings = settings.set_password(password);
        }
        Ok(Self {
            connection: connection.set_redis_settings(settings),
            // The braces keep all keys of one cluster in one Redis hash slot.
            prefix: format!("cherokee:{{{namespace}/{cluster}}}:"),
        })
    }

    /// The same with the password in a file, white space around it ignored.
    pub fn with_password_file(url: &str, file: Option<&Path>, namespace: &str, cluster: &str) -> Result<Self, Error> {
        let read = |path: &Path| fs::read_to_string(path).map_err(|error| Error::PasswordFile(path.to_owned(), error));
        let password = file.map(read).transpose()?;
        Self::new(url, password.as_deref().map(str::trim), namespace, cluster)
    }
}
