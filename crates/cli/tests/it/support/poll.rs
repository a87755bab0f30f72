//! The one place where tests sleep: bounded polls of other processes, which cannot be awaited.

use std::time::{Duration, Instant};

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(10);

/// Looks until there is an answer, and gives it. Fails after `limit`, naming `what` was awaited.
pub(crate) async fn until<T>(
    what: &str,
    limit: Duration,
    mut look: impl AsyncFnMut() -> Option<T>,
) -> T {
    let begun = Instant::now();
    loop {
        if let Some(answer) = look().await {
            return answer;
        }
        assert!(begun.elapsed() < limit, "waited {limit:?} in vain: {what}");
        tokio::time::sleep(PAUSE).await;
    }
}

/// As [`until`], for what is not asked over a network. `None` after `limit`.
pub(crate) fn until_blocking<T>(limit: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let begun = Instant::now();
    loop {
        if let Some(answer) = look() {
            return Some(answer);
        }
        if limit < begun.elapsed() {
            return None;
        }
        std::thread::sleep(PAUSE);
    }
}

/// What a client waits after a failed request, before it asks again.
pub(crate) async fn back_off() {
    tokio::time::sleep(PAUSE).await;
}

/// Lets the time of the wall pass, where that is what a lease is measured by.
pub(crate) async fn let_pass(time: Duration) {
    tokio::time::sleep(time).await;
}
