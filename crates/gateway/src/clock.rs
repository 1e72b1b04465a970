//! The one place where the gateway reads the wall clock.

use chrono::{DateTime, Utc};

/// Now.
pub fn now() -> DateTime<Utc> {
    Utc::now()
}
