//! The one place where the worker reads the wall clock.

use std::time::SystemTime;

/// Seconds since 1970, for `created`.
pub fn unix_now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
