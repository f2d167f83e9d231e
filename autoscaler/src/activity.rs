//! What was done and why, in AWS's words.

use jiff::Timestamp;
use rand::{Rng, RngExt};

use crate::{
    describe::{Activity, ActivityStatus},
    instance::InstanceId,
};

const LAUNCHING: &str = "Launching a new instance";
const TERMINATING: &str = "Terminating instance";
const LEAVING_STANDBY: &str = "Moving instance out of Standby";

impl Activity {
    /// Whether it tells of a launch.
    pub fn is_launch(&self) -> bool {
        self.description.starts_with(LAUNCHING)
    }

    /// Whether it tells of a termination.
    pub fn is_termination(&self) -> bool {
        self.description.starts_with(TERMINATING)
    }

    pub(crate) fn is_return_from_standby(&self) -> bool {
        self.description.starts_with(LEAVING_STANDBY)
    }

    /// Begins the drain of `id` into standby.
    pub(crate) fn enter_standby(
        group: &str,
        id: &InstanceId,
        cause: String,
        drains: bool,
        now: Timestamp,
        rng: &mut impl Rng,
    ) -> Self {
        let status = match drains {
            true => ActivityStatus::WaitingForELBConnectionDraining,
            false => ActivityStatus::InProgress,
        };
        let description = format!("Moving instance to Standby: {id}");
        Self::begin(group, Some(id), description, cause, status, now, rng)
    }

    /// Begins the return of `id` into service.
    pub(crate) fn exit_standby(
        group: &str,
        id: &InstanceId,
        cause: String,
        now: Timestamp,
        rng: &mut impl Rng,
    ) -> Self {
        let status = ActivityStatus::PreInService;
        let description = format!("{LEAVING_STANDBY}: {id}");
        let mut activity = Self::begin(group, Some(id), description, cause, status, now, rng);
        activity.progress = 30;
        activity
    }

    /// Begins the launch of `id`.
    pub(crate) fn launch(
        group: &str,
        id: &InstanceId,
        cause: String,
        now: Timestamp,
        rng: &mut impl Rng,
    ) -> Self {
        Self::begin(
            group,
            Some(id),
            format!("{LAUNCHING}: {id}"),
            cause,
            ActivityStatus::InProgress,
            now,
            rng,
        )
    }

    /// Begins the termination of `id`, which drains first where `drains`.
    pub(crate) fn terminate(
        group: &str,
        id: &InstanceId,
        cause: String,
        drains: bool,
        now: Timestamp,
        rng: &mut impl Rng,
    ) -> Self {
        let status = if drains {
            ActivityStatus::WaitingForELBConnectionDraining
        } else {
            ActivityStatus::InProgress
        };
        Self::begin(
            group,
            Some(id),
            format!("{TERMINATING}: {id}"),
            cause,
            status,
            now,
            rng,
        )
    }

    /// Records that `id` was found by its mark.
    pub(crate) fn adopt(group: &str, id: &InstanceId, now: Timestamp, rng: &mut impl Rng) -> Self {
        let cause = format!(
            "At {now:.0} an instance with this group's mark was found that the store did not know."
        );
        Self::done(
            group,
            id,
            format!("Adopting instance: {id}"),
            cause,
            now,
            rng,
        )
    }

    /// Records that a container of the group's service, which Compose runs, takes part.
    pub(crate) fn join(group: &str, id: &InstanceId, now: Timestamp, rng: &mut impl Rng) -> Self {
        let cause = format!(
            "At {now:.0} Docker Compose runs a container of the service that the group adopts."
        );
        Self::done(
            group,
            id,
            format!("Adopting instance: {id}"),
            cause,
            now,
            rng,
        )
    }

    /// Records that it does so no longer.
    pub(crate) fn leave(
        group: &str,
        id: &InstanceId,
        why: &str,
        now: Timestamp,
        rng: &mut impl Rng,
    ) -> Self {
        let cause =
            format!("At {now:.0} a container of Docker Compose was taken out of the group: {why}.");
        Self::done(
            group,
            id,
            format!("Releasing instance: {id}"),
            cause,
            now,
            rng,
        )
    }

    fn done(
        group: &str,
        id: &InstanceId,
        description: String,
        cause: String,
        now: Timestamp,
        rng: &mut impl Rng,
    ) -> Self {
        let status = ActivityStatus::Successful;
        let mut activity = Self::begin(group, Some(id), description, cause, status, now, rng);
        activity.end(status, None, now);
        activity
    }

    /// Records that something could not be done, and what.
    pub(crate) fn refused(
        group: &str,
        status: ActivityStatus,
        description: String,
        cause: String,
        now: Timestamp,
        rng: &mut impl Rng,
    ) -> Self {
        let mut activity = Self::begin(group, None, description.clone(), cause, status, now, rng);
        activity.end(status, Some(description), now);
        activity
    }

    /// Records that the scheduled action `action` could not be carried out.
    pub(crate) fn scheduled_action_failed(
        group: &str,
        action: &str,
        why: String,
        now: Timestamp,
        rng: &mut impl Rng,
    ) -> Self {
        let mut activity = Self::begin(
            group,
            None,
            format!("Executing scheduled action: {action}"),
            format!("At {now:.0} the time of scheduled action {action} had come."),
            ActivityStatus::Failed,
            now,
            rng,
        );
        activity.end(ActivityStatus::Failed, Some(why), now);
        activity
    }

    fn begin(
        group: &str,
        id: Option<&InstanceId>,
        description: String,
        cause: String,
        status_code: ActivityStatus,
        now: Timestamp,
        rng: &mut impl Rng,
    ) -> Self {
        Self {
            activity_id: uuid(rng),
            auto_scaling_group_name: group.to_owned(),
            description,
            cause,
            start_time: now,
            end_time: None,
            status_code,
            status_message: None,
            progress: 0,
            instance_id: id.cloned(),
        }
    }

    pub(crate) fn end(&mut self, status: ActivityStatus, message: Option<String>, now: Timestamp) {
        self.status_code = status;
        self.status_message = message;
        self.end_time = Some(now);
        self.progress = 100;
    }
}

/// A version 4 UUID, the form that AWS gives ids of activities and requests.
pub(crate) fn uuid(rng: &mut impl Rng) -> String {
    let [a, b]: [u64; 2] = [rng.random(), rng.random()];
    let version = (a & 0xffff_ffff_ffff_0fff) | 0x4000;
    let variant = (b & 0x3fff_ffff_ffff_ffff) | 0x8000_0000_0000_0000;
    let hex = format!("{version:016x}{variant:016x}");
    format!(
        "{}-{}-{}-{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..]
    )
}
