//! Settings for the tests of this crate.

use std::time::Duration;

use crate::config::Limits;

/// Small ones.
pub fn limits() -> Limits {
    Limits {
        body_bytes: 1 << 20,
        files: 10,
        parts: 20,
        memory_bytes: 1 << 20,
        disk_bytes: 16 << 20,
        receiving: 8,
        queue: 4,
        stall: Duration::from_secs(30),
        receive: Duration::from_secs(60),
        answer: Duration::from_secs(60),
        asynchronous: false,
        async_bytes: 1 << 10,
    }
}
