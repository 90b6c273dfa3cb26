//! Waiting for something to become true.

use std::fmt::Display;
use std::time::Duration;

/// How often a condition is looked at: seldom enough to leave the machine to what is waited for.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Looks at the condition until it holds and returns what it found. The condition says what is still missing.
///
/// The deadline is a bound on liveness, not a claim about speed.
///
/// # Panics
///
/// When the condition does not hold by the deadline; the message is what was missing last.
pub async fn eventually<T, M: Display>(deadline: Duration, mut condition: impl AsyncFnMut() -> Result<T, M>) -> T {
    let mut missing = "the first look at the condition has not ended".to_owned();
    let found = tokio::time::timeout(deadline, async {
        loop {
            match condition().await {
                Ok(found) => return found,
                Err(what) => missing = what.to_string(),
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    })
    .await;
    match found {
        Ok(found) => found,
        Err(_) => panic!("still missing after {deadline:?}: {missing}"),
    }
}
