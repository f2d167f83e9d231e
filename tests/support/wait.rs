use std::{future::Future, time::Duration};

use tokio::time::Instant;

/// Tries until `attempt` gives a value; fails with `what` and the last reason at the deadline.
pub(crate) async fn until<T, F: Future<Output = Result<T, String>>>(
    what: &str,
    within: Duration,
    mut attempt: impl FnMut() -> F,
) -> T {
    let start = Instant::now();
    loop {
        match attempt().await {
            Ok(value) => return value,
            Err(reason) => assert!(
                start.elapsed() < within,
                "not within {within:?}: {what}: {reason}"
            ),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
