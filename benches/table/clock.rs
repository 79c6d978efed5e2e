//! One clock for all processes of the table.

use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds on the system's monotonic clock, which every process of this machine reads alike.
pub(crate) fn now() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}
