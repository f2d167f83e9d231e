//! The record: every step goes to the store before the side effect it announces.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use tokio::time::Instant;
use tracing::error;

use crate::{
    capacity::CapacityRecord,
    describe::{Activity, ActivityStatus},
    events::{EventDetail, EventLog},
    group::Instance,
    instance::{InstanceId, LifecycleState},
    now::Now,
    store::{InstanceRecord, Store, StoreError},
};

/// Activities of a group that are kept at hand for the API; the store has six weeks.
const AT_HAND: usize = 100;
/// How often the store is asked to forget what is older.
const FORGET_INTERVAL: Duration = Duration::from_secs(3600);

#[derive(Debug)]
pub(crate) struct Ledger {
    pub(crate) store: Store,
    activities: BTreeMap<String, Arc<VecDeque<Arc<Activity>>>>,
    events: EventLog,
    /// Activities that have ended since they were last taken.
    ended: Vec<Activity>,
    forgot_at: Option<Instant>,
}

impl Ledger {
    pub(crate) fn new(store: Store, events: EventLog) -> Self {
        Self {
            store,
            activities: BTreeMap::new(),
            events,
            ended: Vec::new(),
            forgot_at: None,
        }
    }

    /// Loads what the store has of a group's activities.
    pub(crate) fn load(&mut self, group: &str) {
        if !self.activities.contains_key(group) {
            let loaded = self.store.activities(group, AT_HAND).unwrap_or_default();
            let loaded = loaded.into_iter().map(Arc::new).collect();
            self.activities.insert(group.to_owned(), Arc::new(loaded));
        }
    }

    /// Ends what a crash has left open: the activity of an instance that came into service or
    /// into standby, or one that is no instance's (any more, or yet).
    pub(crate) fn settle(
        &mut self,
        group: &str,
        instances: &BTreeMap<InstanceId, Instance>,
        now: Timestamp,
    ) {
        let open = self.activities(group);
        for activity in open.iter().filter(|activity| activity.end_time.is_none()) {
            let id = Some(activity.activity_id.as_str());
            let mut all = instances.values();
            let instance = all.find(|instance| instance.activity_id.as_deref() == id);
            match instance.map(|instance| instance.lifecycle_state) {
                Some(LifecycleState::InService | LifecycleState::Standby) => {
                    self.end(group, id, ActivityStatus::Successful, None, now);
                }
                None => {
                    let message = Some("minicloud ended before it did".to_owned());
                    self.end(group, id, ActivityStatus::Cancelled, message, now);
                }
                Some(_) => {}
            }
        }
    }

    /// Whether it is this activity that puts an instance back from standby.
    pub(crate) fn returns_from_standby(&self, group: &str, id: Option<&str>) -> bool {
        let activities = self.activities(group);
        let mut activities = activities.iter();
        let found = activities.find(|activity| Some(activity.activity_id.as_str()) == id);
        found.is_some_and(|activity| activity.is_return_from_standby())
    }

    /// Newest first.
    pub(crate) fn activities(&self, group: &str) -> Arc<VecDeque<Arc<Activity>>> {
        self.activities.get(group).cloned().unwrap_or_default()
    }

    /// A seed is Compose's to know of: after a restart it is found as it is.
    pub(crate) fn record_instance(&self, group: &str, instance: &Instance) {
        if instance.is_seed() {
            return;
        }
        // The provider is the truth: a store that fails costs history, not instances.
        if let Err(error) = self.store.put_instance(&Self::record_of(group, instance)) {
            error!(asg.name = group, instance.id = %instance.id, %error, "the store does not take an instance");
        }
    }

