//! Waiting for what must come: always with a deadline, never for a time that is hoped to be long enough.

use std::time::Duration;

/// After this long, what was waited for does not come any more. Generous: the machine may be busy with other stories.
pub const DEADLINE: Duration = Duration::from_secs(120);

/// Between two looks.
const TICK: Duration = Duration::from_millis(20);

/// Looks again and again until `look` finds something.
///
/// # Panics
/// When the deadline has passed; `what` says what was waited for.
pub async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let looking = async {
        let mut ticks = tokio::time::interval(TICK);
        loop {
            ticks.tick().await;
            if let Some(found) = look().await {
                return found;
            }
        }
    };
    within(what, looking).await
}

/// The result of `work`, which must end before the deadline.
///
/// # Panics
/// When the deadline has passed; `what` says what was waited for.
pub async fn within<T>(what: &str, work: impl Future<Output = T>) -> T {
    match tokio::time::timeout(DEADLINE, work).await {
        Ok(done) => done,
        Err(_elapsed) => panic!("waited {DEADLINE:?} in vain for {what}"),
    }
}
