//! Follows the engine's events about our containers, and those that ask to be adopted.

use std::{collections::HashMap, sync::Arc, time::Duration};

use bollard::query_parameters::EventsOptions;
use futures_util::StreamExt;
use tokio::{sync::Notify, task::JoinSet, time::Instant};

use super::engine::Engine;

const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Tasks that follow the streams, again and again, and end with this.
#[derive(Debug)]
pub(super) struct Events {
    changed: Arc<Notify>,
    _task: JoinSet<()>,
}

impl Events {
    /// Of containers with any of these labels.
    pub(super) fn follow<const N: usize>(engine: &Engine, labels: [String; N]) -> Self {
        let changed = Arc::new(Notify::new());
        let mut task = JoinSet::new();
        // A stream each: a filter wants all of its labels.
        for label in labels {
            task.spawn(follow(engine.clone(), label, Arc::clone(&changed)));
        }
        Self {
            changed,
            _task: task,
        }
    }

    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }
}

async fn follow(engine: Engine, label: String, changed: Arc<Notify>) {
    let mut pause = FIRST_PAUSE;
    loop {
        let began = Instant::now();
        read_to_end(&engine, &label, &changed).await;
        // While nobody listened anything may have happened.
        changed.notify_one();
        // An engine that goes away ends the stream at once, every time: a loop without a
        // pause takes a core (sablier#272). One that held for a while is trusted anew.
        pause = next_pause(pause, began.elapsed());
        tokio::time::sleep(pause).await;
    }
}

/// After a stream that held for so long, and the pause before it.
fn next_pause(last: Duration, held: Duration) -> Duration {
    match held > LONGEST_PAUSE {
        true => FIRST_PAUSE,
        false => (last * 2).min(LONGEST_PAUSE),
    }
}

async fn read_to_end(engine: &Engine, label: &str, changed: &Notify) {
    let mut events = Box::pin(engine.docker().events(Some(filter(label))));
    while let Some(event) = events.next().await {
        match event {
            Ok(event) => {
                tracing::debug!(action = event.action, "the engine reports an event");
                changed.notify_one();
            }
            Err(error) => {
                tracing::debug!(%error, "the engine's events broke off");
                return;
            }
        }
    }
}

fn filter(label: &str) -> EventsOptions {
    let filters = [
        ("type", vec!["container"]),
        (
            "event",
            vec!["start", "die", "destroy", "oom", "health_status"],
        ),
        ("label", vec![label]),
    ];
    EventsOptions {
        filters: Some(HashMap::from(filters.map(|(name, values)| {
            let values = values.into_iter().map(str::to_owned).collect();
            (name.to_owned(), values)
        }))),
        ..EventsOptions::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stream_that_breaks_off_at_once_is_asked_for_less_and_less() {
        let broken = |pause| next_pause(pause, Duration::ZERO);
        let pauses = std::iter::successors(Some(FIRST_PAUSE), |pause| Some(broken(*pause)));
        let seconds: Vec<u64> = pauses.take(7).map(|pause| pause.as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 30, 30]);
        let held = next_pause(LONGEST_PAUSE, Duration::from_secs(31));
        assert_eq!(held, FIRST_PAUSE);
    }
}
