//! What can happen to a group. Something new that can happen is a variant here, with how often
//! it does in [`Operation::any`] and what it does in [`Operation::apply`].

use std::{ops::Range, time::Duration};

use jiff::SignedDuration;
use minicloud_autoscaler::{
    Crash, CrashPoint,
    instance::InstanceId,
    instance_refresh::RefreshPreferences,
    launch_template::LaunchTemplate,
    provider::{InstanceProvider, LaunchRequest, ObservedState, fake::LaunchFault},
    scaling_process::ScalingProcess,
};
use proptest::{
    prelude::*,
    sample::{select, subsequence},
};

use super::{Run, layout::Edit};

#[derive(Clone, Debug)]
pub(super) enum Operation {
    Wait(Duration),
    /// `min_size`, `max_size`, `desired_capacity` as somebody asks for them, sense or not.
    Scale(u32, u32, u32),
    Edit(Edit),
    /// `min_healthy_percentage`, `max_healthy_percentage`, `skip_matching`.
    StartRefresh(u8, u8, bool),
    CancelRefresh,
    /// Of group `web`.
    Suspend(Vec<ScalingProcess>),
    Resume(Vec<ScalingProcess>),
    /// The instance with this number into standby, the desired capacity with it or not.
    Drain(usize, bool),
    Undrain(usize),
    /// CPU percent of the instance with this number, modulo how many there are.
    Load(usize, u8),
    AgentSilent(bool),
    BalancerSilent(bool),
    NeverHealthy(bool),
    Unhealthy(usize),
    Anomalous(usize),
    /// All instances are well again.
    Recover,
    Queue(u64),
    InFlight(u64),
    Unreachable(Duration),
    Hang(bool),
    Latency(Duration),
    BootTime(Duration),
    FailLaunches(usize, LaunchFault),
    FailTerminations(usize),
    /// The instance ignores SIGTERM.
    Deaf(usize),
    Exit(usize),
    /// By hand, all that have exited.
    Restart,
    /// By hand.
    Remove(usize),
    /// Not ours, though of the group's service.
    Stranger,
    /// An instance with our mark that the store does not know: of group `web`, or of one that
    /// the file never had.
    Unrecorded(bool),
    /// `kill -9`, and a new start after this.
    Kill(Duration),
    /// A new start, and a crash where it first comes to this point; then one more start.
    CrashAt(CrashPoint),
    LoseStore,
    /// Seconds.
    SetWallClock(i64),
}

impl Operation {
    pub(super) fn any() -> impl Strategy<Value = Self> {
        let number = || 0..8_usize;
        let sizes = || (0..4_u32, 0..6_u32, 0..6_u32);
        let millis = |range: Range<u64>| range.prop_map(Duration::from_millis);
        let faults = [
            LaunchFault::Unreachable,
            LaunchFault::Template,
            LaunchFault::Failed,
            LaunchFault::AnswerLost,
            LaunchFault::AnswerHangs,
        ];
        prop_oneof![
            40 => wait().prop_map(Self::Wait),
            14 => sizes().prop_map(|(min, max, desired)| Self::Scale(min, max, desired)),
            6 => Edit::any().prop_map(Self::Edit),
            5 => refresh().prop_map(|(min, max, skip)| Self::StartRefresh(min, max, skip)),
            2 => Just(Self::CancelRefresh),
            3 => processes().prop_map(Self::Suspend),
            3 => processes().prop_map(Self::Resume),
            4 => (number(), any::<bool>()).prop_map(|(n, decrement)| Self::Drain(n, decrement)),
            4 => number().prop_map(Self::Undrain),
            8 => (number(), 0..101_u8).prop_map(|(n, percent)| Self::Load(n, percent)),
            3 => prop_oneof![
                any::<bool>().prop_map(Self::AgentSilent),
                any::<bool>().prop_map(Self::BalancerSilent),
                any::<bool>().prop_map(Self::NeverHealthy),
                any::<bool>().prop_map(Self::Hang),
            ],
            2 => number().prop_map(Self::Unhealthy),
            2 => number().prop_map(Self::Anomalous),
            2 => Just(Self::Recover),
            1 => (0..3_u64).prop_map(Self::Queue),
            1 => (0..3_u64).prop_map(Self::InFlight),
            1 => millis(1..30_000).prop_map(Self::Unreachable),
            2 => millis(0..3_000).prop_map(Self::Latency),
            1 => millis(0..20_000).prop_map(Self::BootTime),
            4 => (1..7_usize, select(faults.to_vec())).prop_map(|(n, fault)| Self::FailLaunches(n, fault)),
            1 => (1..4_usize).prop_map(Self::FailTerminations),
            1 => number().prop_map(Self::Deaf),
            3 => number().prop_map(Self::Exit),
            2 => Just(Self::Restart),
            2 => number().prop_map(Self::Remove),
            1 => Just(Self::Stranger),
            2 => any::<bool>().prop_map(Self::Unrecorded),
            3 => millis(0..10_000).prop_map(Self::Kill),
            5 => select(CrashPoint::ALL.to_vec()).prop_map(Self::CrashAt),
            1 => Just(Self::LoseStore),
            1 => (-90_000..90_000_i64).prop_map(Self::SetWallClock),
        ]
    }

