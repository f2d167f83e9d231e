//! Instance refreshes: beginning one, following it to its end, and cancelling it.

use tracing::{error, info, warn};

use super::Reconciler;
use crate::{
    activity::uuid,
    command::CommandError,
    events::EventDetail,
    group::Group,
    instance_refresh::{
        InstanceRefresh, InstanceRefreshRecord, InstanceRefreshStatus, RefreshPreferences,
    },
    now::{Clock, Now},
    plan::{Action, Circumstances, refresh::progress},
    provider::InstanceProvider,
    store::StoreError,
    target_health::TargetHealthIndex,
};

impl<P: InstanceProvider, C: Clock> Reconciler<P, C> {
    pub(super) fn start_instance_refresh(
        &mut self,
        name: &str,
        preferences: RefreshPreferences,
        now: Now,
    ) -> Result<InstanceRefresh, CommandError> {
        let refreshes = &self.live_group(name)?.instance_refreshes;
        preferences
            .validate()
            .map_err(|error| CommandError::Validation(error.to_string()))?;
        if let Some(active) = refreshes.describe_active() {
            return Err(CommandError::InstanceRefreshInProgress {
                group: name.to_owned(),
                id: active.instance_refresh_id,
                percentage_complete: active.percentage_complete,
            });
        }
        let id = uuid(&mut self.rng);
        let group = self.live_group(name)?;
        let record = InstanceRefreshRecord::begin(id, group, preferences, now.wall);
        self.put_refresh(name, &record)?;
        let refresh = record.refresh.clone();
        if let Some(group) = self.groups.get_mut(name) {
            group.instance_refreshes.begin(record);
            // Whoever asks has mended what failed before.
            group.launches.reset();
        }
        self.tell_refresh(name, &refresh, now);
        Ok(refresh)
    }

    pub(super) fn cancel_instance_refresh(
        &mut self,
        name: &str,
        now: Now,
    ) -> Result<InstanceRefresh, CommandError> {
        let active = self.live_group(name)?.instance_refreshes.active.as_ref();
        let mut record = active
            .map(|active| active.record.clone())
            .ok_or_else(|| CommandError::ActiveInstanceRefreshNotFound(name.to_owned()))?;
        record.refresh.status = InstanceRefreshStatus::Cancelling;
        record.refresh.status_reason = None;
        self.put_refresh(name, &record)?;
        let refresh = record.refresh.clone();
        if let Some(group) = self.groups.get_mut(name) {
            group.instance_refreshes.begin(record);
        }
        self.tell_refresh(name, &refresh, now);
        Ok(refresh)
    }

    /// Takes in how far the group's refresh has come, and ends it where it has.
    pub(super) fn follow_instance_refresh(
        &mut self,
        name: &str,
        targets: &TargetHealthIndex<'_>,
        now: Now,
    ) {
        let Some(group) = self.groups.get_mut(name) else {
            return;
        };
        let around = Circumstances {
            targets,
            calls: self.operations.busy(),
            host_saturated: None,
            now: now.mono,
        };
        let Some(progress) = progress(group, around) else {
            return;
        };
        let Some(active) = &mut group.instance_refreshes.active else {
            return;
        };
        let refresh = &mut active.record.refresh;
        let before = refresh.clone();
        refresh.status = progress.status;
        refresh.status_reason = progress.status_reason;
        refresh.instances_to_update = progress.instances_to_update;
        refresh.percentage_complete = progress.percentage_complete;
        if !refresh.status.is_active() {
            refresh.end_time = Some(now.wall);
        }
        if *refresh != before {
            self.keep_refresh(name, now);
        }
    }

    /// Takes in what the plan says of the group's refresh. A successor that comes into service
    /// and does not stay healthy has failed like one that never came.
    pub(super) fn note_refresh(
        &mut self,
        name: &str,
        waits: Option<String>,
        actions: &[Action],
        now: Now,
    ) {
        let Some(group) = self.groups.get_mut(name) else {
            return;
        };
        for why in failed_successors(group, actions) {
            group.launches.record_failure(now.mono, &why, &mut self.rng);
        }
        let Some(active) = &mut group.instance_refreshes.active else {
            return;
        };
        let before = active.record.refresh.status_reason.clone();
        active.wait_for(waits, now.mono);
        if active.record.refresh.status_reason != before {
            self.keep_refresh(name, now);
        }
    }

    /// Records the group's refresh as it is now, and files it away where it has ended.
    fn keep_refresh(&mut self, name: &str, now: Now) {
        let Some(group) = self.groups.get_mut(name) else {
            return;
        };
        let Some(active) = &group.instance_refreshes.active else {
            return;
        };
        let record = active.record.clone();
        if !record.refresh.status.is_active() {
            group.instance_refreshes.end();
        }
        if let Err(error) = self.ledger.store.put_instance_refresh(name, &record) {
            error!(asg.name = name, %error, "the store does not take an instance refresh");
        }
        self.tell_refresh(name, &record.refresh, now);
    }

    fn put_refresh(&self, name: &str, record: &InstanceRefreshRecord) -> Result<(), CommandError> {
        let put = self.ledger.store.put_instance_refresh(name, record);
        put.map_err(|error: StoreError| CommandError::Store(error.to_string()))
    }

    fn tell_refresh(&mut self, name: &str, refresh: &InstanceRefresh, now: Now) {
        let InstanceRefresh {
            instance_refresh_id: id,
            status,
            percentage_complete: percent,
            ..
        } = refresh;
        let reason = refresh.status_reason.as_deref().unwrap_or_default();
        match status {
            InstanceRefreshStatus::Failed => {
                warn!(asg.name = name, instance_refresh.id = %id, reason, "the instance refresh failed");
            }
            _ => {
                info!(asg.name = name, instance_refresh.id = %id, %status, percent, reason, "instance refresh");
            }
        }
        let detail = EventDetail::InstanceRefreshChanged {
            instance_refresh: refresh.clone(),
        };
        self.events.push(now.wall, Some(name), detail);
        self.attention.call(name);
    }
}

/// Why instances are ended that were to take over from others.
fn failed_successors(group: &Group, actions: &[Action]) -> Vec<String> {
    if !group.live().any(|one| group.is_to_be_replaced(one)) {
        return Vec::new();
    }
    let deregistered = actions.iter().filter_map(|action| match action {
        Action::Deregister { id, .. } => group.instances.get(id),
        _ => None,
    });
    let successors = deregistered.filter(|one| !group.is_to_be_replaced(one));
    successors.filter_map(|one| one.unhealthy.clone()).collect()
}
