//! Why a model was not fetched.

use std::{io, path::PathBuf};

/// Why a model was not fetched.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// Not an address.
    #[error("{url} is not an address: {cause}; correct it")]
    BadAddress {
        /// Address without query.
        url: String,
        /// Why.
        cause: String,
    },
    /// The admin's limits deny the address, or its name does not resolve. One text and one delay for both, also after
    /// a redirect: the difference would tell which names and addresses a cluster's network has.
    #[error(
        "`{host}`: address not allowed: its name does not resolve, or it leads to an address that the admin of this cluster denies; \
         use another host or ask the admin to allow it"
    )]
    NotAllowed {
        /// Host of the address that was ordered, never of a redirect.
        host: String,
    },
    /// More bytes than the limits allow.
    #[error("{url} is larger than {limit} bytes, which {flag} leaves for it; use a smaller file or raise the limit")]
    TooLarge {
        /// Address without query.
        url: String,
        /// Most bytes.
        limit: u64,
        /// The flag that sets it.
        flag: &'static str,
    },
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
    #[error("{url} gave up after {breaks} tries without a new byte at {bytes} bytes: {cause}")]
    GaveUp {
        /// Address without query.
        url: String,
        /// Tries in a row.
        breaks: u32,
        /// Bytes that are there.
        bytes: u64,
        /// The last break.
        cause: String,
    },
    /// What came is not what was ordered.
    #[error("{url} does not have the SHA-256 {wanted}; the {bytes} bytes were removed; correct the digest or the file")]
    WrongDigest {
        /// Address without query.
        url: String,
        /// Digest that was ordered.
        wanted: String,
        /// Size of what came.
        bytes: u64,
    },
}
