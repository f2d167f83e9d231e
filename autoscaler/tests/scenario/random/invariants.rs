//! What must hold after each step, whatever happens to a group.
//!
//! - The desired capacity lies between min and max.
//! - No launch is begun that takes a group above max, but for a move between zones and for an
//!   instance refresh, by as much as either may; what is above it anyway (max was lowered,
//!   an instance was adopted) is on its way out within [`SOON`].
//! - No healthy instance is taken out of service unless as many as desired are left; with
//!   nothing wrong, min is in service within [`LAUNCH_TIMEOUT`] and [`SOON`].
//! - An instance refresh takes nothing out of service unless as many are left as its preferences
//!   say; one that succeeds has replaced whatever was in service when it began.
//! - Whatever carries our mark on the provider is in a group within [`SOON`].
//! - An instance is in one group, in one state, and its states follow each other as they may;
//!   one that has gone does not come back.
//! - No instance that runs is told to end before the balancer has been told, [`LEAST_DRAIN`]
//!   earlier, to send it nothing more.
//! - What a suspended process would do is not done: nothing is launched, nothing taken out of
//!   service by choice.
//! - An intent is launched once; an activity that has ended stays as it ended.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use minicloud_autoscaler::{
    describe::{Activity, AutoScalingGroup, ConditionKind, View},
    instance::{InstanceId, LifecycleState},
    instance_refresh::InstanceRefreshStatus,
    scaling_process::ScalingProcess::{self, HealthCheck, Launch, ReplaceUnhealthy, Terminate},
};
use tokio::time::Instant;

use crate::scenario::cloud::Cloud;

/// Longer than the loop waits after a provider that was away (15 s, jittered) and then looks.
pub(super) const SOON: Duration = Duration::from_secs(40);
const LEAST_DRAIN: Duration = Duration::from_secs(1);
/// Of the operation that sets how long calls to the provider take.
const LONGEST_LATENCY: Duration = Duration::from_secs(3);
/// A launch that never answers is given up after this.
const LAUNCH_TIMEOUT: Duration = Duration::from_secs(120);
/// Longer than a pass takes.
const ASKED_LATELY: Duration = Duration::from_secs(15);

#[derive(Default)]
pub(super) struct Checker {
    view: Option<Arc<View>>,
    states: BTreeMap<InstanceId, LifecycleState>,
    /// What became of these while nobody looked is not known.
    unseen: BTreeSet<InstanceId>,
    gone: BTreeSet<InstanceId>,
    /// Launched by hand: nobody asked whether there is room.
    unrecorded: BTreeSet<InstanceId>,
    /// Removed by hand: an intent may be launched again that nobody has seen launched.
    removed: BTreeSet<InstanceId>,
    signals: usize,
    ended: BTreeSet<String>,
    /// By refresh: what was in service when it began.
    refreshed: BTreeMap<String, BTreeSet<InstanceId>>,
    /// Refreshes of something that were seen to succeed.
    pub(super) refreshes: usize,
    /// Since when something holds that must not last.
    since: BTreeMap<String, Instant>,
    /// Desired and maximum that were asked for lately: a slow loop may have taken each for a
    /// pass of which no view was seen.
    asked: Vec<(Instant, u32, u32)>,
    resumed_at: Option<Instant>,
    /// When somebody started what had stopped.
    started: BTreeMap<InstanceId, Instant>,
    /// When that was looked at last.
    looked_at: Option<Instant>,
}

impl Checker {
    /// Something was done to the world: what must not last may last anew.
    pub(super) fn disturbed(&mut self) {
        self.since.clear();
        self.looked_at = None;
    }

    /// The next view is another autoscaler's.
    pub(super) fn restarted(&mut self) {
        self.disturbed();
        self.view = None;
        // What drained when it crashed may be back, and nobody saw it drain.
        self.unseen = self.states.keys().cloned().collect();
    }

