//! What every group was in the last minutes and in the last day: what charts are drawn from.
//!
//! CloudWatch's `GetMetricStatistics` of all metrics of a group at once, in two periods. A task
//! of its own looks at the published view and the balancer's report once a second, so that a
//! pass of the loop has nothing to do with it. Kept in memory: a restart begins anew.

mod datapoint;
mod recorder;
mod ring;
#[cfg(test)]
mod tests;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{MissedTickBehavior, interval},
};
use utoipa::ToSchema;

pub use self::datapoint::{Datapoint, InstanceDatapoint, RequestDatapoint};
use self::recorder::Recorder;
use crate::{
    describe::View, load_balancer_link::ReceivedReport, now::Clock,
    target_health::TargetHealthIndex,
};

const TICK: Duration = Duration::from_secs(1);

/// How much time one datapoint stands for, and how far back they reach.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Resolution {
    /// A second, a quarter of an hour back. Ten seconds where there are many groups.
    #[default]
    High,
    /// A minute, a day back.
    Standard,
}

impl Resolution {
    /// What a datapoint stands for, where there are not many groups.
    pub fn period(self) -> Duration {
        Duration::from_secs(match self {
            Self::High => 1,
            Self::Standard => 60,
        })
    }

    /// How far back datapoints are kept.
    pub fn reach(self) -> Duration {
        Duration::from_secs(match self {
            Self::High => 15 * 60,
            Self::Standard => 24 * 60 * 60,
        })
    }
}

/// A group's datapoints, oldest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct GroupMetricStatistics {
    pub auto_scaling_group_name: String,
    /// What a datapoint stands for, seconds. Where two lie further apart, nobody looked.
    pub period_seconds: u64,
    pub datapoints: Vec<Arc<Datapoint>>,
}

/// The datapoints of all groups. Clones are the same ones.
#[derive(Clone, Debug)]
pub struct MetricStatistics(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    recorder: Mutex<Recorder>,
    /// Counts the looks.
    looks: watch::Sender<u64>,
}

impl MetricStatistics {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Shared {
            recorder: Mutex::default(),
            looks: watch::Sender::new(0),
        }))
    }

    /// The group's datapoints of after `start`, all where that is none; `None` where nothing is
    /// known of such a group.
    pub fn of_group(
        &self,
        name: &str,
        resolution: Resolution,
        start: Option<jiff::Timestamp>,
    ) -> Option<GroupMetricStatistics> {
        let recorder = self.recorder();
        let ring = recorder.ring(name, resolution)?;
        Some(GroupMetricStatistics {
            auto_scaling_group_name: name.to_owned(),
            period_seconds: ring.period().as_secs(),
            datapoints: ring.after(start),
        })
    }

    /// The group's newest datapoint.
    pub fn latest(&self, name: &str) -> Option<Arc<Datapoint>> {
        self.recorder().ring(name, Resolution::High)?.latest()
    }

    /// Changes whenever datapoints have been added.
    pub fn looks(&self) -> watch::Receiver<u64> {
        self.0.looks.subscribe()
    }

    /// As if somebody had looked.
    #[cfg(test)]
    pub(crate) fn look(&self, view: &View, now: crate::now::Now) {
        let targets = TargetHealthIndex::silent();
        self.recorder().record(view, &targets, now);
        self.0.looks.send_modify(|looks| *looks += 1);
    }

    fn recorder(&self) -> MutexGuard<'_, Recorder> {
        let recorder = self.0.recorder.lock();
        // Whoever panicked had recorded a group, or had not.
        recorder.unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looks once a second until aborted.
pub(crate) fn spawn(
    statistics: MetricStatistics,
    view: watch::Receiver<Arc<View>>,
    reports: watch::Receiver<Option<ReceivedReport>>,
    clock: Arc<dyn Clock>,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let (view, now) = (view.borrow().clone(), clock.now());
            if !view.ready {
                continue;
            }
            let report = reports.borrow().clone();
            let targets = TargetHealthIndex::new(report.as_ref(), now.mono);
            statistics.recorder().record(&view, &targets, now);
            statistics.0.looks.send_modify(|looks| *looks += 1);
        }
    })
}
