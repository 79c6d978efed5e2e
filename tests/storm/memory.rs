use std::{alloc::System, time::Duration};

use cap::Cap;
use tokio::time::{Instant, sleep};

/// Counts, to the byte, what the process has allocated and not freed. Its resident memory would tell less: an allocator
/// keeps much of what was freed.
#[global_allocator]
static HEAP: Cap<System> = Cap::new(System, usize::MAX);

/// Bytes in use.
pub(crate) fn in_use() -> usize {
    HEAP.allocated()
}

/// Bytes in use once they are no more than `enough`, else those still in use after `patience`: what is dropped on another
/// thread is freed a moment later.
pub(crate) async fn settled(enough: usize, patience: Duration) -> usize {
    let end = Instant::now() + patience;
    while in_use() > enough && Instant::now() < end {
        sleep(Duration::from_millis(20)).await;
    }
    in_use()
}