    /// Nobody remembers what is in no instance's mark.
    pub(super) fn store_was_lost(&mut self) {
        self.states.clear();
        self.gone.clear();
        self.ended.clear();
        self.refreshed.clear();
    }

    pub(super) fn asked(&mut self, desired: u32, max: u32) {
        self.asked.push((Instant::now(), desired, max));
    }

    pub(super) fn resumed(&mut self) {
        self.resumed_at = Some(Instant::now());
    }

    pub(super) fn launched_by_hand(&mut self, id: InstanceId) {
        self.unrecorded.insert(id);
    }

    pub(super) fn removed_by_hand(&mut self, id: InstanceId) {
        self.removed.insert(id);
    }

    pub(super) fn started_by_hand(&mut self, id: InstanceId) {
        self.started.insert(id, Instant::now());
    }

    pub(super) fn look(&mut self, cloud: &Cloud) -> Result<(), String> {
        self.nothing_ends_unannounced(cloud)?;
        if !cloud.is_running() {
            self.disturbed();
            return Ok(());
        }
        let view = cloud.view();
        self.asked.retain(|(at, ..)| at.elapsed() < ASKED_LATELY);
        let known = self.view.as_ref();
        if known.is_none_or(|known| !Arc::ptr_eq(known, &view)) {
            let before = self.view.replace(Arc::clone(&view));
            self.instances_are_in_one_place(&view)?;
            for group in &view.auto_scaling_groups {
                let mut groups = before.iter().flat_map(|view| &view.auto_scaling_groups);
                let name = &group.auto_scaling_group_name;
                let before = groups.find(|g| g.auto_scaling_group_name == *name);
                self.check_group(before.map(|group| &**group), group)?;
            }
            self.note_states(&view);
        }
        let now = Instant::now();
        if self
            .looked_at
            .is_some_and(|at| now - at < Duration::from_secs(1))
        {
            return Ok(());
        }
        self.looked_at = Some(now);
        self.nothing_wrong_lasts(&view, cloud)
    }

    fn nothing_ends_unannounced(&mut self, cloud: &Cloud) -> Result<(), String> {
        let signals = cloud.provider.signals();
        for signal in &signals[self.signals..] {
            let id = &signal.instance_id;
            match cloud.deregistered(id) {
                None => {}
                Some(Err(still_routed)) => {
                    return Err(format!("{id} is told to end: {still_routed:?}"));
                }
                Some(Ok(at))
                    if signal.at - at < LEAST_DRAIN && !self.was_just_started(id, signal.at) =>
                {
                    return Err(format!(
                        "{id} is told to end {:?} after the balancer was told",
                        signal.at - at
                    ));
                }
                Some(Ok(_)) => {}
            }
        }
        self.signals = signals.len();
        Ok(())
    }

    /// Somebody started it while the call that ends what had stopped was on its way.
    fn was_just_started(&self, id: &InstanceId, at: Instant) -> bool {
        let started = self.started.get(id);
        started.is_some_and(|started| at.saturating_duration_since(*started) <= LONGEST_LATENCY)
    }

