use std::{path::PathBuf, sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    task::spawn_blocking,
    time::{Instant, MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

use crate::{Config, exposition, sampler::Sampler, snapshot::Snapshot};

/// A sample older than this many intervals means that sampling has stopped.
const FRESH_INTERVALS: u32 = 5;

/// A handle on a running agent; clones share it.
#[derive(Clone, Debug)]
pub struct Agent {
    latest: watch::Receiver<Option<Arc<Snapshot>>>,
    interval: Duration,
}

/// Why an agent cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("the agent's sampling interval must be longer than 0")]
    ZeroInterval,
    #[error(
        "no cgroups are mounted at {}: mount the node's /sys/fs/cgroup there, or say where it is",
        .root.display()
    )]
    NoCgroups { root: PathBuf },
}

impl Agent {
    /// Samples at once and then every `config.interval`, on the runtime's blocking threads,
    /// until `shutdown` is cancelled. Call it within a tokio runtime.
    ///
    /// # Errors
    /// When nothing can be measured: see [`StartError`]. A node without cgroups is an error
    /// only if processes are not to be looked for either.
    pub fn start(config: Config, shutdown: CancellationToken) -> Result<Self, StartError> {
        if config.interval.is_zero() {
            return Err(StartError::ZeroInterval);
        }
        let sampler = Sampler::new(&config);
        if !sampler.has_cgroups() {
            let root = config.cgroup_root;
            if !config.processes {
                return Err(StartError::NoCgroups { root });
            }
            tracing::warn!(root = %root.display(), "no cgroups found: only processes are measured");
        }
        let (snapshots, latest) = watch::channel(None);
        tokio::spawn(sample_until(shutdown, sampler, config.interval, snapshots));
        Ok(Self {
            latest,
            interval: config.interval,
        })
    }

    /// The latest sample in the Prometheus text format; empty before the first one.
    pub fn metrics_text(&self) -> String {
        let latest = self.latest.borrow().clone();
        latest.map_or_else(String::new, |snapshot| exposition::render(&snapshot))
    }

    /// Whether a sample was taken within the last five intervals.
    pub fn is_fresh(&self) -> bool {
        let latest = self.latest.borrow();
        let age = latest
            .as_ref()
            .map(|snapshot| Instant::now() - snapshot.taken);
        age.is_some_and(|age| age <= self.interval * FRESH_INTERVALS)
    }

    /// Ends with the first sample; never, if the agent ends before it.
    pub async fn sampled(&self) {
        let mut latest = self.latest.clone();
        if latest.wait_for(Option::is_some).await.is_err() {
            std::future::pending().await
        }
    }
}

async fn sample_until(
    shutdown: CancellationToken,
    mut sampler: Sampler,
    period: Duration,
    snapshots: watch::Sender<Option<Arc<Snapshot>>>,
) {
    let mut ticks = interval(period);
    // After a pause, one sample tells as much as many.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = shutdown.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let sampling = spawn_blocking(move || {
            let snapshot = sampler.sample();
            (sampler, snapshot)
        });
        // An error is a runtime that shuts down or a bug; /healthz tells of both.
        let Ok((returned, snapshot)) = sampling.await else {
            tracing::error!("sampling has stopped");
            return;
        };
        sampler = returned;
        snapshots.send_replace(Some(Arc::new(snapshot)));
    }
}