    /// Records instances and a capacity that follow from one request: all of it or, where there
    /// is an error, nothing.
    pub(crate) fn record_together<'a>(
        &self,
        group: &str,
        instances: impl IntoIterator<Item = &'a Instance>,
        capacity: &CapacityRecord,
    ) -> Result<(), StoreError> {
        self.store.atomically(|store| {
            for instance in instances {
                store.put_instance(&Self::record_of(group, instance))?;
            }
            store.put_capacity(group, capacity)
        })
    }

    fn record_of(group: &str, instance: &Instance) -> InstanceRecord {
        InstanceRecord {
            id: instance.id.clone(),
            auto_scaling_group: group.to_owned(),
            availability_zone: instance.availability_zone.clone(),
            index: instance.index,
            launch_template_name: instance.launch_template_name.clone(),
            launch_template_version: instance.launch_template_version,
            lifecycle_state: instance.lifecycle_state,
            launch_time: instance.launch_time,
            activity_id: instance.activity_id.clone(),
            protected_from_scale_in: instance.protected_from_scale_in,
            recallable: instance.recallable,
            kept_from_load_balancer: instance.kept_from_load_balancer,
        }
    }

    /// What an instance is launched with; before it is.
    pub(crate) fn record_key_pair(&self, instance: &Instance) {
        let Some(key_pair) = &instance.key_pair else {
            return;
        };
        if let Err(error) = self.store.put_instance_key_pair(&instance.id, key_pair) {
            error!(instance.id = %instance.id, %error, "the store does not take an instance's key");
        }
    }

    pub(crate) fn forget_instance(&self, instance: &Instance) {
        if let Err(error) = self.store.delete_instance(&instance.id) {
            error!(instance.id = %instance.id, %error, "the store does not forget an instance");
        }
    }

    /// Adds an activity and returns its id.
    pub(crate) fn begin(&mut self, activity: Activity) -> String {
        self.put(&activity);
        let detail = EventDetail::ActivityBegun {
            activity: activity.clone(),
        };
        let group = Some(activity.auto_scaling_group_name.as_str());
        self.events.push(activity.start_time, group, detail);
        let id = activity.activity_id.clone();
        let kept = self
            .activities
            .entry(activity.auto_scaling_group_name.clone())
            .or_default();
        let kept = Arc::make_mut(kept);
        kept.push_front(Arc::new(activity));
        kept.truncate(AT_HAND);
        id
    }

    /// Changes an activity that has not ended.
    pub(crate) fn update(
        &mut self,
        group: &str,
        id: Option<&str>,
        now: Timestamp,
        change: impl FnOnce(&mut Activity),
    ) {
        let Some(kept) = self.activities.get_mut(group) else {
            return;
        };
        let is_it = |activity: &Activity| {
            activity.end_time.is_none() && Some(activity.activity_id.as_str()) == id
        };
        let Some(index) = kept.iter().position(|activity| is_it(activity)) else {
            return;
        };
        let activity = Arc::make_mut(&mut Arc::make_mut(kept)[index]);
        change(activity);
        let changed = activity.clone();
        self.put(&changed);
        if changed.end_time.is_some() {
            self.ended.push(changed.clone());
        }
        let detail = EventDetail::ActivityChanged { activity: changed };
        self.events.push(now, Some(group), detail);
    }

    /// Notes that a try of an activity that goes on has failed; the first is told like an end.
    pub(crate) fn fail_try(&mut self, group: &str, id: Option<&str>, why: &str, now: Timestamp) {
        let mut failed = None;
        self.update(group, id, now, |activity| {
            if activity.status_message.is_none() {
                failed = Some(Activity {
                    status_code: ActivityStatus::Failed,
                    status_message: Some(why.to_owned()),
                    ..activity.clone()
                });
            }
            activity.status_message = Some(why.to_owned());
        });
        self.ended.extend(failed);
    }

    /// The activities that have ended since the last call.
    pub(crate) fn take_ended(&mut self) -> Vec<Activity> {
        std::mem::take(&mut self.ended)
    }

    /// Forgets what is older than six weeks, now and then.
    pub(crate) fn forget_old(&mut self, now: Now) {
        if self
            .forgot_at
            .is_some_and(|at| now.mono - at < FORGET_INTERVAL)
        {
            return;
        }
        self.forgot_at = Some(now.mono);
        if let Err(error) = self.store.forget_old_activities(now.wall) {
            error!(%error, "the store does not forget old activities");
        }
    }

    pub(crate) fn end(
        &mut self,
        group: &str,
        id: Option<&str>,
        status: ActivityStatus,
        message: Option<String>,
        now: Timestamp,
    ) {
        self.update(group, id, now, |activity| {
            activity.end(status, message, now)
        });
    }

    fn put(&self, activity: &Activity) {
        if let Err(error) = self.store.put_activity(activity) {
            error!(asg.name = activity.auto_scaling_group_name, %error, "the store does not take an activity");
        }
    }
}