    pub(super) async fn apply(&self, run: &mut Run) -> Result<(), String> {
        let cloud = &run.cloud;
        match *self {
            Self::Wait(time) => return run.wait(time).await,
            Self::Scale(min, max, desired) => return run.scale(min, max, desired).await,
            Self::Edit(ref edit) => run.edit(edit),
            Self::StartRefresh(min, max, skip_matching) => {
                let preferences = RefreshPreferences {
                    min_healthy_percentage: min,
                    max_healthy_percentage: max,
                    skip_matching,
                    ..RefreshPreferences::default()
                };
                return run.start_refresh(preferences).await;
            }
            Self::CancelRefresh => return run.cancel_refresh().await,
            Self::Suspend(ref processes) => drop(run.suspend(processes, true).await?),
            Self::Resume(ref processes) => drop(run.suspend(processes, false).await?),
            Self::Drain(number, decrement) => run.drain(number, decrement).await?,
            Self::Undrain(number) => run.undrain(number).await?,
            Self::Load(number, percent) => {
                if let Some(id) = run.instance(number) {
                    cloud.weather(|weather| weather.cpu.insert(id, f64::from(percent)));
                }
            }
            Self::AgentSilent(silent) => cloud.weather(|w| w.agent_silent = silent),
            Self::BalancerSilent(silent) => cloud.weather(|w| w.balancer_silent = silent),
            Self::NeverHealthy(never) => cloud.weather(|w| w.never_healthy = never),
            Self::Unhealthy(number) => {
                let id = run.instance(number);
                cloud.weather(|weather| weather.unhealthy.extend(id));
            }
            Self::Anomalous(number) => {
                let id = run.instance(number);
                cloud.weather(|weather| weather.anomalous.extend(id));
            }
            Self::Recover => cloud.weather(|weather| {
                weather.unhealthy.clear();
                weather.anomalous.clear();
            }),
            Self::Queue(length) => cloud.weather(|weather| weather.queue_length = length),
            Self::InFlight(requests) => cloud.weather(|weather| weather.in_flight = requests),
            Self::Unreachable(period) => cloud.provider.unreachable_for(period),
            Self::Hang(hang) => cloud.provider.set_hanging(hang),
            Self::Latency(latency) => cloud.provider.set_latency(latency),
            Self::BootTime(time) => cloud.provider.set_boot_time(time),
            Self::FailLaunches(count, fault) => cloud.provider.fail_launches(count, fault),
            Self::FailTerminations(count) => cloud.provider.fail_terminations(count),
            Self::Deaf(number) => {
                let id = run.instance(number);
                id.iter().for_each(|id| cloud.provider.make_deaf(id));
            }
            Self::Exit(number) => {
                if let Some(id) = run.instance(number) {
                    cloud.provider.exit(&id, "exit code 1");
                }
            }
            Self::Restart => {
                let exited = cloud
                    .provider
                    .instances()
                    .into_iter()
                    .filter(|instance| matches!(instance.state, ObservedState::Exited { .. }));
                for instance in exited {
                    cloud.provider.restart(&instance.instance_id);
                    run.checker.started_by_hand(instance.instance_id);
                }
            }
            Self::Remove(number) => {
                if let Some(id) = run.instance(number) {
                    cloud.remove(&id);
                    run.checker.removed_by_hand(id);
                }
            }
            Self::Stranger => cloud.provider.add_stranger("web", "web-1"),
            Self::Unrecorded(of_web) => {
                let request = run.unrecorded(if of_web { "web" } else { "bygone" });
                let launch = run.cloud.provider.launch(&request);
                let _ = tokio::time::timeout(Duration::from_secs(5), launch).await;
            }
            Self::Kill(away) => {
                run.cloud.kill().await;
                tokio::time::sleep(away).await;
                run.boot(None).await;
            }
            Self::CrashAt(point) => {
                run.cloud.kill().await;
                run.boot(Some(Crash::Loop(point))).await;
            }
            Self::LoseStore => {
                run.cloud.kill().await;
                run.cloud.lose_the_store();
                run.checker.store_was_lost();
                run.boot(None).await;
            }
            Self::SetWallClock(by) => cloud.set_wall_clock(SignedDuration::from_secs(by)),
        }
        run.look()
    }
}

/// Mostly as they are where nobody says anything.
fn refresh() -> impl Strategy<Value = (u8, u8, bool)> {
    let percent = prop_oneof![
        4 => Just((100, 110)),
        1 => (0..=100_u8).prop_map(|min| (min, 100)),
        1 => (100..=200_u8).prop_map(|max| (100, max)),
    ];
    (percent, any::<bool>()).prop_map(|((min, max), skip)| (min, max, skip))
}

/// None: all of them.
fn processes() -> impl Strategy<Value = Vec<ScalingProcess>> {
    subsequence(ScalingProcess::ALL.to_vec(), 0..4)
}

/// From a millisecond to an hour; mostly short, as that is where races are.
fn wait() -> impl Strategy<Value = Duration> {
    let millis = prop_oneof![
        1600 => 1..400_u64,
        2000 => 400..5_000_u64,
        350 => 5_000..30_000_u64,
        40 => 30_000..200_000_u64,
        1 => 200_000..3_600_000_u64,
    ];
    millis.prop_map(Duration::from_millis)
}

/// An intent to launch as an autoscaler would have it whose store is lost.
pub(super) fn unrecorded(id: InstanceId, group: &str, index: u32) -> LaunchRequest {
    LaunchRequest {
        networks: Vec::new(),
        seed: None,
        instance_id: id,
        auto_scaling_group: group.to_owned(),
        availability_zone: "a".to_owned(),
        index,
        launch_template: LaunchTemplate {
            name: "web".to_owned(),
            version: 1,
            port: 8080,
            ..LaunchTemplate::default()
        },
    }
}
