//! Muscle memory: keys, entries and temperature; the only code that talks to Redis.
//!
//! By day, for each query the gateway
//! 1. asks [`key::judge`] whether the query may be remembered and under which [`Key`],
//! 2. looks with [`Store::recall`], which also makes the entry warmer and counts the hit or miss,
//! 3. after a miss and a whole answer with `finish_reason: stop`, stores [`Entry::by_day`] with [`Store::put`],
//! 4. after an answer that ended with `finish_reason: length`, stores nothing and calls [`Store::note_cut`] with a
//!    [`Cut`]: such queries are the first that a dream worker answers at night, with a larger budget of tokens.
//!
//! A cut stream (no finish reason, client gone) is neither stored nor noted. Every method that fails means "no memory
//! now": the query goes on to a worker. The `autonomic` daemon keeps the bytes inside the budget ([`Store::coldest`],
//! [`Store::remove`]); `dream` works through a [`night`].

mod breaker;
mod canon;
pub mod cut;
pub mod endpoint;
pub mod entry;
pub mod heat;
pub mod key;
mod link;
pub mod night;
pub mod options;
pub mod store;

pub use cut::Cut;
pub use endpoint::Endpoint;
pub use entry::{Answer, Entry, Provenance};
pub use heat::Heat;
pub use key::{Asked, Fingerprint, Key, Verdict};
pub use options::Options;
pub use store::{Put, Ranked, Removal, Room, Stats, Store};

/// Why the memory did not answer. The query goes on without it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address cannot be read. It is not repeated here, since it may hold a password.
    #[error("the redis address is not of the form redis://host:port")]
    Address,
    /// The file with the password cannot be read.
    #[error("the file `{0}` with the redis password cannot be read: {1}")]
    PasswordFile(std::path::PathBuf, std::io::Error),
    /// No answer in time.
    #[error("redis did not answer within {0} ms")]
    Timeout(u128),
    /// Too many failures in a row: nothing is asked for a moment.
    #[error("redis failed {0} times in a row and is left alone for a moment")]
    Resting(u32),
    /// Redis refused, or the connection broke.
    #[error("redis: {0}")]
    Redis(#[from] redis::RedisError),
}