    fn instances_are_in_one_place(&self, view: &View) -> Result<(), String> {
        let mut seen = BTreeSet::new();
        for instance in view.auto_scaling_groups.iter().flat_map(|g| &g.instances) {
            let id = &instance.instance_id;
            if !seen.insert(id) {
                return Err(format!("{id} is there twice"));
            }
            if self.gone.contains(id) {
                return Err(format!("{id} had gone and is back"));
            }
            let state = instance.lifecycle_state;
            match self.states.get(id) {
                Some(before) if !may_follow(*before, state) && !self.unseen.contains(id) => {
                    return Err(format!("{id} went from {before} to {state}"));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn check_group(
        &mut self,
        before: Option<&AutoScalingGroup>,
        group: &AutoScalingGroup,
    ) -> Result<(), String> {
        let name = &group.auto_scaling_group_name;
        let (min, max, desired) = (group.min_size, group.max_size, group.desired_capacity);
        if !(min..=max).contains(&desired) {
            return Err(format!("{name}: desired {desired} is not in {min}..={max}"));
        }
        for activity in group.activities.iter() {
            let id = &activity.activity_id;
            match activity.end_time {
                Some(_) => drop(self.ended.insert(id.clone())),
                None if self.ended.contains(id) => {
                    return Err(format!("activity {} began again", activity.description));
                }
                None => {}
            }
        }
        let Some(before) = before else {
            return Ok(());
        };
        let live = live(group);
        let is_new =
            |id: &InstanceId| !self.states.contains_key(id) && !self.unrecorded.contains(id);
        let launched = group.instances.iter().any(|i| is_new(&i.instance_id));
        let asked = self.asked.iter().map(|(.., max)| *max).max();
        let allowed = max.max(before.max_size).max(asked.unwrap_or_default()) as usize;
        let allowed = allowed + balancing_margin(group) + refresh_margin(group, allowed);
        let suspended = |process| self.suspends_for_long(before, group, process);
        let mut instances = group.instances.iter().map(|one| &one.instance_id);
        // What is found by its mark was launched before.
        let begun = instances.any(|id| is_new(id) && activity(group, id, "Launching").is_some());
        if begun && suspended(Launch) {
            return Err(format!("{name}: a launch though Launch is suspended"));
        }
        if launched && live > allowed {
            return Err(format!("{name}: a launch made {live} of at most {allowed}"));
        }
        let left: Vec<&Activity> = group
            .instances
            .iter()
            .filter(|instance| {
                instance.lifecycle_state == LifecycleState::Terminating
                    && self.states.get(&instance.instance_id) == Some(&LifecycleState::InService)
            })
            .filter_map(|instance| activity(group, &instance.instance_id, "Terminating"))
            .collect();
        let by_choice = |activity: &&&Activity| {
            let difference = "difference between desired and actual capacity";
            activity.cause.contains(difference)
        };
        let chosen = left.iter().filter(by_choice).count();
        if chosen > 0 && suspended(Terminate) {
            return Err(format!("{name}: an end though Terminate is suspended"));
        }
        let asked = self.asked.iter().map(|(_, desired, _)| *desired).min();
        let wanted = desired.min(before.desired_capacity);
        let wanted = wanted.min(asked.unwrap_or(u32::MAX)) as usize;
        // Those that were lost at the same time are nobody's choice.
        if chosen > 0 && live + (left.len() - chosen) < wanted {
            return Err(format!(
                "{name}: {chosen} taken out, {live} of {wanted} left"
            ));
        }
        let by_refresh = |activity: &&&Activity| activity.cause.contains("an instance refresh");
        let refreshed = left.iter().filter(by_refresh).count();
        let refresh = group.instance_refresh.as_ref();
        let refresh = refresh.or(before.instance_refresh.as_ref());
        let percent = refresh.map_or(100, |it| it.preferences.min_healthy_percentage);
        let least = (wanted * usize::from(percent)).div_ceil(100);
        if refreshed > 0 && in_service(group) + (left.len() - refreshed) < least {
            return Err(format!(
                "{name}: {refreshed} replaced, {} of {least} left in service",
                in_service(group)
            ));
        }
        self.check_refreshes(before, group)
    }

    fn check_refreshes(
        &mut self,
        before: &AutoScalingGroup,
        group: &AutoScalingGroup,
    ) -> Result<(), String> {
        let name = &group.auto_scaling_group_name;
        let serving = |group: &AutoScalingGroup| {
            let instances = group.instances.iter();
            let serving = instances.filter(|i| i.lifecycle_state == LifecycleState::InService);
            let ids: BTreeSet<InstanceId> = serving.map(|i| i.instance_id.clone()).collect();
            ids
        };
        let known = |id: &str| {
            let mut refreshes = before.instance_refreshes.iter();
            refreshes.any(|it| it.instance_refresh_id == id)
        };
        for refresh in group.instance_refreshes.iter() {
            let id = &refresh.instance_refresh_id;
            if !known(id) && !refresh.preferences.skip_matching {
                self.refreshed.insert(id.clone(), serving(before));
            }
            let is_new_success = refresh.status == InstanceRefreshStatus::Successful
                && before.instance_refresh.is_some();
            let Some(old) = self.refreshed.get(id).filter(|_| is_new_success) else {
                continue;
            };
            if let Some(kept) = old.intersection(&serving(group)).next() {
                return Err(format!("{name}: {kept} is not replaced by {refresh:?}"));
            }
            self.refreshes += usize::from(!old.is_empty());
            self.refreshed.remove(id);
        }
        Ok(())
    }

    /// In both views, and nobody has asked for anything else between them.
    fn suspends_for_long(
        &self,
        before: &AutoScalingGroup,
        group: &AutoScalingGroup,
        process: ScalingProcess,
    ) -> bool {
        let resumed = self
            .resumed_at
            .is_some_and(|at| at.elapsed() < ASKED_LATELY);
        !resumed && suspends(before, &[process]) && suspends(group, &[process])
    }

    fn note_states(&mut self, view: &View) {
        let instances = view.auto_scaling_groups.iter().flat_map(|g| &g.instances);
        let states = instances.map(|i| (i.instance_id.clone(), i.lifecycle_state));
        self.unseen.clear();
        let before = std::mem::replace(&mut self.states, states.collect());
        let gone = before.into_keys();
        let gone = gone.filter(|id| !self.states.contains_key(id));
        self.gone.extend(gone);
    }

    fn nothing_wrong_lasts(&mut self, view: &View, cloud: &Cloud) -> Result<(), String> {
        if !cloud.provider.is_reachable() {
            self.disturbed();
            return Ok(());
        }
        let mut wrong = BTreeMap::new();
        for instance in cloud.provider.instances() {
            let id = instance.instance_id;
            if !self.states.contains_key(&id) {
                wrong.insert(format!("{id} is on the provider and in no group"), SOON);
            }
        }
        let is_served = cloud.weather(|weather| {
            !weather.never_healthy
                && !weather.balancer_silent
                && weather.unhealthy.is_empty()
                && weather.anomalous.is_empty()
        });
        for group in &view.auto_scaling_groups {
            let name = &group.auto_scaling_group_name;
            let max = group.max_size as usize;
            let refreshing = group.instance_refresh.is_some();
            let surge = if refreshing {
                refresh_margin(group, max)
            } else {
                0
            };
            if live(group) > max + surge && !suspends(group, &[Terminate]) {
                wrong.insert(format!("{name} has more than max_size instances"), SOON);
            }
            let is_failing = group.conditions.iter().any(|condition| {
                matches!(
                    condition.kind,
                    ConditionKind::LaunchFailing | ConditionKind::LaunchSuspended
                )
            });
            let is_kept = suspends(group, &[Launch, Terminate, HealthCheck, ReplaceUnhealthy]);
            if is_served && !is_kept && !is_failing && in_service(group) < group.min_size as usize {
                let what = format!("{name} has less than min_size in service");
                wrong.insert(what, LAUNCH_TIMEOUT + SOON);
            }
        }
        let now = Instant::now();
        self.since.retain(|what, _| wrong.contains_key(what));
        for (what, bound) in wrong {
            let since = *self.since.entry(what.clone()).or_insert(now);
            if now - since > bound {
                return Err(format!("for {:?}: {what}", now - since));
            }
        }
        Ok(())
    }

    /// Everything is as wanted and nothing is under way; else what is not so.
    pub(super) fn settled(&self, cloud: &Cloud) -> Result<(), String> {
        let view = cloud.view();
        let conditions = &view.conditions;
        if let Some(condition) = conditions.first() {
            return Err(format!("{condition:?}"));
        }
        for group in &view.auto_scaling_groups {
            let name = &group.auto_scaling_group_name;
            let (there, wanted) = (group.instances.len(), group.desired_capacity as usize);
            if (there, in_service(group)) != (wanted, wanted) {
                return Err(format!("{name}: {wanted} wanted: {:?}", group.instances));
            }
            if let Some(refresh) = &group.instance_refresh {
                return Err(format!("{name}: {refresh:?}"));
            }
            let open = group.activities.iter().find(|a| a.end_time.is_none());
            if let Some(open) = open {
                return Err(format!("{name}: an activity has not ended: {open:?}"));
            }
            let mut conditions = group.conditions.iter();
            let fault = conditions.find(|c| c.kind != ConditionKind::Stranger);
            if let Some(fault) = fault {
                return Err(format!("{name}: {fault:?}"));
            }
        }
        let there = cloud.provider.instances();
        let there: BTreeSet<InstanceId> = there.into_iter().map(|i| i.instance_id).collect();
        let known: BTreeSet<InstanceId> = self.states.keys().cloned().collect();
        if there != known {
            return Err(format!("{there:?} on the provider, {known:?} in groups"));
        }
        Ok(())
    }

    pub(super) fn intents_were_launched_once(&self, cloud: &Cloud) -> Result<(), String> {
        let mut seen = BTreeSet::new();
        for launch in cloud.provider.launched() {
            let id = launch.instance_id;
            if !self.removed.contains(&id) && !seen.insert(id.clone()) {
                return Err(format!("{id} was launched twice"));
            }
        }
        Ok(())
    }
}

fn may_follow(before: LifecycleState, after: LifecycleState) -> bool {
    use LifecycleState::{EnteringStandby, InService, Pending, Standby, Terminating};
    before == after
        || matches!(
            (before, after),
            (Pending, InService | EnteringStandby | Terminating)
                // Without a target group it may be in standby and back before anybody looks.
                | (InService, EnteringStandby | Standby | Pending | Terminating)
                | (EnteringStandby, Standby | Terminating)
                | (Standby, Pending | InService | Terminating)
                // Recalled while it drained; once it is told to end it is gone for good.
                | (Terminating, InService | Pending)
        )
}

/// One of them is suspended.
fn suspends(group: &AutoScalingGroup, processes: &[ScalingProcess]) -> bool {
    let mut suspended = group.suspended_processes.iter();
    suspended.any(|one| processes.contains(&one.process_name))
}

fn live(group: &AutoScalingGroup) -> usize {
    let states = group.instances.iter().map(|i| i.lifecycle_state);
    states
        .filter(|state| matches!(state, LifecycleState::Pending | LifecycleState::InService))
        .count()
}

fn in_service(group: &AutoScalingGroup) -> usize {
    let states = group.instances.iter().map(|i| i.lifecycle_state);
    states
        .filter(|state| *state == LifecycleState::InService)
        .count()
}

/// A move between zones launches first: a tenth of max, or one, may be there besides for as
/// long.
fn balancing_margin(group: &AutoScalingGroup) -> usize {
    let mut activities = group.activities.iter();
    match activities.any(|a| a.cause.contains("to balance instances in zones")) {
        true => (group.max_size as usize / 10).max(1),
        false => 0,
    }
}

/// An instance refresh launches first too: by as many as its preferences say, for as long.
fn refresh_margin(group: &AutoScalingGroup, max: usize) -> usize {
    let refreshes = group.instance_refreshes.iter();
    let percent = refreshes.map(|it| usize::from(it.preferences.max_healthy_percentage) - 100);
    let surge = percent.map(|percent| (max * percent).div_ceil(100).max(1));
    surge.max().unwrap_or_default()
}

/// The last one of the instance that is described so.
fn activity<'a>(
    group: &'a AutoScalingGroup,
    id: &InstanceId,
    description: &str,
) -> Option<&'a Activity> {
    let mut activities = group.activities.iter();
    let found = activities.find(|activity| {
        activity.instance_id.as_ref() == Some(id) && activity.description.starts_with(description)
    });
    found.map(|activity| &**activity)
}
