//! The record: every step goes to the store before the side effect it announces.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use jiff::Timestamp;
use tracing::error;

use crate::{
    describe::{Activity, ActivityStatus},
    group::Instance,
    instance::{InstanceId, LifecycleState},
    store::{InstanceRecord, Store},
};

/// Activities of a group that are kept at hand for the API; the store has six weeks.
const AT_HAND: usize = 100;

#[derive(Debug)]
pub(crate) struct Ledger {
    pub(crate) store: Store,
    activities: BTreeMap<String, Arc<VecDeque<Arc<Activity>>>>,
}

impl Ledger {
    pub(crate) fn new(store: Store) -> Self {
        Self {
            store,
            activities: BTreeMap::new(),
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

    /// Ends what a crash has left open: the activity of an instance that came into service, or
    /// one that is no instance's (any more, or yet).
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
                Some(LifecycleState::InService) => {
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

    /// Newest first.
    pub(crate) fn activities(&self, group: &str) -> Arc<VecDeque<Arc<Activity>>> {
        self.activities.get(group).cloned().unwrap_or_default()
    }

    pub(crate) fn record_instance(&self, group: &str, instance: &Instance) {
        let record = InstanceRecord {
            id: instance.id.clone(),
            auto_scaling_group: group.to_owned(),
            availability_zone: instance.availability_zone.clone(),
            index: instance.index,
            launch_template_name: instance.launch_template_name.clone(),
            launch_template_version: instance.launch_template_version,
            lifecycle_state: instance.lifecycle_state,
            launch_time: instance.launch_time,
            activity_id: instance.activity_id.clone(),
        };
        // The provider is the truth: a store that fails costs history, not instances.
        if let Err(error) = self.store.put_instance(&record) {
            error!(asg.name = group, instance.id = %instance.id, %error, "the store does not take an instance");
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
        if let Err(error) = self.store.forget_old_activities(activity.start_time) {
            error!(%error, "the store does not forget old activities");
        }
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
    }

    pub(crate) fn end(
        &mut self,
        group: &str,
        id: Option<&str>,
        status: ActivityStatus,
        message: Option<String>,
        now: Timestamp,
    ) {
        self.update(group, id, |activity| activity.end(status, message, now));
    }

    fn put(&self, activity: &Activity) {
        if let Err(error) = self.store.put_activity(activity) {
            error!(asg.name = activity.auto_scaling_group_name, %error, "the store does not take an activity");
        }
    }
}
