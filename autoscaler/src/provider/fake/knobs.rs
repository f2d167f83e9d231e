//! The knobs of the fake, and what it counted.

use std::time::Duration;

use tokio::time::Instant;

use super::FakeProvider;
use crate::{
    instance::InstanceId,
    provider::{InstanceFault, LaunchError, LaunchRequest, ObservedInstance},
};

/// How a launch goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LaunchFault {
    Unreachable,
    Template,
    Failed,
    /// The instance is launched and the caller hears [`LaunchError::Unreachable`].
    AnswerLost,
    /// The instance is launched and the call never returns.
    AnswerHangs,
}

impl LaunchFault {
    pub(super) fn before_the_launch(self) -> Option<LaunchError> {
        match self {
            Self::Unreachable => Some(LaunchError::Unreachable(
                "the fake engine is unreachable".to_owned(),
            )),
            Self::Template => Some(LaunchError::Template(
                "image `fake` is not on this engine".to_owned(),
            )),
            Self::Failed => Some(LaunchError::Failed("the fake engine failed".to_owned())),
            Self::AnswerLost | Self::AnswerHangs => None,
        }
    }
}

/// SIGTERM for an instance that ran.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signal {
    pub instance_id: InstanceId,
    pub at: Instant,
}

/// Calls made so far, failed ones included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Calls {
    pub launch: usize,
    pub terminate: usize,
    pub list: usize,
    pub exec: usize,
}

impl FakeProvider {
    /// How long every call takes before it has its effect.
    pub fn set_latency(&self, latency: Duration) {
        self.world().latency = latency;
    }

    /// Time that instances launched from now on are `Starting`.
    pub fn set_boot_time(&self, boot_time: Duration) {
        self.world().boot_time = boot_time;
    }

    /// The next `count` launches that reach the engine go wrong so, after those asked for before.
    pub fn fail_launches(&self, count: usize, fault: LaunchFault) {
        self.world()
            .launch_faults
            .extend(std::iter::repeat_n(fault, count));
    }

    /// Launch faults asked for and not met yet are forgotten.
    pub fn clear_launch_faults(&self) {
        self.world().launch_faults.clear();
    }

    /// Until told otherwise launches in these zones are refused, and no others.
    pub fn refuse_zones(&self, zones: &[&str]) {
        self.world().refusing_zones = zones.iter().map(|zone| (*zone).to_owned()).collect();
    }

    /// The next `count` terminations that reach the engine fail and leave the instance running.
    pub fn fail_terminations(&self, count: usize) {
        self.world().termination_faults = count;
    }

    /// Every call within this time from now is answered with `Unreachable`.
    pub fn unreachable_for(&self, period: Duration) {
        self.world().unreachable_until = Some(Instant::now() + period);
    }

    /// As [`Self::unreachable_for`], until told otherwise.
    pub fn set_unreachable(&self, unreachable: bool) {
        self.world().unreachable = unreachable;
    }

    /// While set, calls neither have an effect nor return; then they go on.
    pub fn set_hanging(&self, hanging: bool) {
        self.world().hanging = hanging;
        self.shared.knobs.notify_waiters();
    }

    /// The instance ignores SIGTERM: terminating it takes the whole grace.
    pub fn make_deaf(&self, id: &InstanceId) {
        self.world().deaf.insert(id.clone());
    }

    /// As [`Self::make_deaf`], for the instance that is launched next.
    pub fn make_next_deaf(&self) {
        self.world().next_is_deaf = true;
    }

    /// The instance ends by itself, and is listed as exited.
    pub fn exit(&self, id: &InstanceId, detail: &str) {
        if self.world().exit(id, detail) {
            self.notify_end();
        }
    }

    /// The instance runs, and this is wrong with it from now on.
    pub fn set_faults(&self, id: &InstanceId, faults: Vec<InstanceFault>) {
        self.world().set_faults(id, faults);
        self.shared.changed.notify_one();
    }

    /// An instance that exited runs again, as after `docker restart`.
    pub fn restart(&self, id: &InstanceId) {
        self.world().restart(id);
        self.shared.changed.notify_one();
    }

    /// The instance is gone without a trace, as after `docker rm -f` by hand.
    pub fn vanish(&self, id: &InstanceId) {
        if self.world().remove(id) {
            self.notify_end();
        }
    }

    /// Something that looks like the group's is there, which is not ours.
    pub fn add_stranger(&self, auto_scaling_group: &str, name: &str) {
        let mut world = self.world();
        let strangers = world.strangers.entry(auto_scaling_group.to_owned());
        strangers.or_default().push(name.to_owned());
    }

    /// Whether a call made now would be answered, however late.
    pub fn is_reachable(&self) -> bool {
        let world = self.world();
        !world.hanging && !world.is_unreachable(Instant::now())
    }

    /// What is there, whether or not the engine would say so.
    pub fn instances(&self) -> Vec<ObservedInstance> {
        self.world().observe(Instant::now())
    }

    /// Containers that Compose runs.
    pub fn seeds(&self) -> Vec<InstanceId> {
        self.world().seeds.ids()
    }

    /// Every SIGTERM so far, in order.
    pub fn signals(&self) -> Vec<Signal> {
        self.world().signals.clone()
    }

    pub fn calls(&self) -> Calls {
        self.world().calls
    }

    /// Every instance ever launched, in order: a double launch shows here.
    pub fn launched(&self) -> Vec<LaunchRequest> {
        self.world().launched.clone()
    }

    /// Whether the instance is there and was told to end.
    pub fn was_signalled(&self, id: &InstanceId) -> bool {
        self.world().was_signalled(id)
    }

    /// Commands that run inside the instance now.
    pub fn running_commands(&self, id: &InstanceId) -> usize {
        self.world().commands.get(id).copied().unwrap_or_default()
    }
}
