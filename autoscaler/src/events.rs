//! What happens, as it happens: a bounded ring that any number of readers follow, each at its
//! own pace. A reader that falls behind the ring is told so; it never holds anything up.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use utoipa::ToSchema;

use crate::{
    describe::{Activity, Condition, ConditionKind},
    instance_refresh::InstanceRefresh,
};

/// Events that are kept for readers who come back: minutes of a busy group.
const KEPT: usize = 1024;

/// Something that happened to a group, or to the whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Event {
    /// Counts up, over restarts too.
    pub id: u64,
    pub time: Timestamp,
    /// Absent where it concerns the whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_scaling_group_name: Option<String>,
    #[serde(flatten)]
    pub detail: EventDetail,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum EventDetail {
    ActivityBegun { activity: Activity },
    ActivityChanged { activity: Activity },
    CapacityChanged(CapacityChange),
    InstanceRefreshChanged { instance_refresh: InstanceRefresh },
    ConditionSet { condition: Condition },
    ConditionCleared { kind: ConditionKind },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CapacityChange {
    pub min_size: u32,
    pub max_size: u32,
    pub desired_capacity: u32,
    pub desired_capacity_before: u32,
    pub cause: String,
}

impl EventDetail {
    /// As `type` on the wire.
    pub fn name(&self) -> &'static str {
        match self {
            Self::ActivityBegun { .. } => "activity_begun",
            Self::ActivityChanged { .. } => "activity_changed",
            Self::CapacityChanged(_) => "capacity_changed",
            Self::InstanceRefreshChanged { .. } => "instance_refresh_changed",
            Self::ConditionSet { .. } => "condition_set",
            Self::ConditionCleared { .. } => "condition_cleared",
        }
    }
}

/// The ring. Clones are the same one.
#[derive(Clone, Debug)]
pub struct EventLog(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    ring: Mutex<VecDeque<Arc<Event>>>,
    /// Id of the newest event.
    newest: watch::Sender<u64>,
}

/// Events between those that a reader has and the oldest that is kept are gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost;

impl EventLog {
    /// Events get ids above `newest`: from the wall clock, so that a reader of an earlier
    /// process is seen to have missed some.
    pub(crate) fn new(newest: u64) -> Self {
        Self(Arc::new(Shared {
            ring: Mutex::default(),
            newest: watch::Sender::new(newest),
        }))
    }

    pub(crate) fn push(&self, time: Timestamp, group: Option<&str>, detail: EventDetail) {
        let mut ring = self.ring();
        let id = *self.0.newest.borrow() + 1;
        ring.push_back(Arc::new(Event {
            id,
            time,
            auto_scaling_group_name: group.map(str::to_owned),
            detail,
        }));
        if ring.len() > KEPT {
            ring.pop_front();
        }
        self.0.newest.send_replace(id);
    }

    /// Follows the id of the newest event.
    pub fn newest(&self) -> watch::Receiver<u64> {
        self.0.newest.subscribe()
    }

    /// Up to `most` events after that of id `after`, oldest first.
    ///
    /// # Errors
    /// Some of them are not kept any more.
    pub fn after(&self, after: u64, most: usize) -> Result<Vec<Arc<Event>>, Lost> {
        let ring = self.ring();
        let newest = *self.0.newest.borrow();
        let oldest = ring.front().map_or(newest + 1, |event| event.id);
        if after + 1 < oldest || after > newest {
            return Err(Lost);
        }
        let skip = usize::try_from(after + 1 - oldest).unwrap_or(usize::MAX);
        Ok(ring.iter().skip(skip).take(most).cloned().collect())
    }

    /// The id before that of the oldest event that is kept.
    pub(crate) fn beginning(&self) -> u64 {
        let ring = self.ring();
        ring.front()
            .map_or_else(|| *self.0.newest.borrow(), |event| event.id - 1)
    }

    fn ring(&self) -> MutexGuard<'_, VecDeque<Arc<Event>>> {
        // Whoever panicked had pushed, or had not.
        self.0.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(events: usize) -> EventLog {
        let log = EventLog::new(100);
        for _ in 0..events {
            let kind = ConditionKind::Stranger;
            let detail = EventDetail::ConditionCleared { kind };
            log.push(Timestamp::UNIX_EPOCH, None, detail);
        }
        log
    }

    fn ids(log: &EventLog, after: u64) -> Result<Vec<u64>, Lost> {
        let events = log.after(after, 3)?;
        Ok(events.iter().map(|event| event.id).collect())
    }

    #[test]
    fn readers_go_on_where_they_were() {
        let log = log(5);
        assert_eq!(ids(&log, 100), Ok(vec![101, 102, 103]));
        assert_eq!(ids(&log, 103), Ok(vec![104, 105]));
        assert_eq!(ids(&log, 105), Ok(vec![]));
        assert_eq!(*log.newest().borrow(), 105);
    }

    #[test]
    fn who_missed_some_is_told() {
        let log = log(KEPT + 2);
        assert_eq!(ids(&log, 101), Err(Lost));
        assert_eq!(ids(&log, 102), Ok(vec![103, 104, 105]));
        assert_eq!(log.beginning(), 102);
        assert_eq!(ids(&log, u64::MAX - 1), Err(Lost), "of no run of ours");
        let fresh = EventLog::new(100);
        assert_eq!(ids(&fresh, 99), Err(Lost), "of an earlier run");
        assert_eq!(ids(&fresh, 100), Ok(vec![]));
    }
}
