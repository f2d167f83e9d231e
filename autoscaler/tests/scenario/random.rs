//! Random scripts: whatever happens to a group, in whatever order, the [`invariants`] hold
//! after each step; and when it is over, the group comes to rest where it should be.
//!
//! A script is made from its seed. One that fails is shrunk, by leaving out operations and then
//! by making them smaller, and printed with its seed.
//!
//! - `MINICLOUD_SCRIPTS=1000000` runs that many, `MINICLOUD_SCRIPTS_FROM=7` begins at a seed.
//! - `MINICLOUD_SCRIPT_TRACE=1` with a `MINICLOUD_SCRIPTS=1` tells what happens, unshrunk.

mod invariants;
mod layout;
mod operation;

use std::{
    fmt::Write,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use minicloud_autoscaler::{
    Crash,
    command::{CapacityUpdate, Command, CommandError, EnterStandby, ExitStandby},
    describe::AutoScalingGroup,
    instance::{InstanceId, LifecycleState},
    instance_refresh::RefreshPreferences,
    provider::LaunchRequest,
    scaling_process::ScalingProcess,
};
use proptest::{
    collection::vec,
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner},
};
use tokio::time::Instant;

use self::{
    invariants::Checker,
    layout::{Edit, Layout},
    operation::Operation,
};
use super::{cloud::Cloud, say, suspended::query};

/// As many as two busy cores run in three minutes, unoptimised.
const SCRIPTS: u64 = 1_000;
/// How often the world is looked at while time passes.
const LOOK: Duration = Duration::from_millis(200);
/// The longest that anything under way takes to end by itself: a launch that never answers
/// (120 s), a drain to its full delay (60 s), an instance that is deaf (10 s), each begun when
/// the one before has ended; and an instance refresh does that for one instance after another.
const REST_WITHIN: Duration = Duration::from_secs(1200);
const RESTS_FOR: Duration = Duration::from_secs(8);

#[derive(Clone, Debug)]
struct Script {
    /// Of what the autoscaler leaves to chance.
    seed: u64,
    layout: Layout,
    operations: Vec<Operation>,
}

impl Script {
    fn any() -> impl Strategy<Value = Self> {
        let seed = any::<u64>().no_shrink();
        let operations = vec(Operation::any(), 1..50);
        (seed, Layout::any(), operations).prop_map(|(seed, layout, operations)| Self {
            seed,
            layout,
            operations,
        })
    }
}

#[test]
fn invariants_hold_whatever_happens() {
    let scripts = variable("MINICLOUD_SCRIPTS").unwrap_or(SCRIPTS);
    let first = variable("MINICLOUD_SCRIPTS_FROM").unwrap_or_default();
    let next = AtomicU64::new(first);
    let failure = Mutex::new(None);
    let started = Instant::now();
    let totals = Mutex::new(Tally::default());
    let threads = thread::available_parallelism().map_or(2, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut tally = Tally::default();
                while failure.lock().unwrap().is_none() {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + scripts {
                        break;
                    }
                    if let Err(report) = run_seed(seed, &mut tally) {
                        failure.lock().unwrap().get_or_insert(report);
                    }
                }
                totals.lock().unwrap().add(tally);
            });
        }
    });
    if let Some(report) = failure.into_inner().unwrap() {
        panic!("{report}");
    }
    let tally = totals.into_inner().unwrap();
    say(&format!(
        "{scripts} scripts in {:?}: {tally:?}",
        started.elapsed()
    ));
}

/// What the scripts came to; a count of nothing would show that they try nothing.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    operations: usize,
    simulated: Duration,
    launches: usize,
    terminations: usize,
    crashes: usize,
    refreshes: usize,
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.operations += other.operations;
        self.simulated += other.simulated;
        self.launches += other.launches;
        self.terminations += other.terminations;
        self.crashes += other.crashes;
        self.refreshes += other.refreshes;
    }
}

fn run_seed(seed: u64, tally: &mut Tally) -> Result<(), String> {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = Config {
        failure_persistence: None,
        max_shrink_iters: 1_500,
        ..Config::default()
    };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let script = Script::any().new_tree(&mut runner).unwrap();
    let trace = variable("MINICLOUD_SCRIPT_TRACE").is_some();
    if trace {
        return play(&script.current(), trace).map(|_| ());
    }
    let tallied = Mutex::new(Tally::default());
    let result = runner.run_one(script, |script| match play(&script, false) {
        Ok(tally) => {
            tallied.lock().unwrap().add(tally);
            Ok(())
        }
        Err(why) => Err(TestCaseError::fail(why)),
    });
    tally.add(tallied.into_inner().unwrap());
    match result {
        Ok(_) => Ok(()),
        Err(TestError::Fail(why, script)) => Err(report(seed, &why.to_string(), &script)),
        Err(TestError::Abort(why)) => Err(why.to_string()),
    }
}

fn report(seed: u64, why: &str, script: &Script) -> String {
    let mut report = format!("seed {seed}: {why}\n{:?}\n", script.layout);
    for operation in &script.operations {
        let _ = writeln!(report, "    {operation:?},");
    }
    report
}

/// `None`: the autoscaler ended before it answered.
fn refused_or_done<T>(answer: Option<Result<T, CommandError>>) -> Result<(), String> {
    match answer {
        None | Some(Ok(_) | Err(CommandError::Validation(_))) => Ok(()),
        Some(Err(CommandError::AutoScalingGroupNotFound { .. })) => Ok(()),
        Some(Err(error)) => Err(error.to_string()),
    }
}

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn play(script: &Script, trace: bool) -> Result<Tally, String> {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let start = Instant::now();
        let mut run = Run::start(script, trace).await;
        for operation in &script.operations {
            run.say(|| format!("{operation:?}"));
            if !matches!(operation, Operation::Wait(_) | Operation::Load(..)) {
                run.checker.disturbed();
            }
            operation.apply(&mut run).await?;
        }
        run.say(|| "all is well again".to_owned());
        run.come_to_rest().await?;
        Ok(Tally {
            operations: script.operations.len(),
            simulated: start.elapsed(),
            launches: run.cloud.provider.launched().len(),
            terminations: run.cloud.provider.signals().len(),
            crashes: run.crashes,
            refreshes: run.checker.refreshes,
        })
    })
}

/// A script under way.
struct Run {
    cloud: Cloud,
    layout: Layout,
    checker: Checker,
    unrecorded: u32,
    crashes: usize,
    start: Instant,
    /// What was told last, where everything is told.
    trace: Option<String>,
}

impl Run {
    async fn start(script: &Script, trace: bool) -> Self {
        Self {
            cloud: Cloud::with_seed(&script.layout.file(), script.seed).await,
            layout: script.layout.clone(),
            checker: Checker::default(),
            unrecorded: 0,
            crashes: 0,
            start: Instant::now(),
            trace: trace.then(String::new),
        }
    }

    async fn boot(&mut self, crash_at: Option<Crash>) {
        self.crashes += 1;
        // Nobody starts anew on a file that is refused.
        self.edit(&Edit::Broken(false));
        self.cloud.crash_at = crash_at;
        self.cloud.boot().await;
        self.checker.restarted();
    }

    async fn wait(&mut self, time: Duration) -> Result<(), String> {
        let end = Instant::now() + time;
        loop {
            if !self.cloud.is_running() {
                self.cloud.kill().await;
                self.boot(None).await;
            }
            self.look()?;
            let now = Instant::now();
            if now >= end {
                return Ok(());
            }
            tokio::time::sleep(LOOK.min(end - now)).await;
        }
    }

    fn look(&mut self) -> Result<(), String> {
        self.tell();
        self.checker.look(&self.cloud)
    }

    async fn scale(&mut self, min: u32, max: u32, desired: u32) -> Result<(), String> {
        let update = CapacityUpdate {
            min_size: Some(min),
            max_size: Some(max),
            desired_capacity: Some(desired),
        };
        let makes_sense = min <= max && (min..=max).contains(&desired);
        if makes_sense {
            self.checker.asked(desired, max);
        }
        match self.cloud.update_of("web", update).await {
            Some(Ok(())) if !makes_sense => Err("nonsense is accepted".to_owned()),
            Some(Err(CommandError::Validation(why))) if makes_sense => Err(why),
            Some(Err(CommandError::Store(why))) => Err(why),
            _ => self.wait(Duration::ZERO).await,
        }
    }

    async fn start_refresh(&mut self, preferences: RefreshPreferences) -> Result<(), String> {
        let started = self
            .cloud
            .ask_if_running(|reply| Command::StartInstanceRefresh {
                name: "web".to_owned(),
                preferences,
                reply,
            });
        match started.await {
            Some(Err(CommandError::Validation(why) | CommandError::Store(why))) => Err(why),
            _ => self.wait(Duration::ZERO).await,
        }
    }

    async fn cancel_refresh(&mut self) -> Result<(), String> {
        let cancelled = self
            .cloud
            .ask_if_running(|reply| Command::CancelInstanceRefresh {
                name: "web".to_owned(),
                reply,
            });
        match cancelled.await {
            Some(Err(CommandError::Store(why))) => Err(why),
            _ => self.wait(Duration::ZERO).await,
        }
    }

    async fn drain(&mut self, number: usize, decrement: bool) -> Result<(), String> {
        let Some((group, id)) = self.member(number) else {
            return Ok(());
        };
        let (desired, max) = (group.desired_capacity, group.max_size);
        self.checker.asked(desired.saturating_sub(1), max);
        let name = group.auto_scaling_group_name.clone();
        let request = EnterStandby {
            instance_ids: vec![id],
            should_decrement_desired_capacity: decrement,
        };
        let answer = self.cloud.ask_if_running(|reply| Command::EnterStandby {
            name,
            request,
            reply,
        });
        refused_or_done(answer.await)
    }

    async fn undrain(&mut self, number: usize) -> Result<(), String> {
        let Some((group, id)) = self.member(number) else {
            return Ok(());
        };
        let name = group.auto_scaling_group_name.clone();
        let request = ExitStandby {
            instance_ids: vec![id],
        };
        let answer = self.cloud.ask_if_running(|reply| Command::ExitStandby {
            name,
            request,
            reply,
        });
        refused_or_done(answer.await)
    }

    /// Ends what is in standby, where there is anything.
    async fn end_standby(&self) -> Result<(), String> {
        let view = self.cloud.view();
        let instances = view.auto_scaling_groups.iter().flat_map(|g| &g.instances);
        for instance in instances.filter(|one| one.lifecycle_state.is_standby()) {
            let ended =
                self.cloud
                    .ask_if_running(|reply| Command::TerminateInstanceInAutoScalingGroup {
                        instance_id: instance.instance_id.clone(),
                        should_decrement_desired_capacity: false,
                        reply,
                    });
            refused_or_done(ended.await)?;
        }
        Ok(())
    }

    /// The instance with this number, modulo how many there are, and its group.
    fn member(&self, number: usize) -> Option<(Arc<AutoScalingGroup>, InstanceId)> {
        let id = self.instance(number)?;
        let view = self.cloud.is_running().then(|| self.cloud.view())?;
        let mut groups = view.auto_scaling_groups.iter();
        let group = groups.find(|group| group.instances.iter().any(|one| one.instance_id == id))?;
        Some((Arc::clone(group), id))
    }

    /// Whether there is who has heard it.
    async fn suspend(
        &mut self,
        processes: &[ScalingProcess],
        suspends: bool,
    ) -> Result<bool, String> {
        let (name, query) = ("web".to_owned(), query(processes));
        if !suspends {
            self.checker.resumed();
        }
        let answer = self.cloud.ask_if_running(|reply| match suspends {
            true => Command::SuspendProcesses { name, query, reply },
            false => Command::ResumeProcesses { name, query, reply },
        });
        match answer.await {
            Some(Ok(())) => Ok(true),
            None | Some(Err(CommandError::AutoScalingGroupNotFound { .. })) => Ok(false),
            Some(Err(error)) => Err(error.to_string()),
        }
    }

    fn edit(&mut self, edit: &Edit) {
        self.layout.apply(edit);
        match *edit {
            // What it comes to depends on what the API has changed.
            Edit::Capacity((_, max, _)) => self.checker.asked(0, max),
            Edit::Web(_) => self.checker.asked(0, 0),
            _ => {}
        }
        self.cloud.edit(&self.layout.file());
    }

    /// The one with this number, modulo how many there are.
    fn instance(&self, number: usize) -> Option<InstanceId> {
        let mut instances = self.cloud.provider.instances();
        let there = !instances.is_empty();
        there.then(|| instances.swap_remove(number % instances.len()).instance_id)
    }

    fn unrecorded(&mut self, group: &str) -> LaunchRequest {
        self.unrecorded += 1;
        let index = 100 + self.unrecorded;
        let id: InstanceId = format!("i-{index:08x}").parse().unwrap();
        self.checker.launched_by_hand(id.clone());
        operation::unrecorded(id, group, index)
    }

    /// Nothing is wrong any more: within bounds the groups are as they should be, and from
    /// then on nothing is asked of the provider.
    async fn come_to_rest(&mut self) -> Result<(), String> {
        self.cloud.weather(|weather| {
            *weather = super::cloud::Weather {
                // Neither above a target nor so low that one could go.
                cpu_of_others: Some(62.0),
                ..Default::default()
            };
        });
        let provider = &self.cloud.provider;
        provider.clear_launch_faults();
        provider.fail_terminations(0);
        provider.set_hanging(false);
        provider.unreachable_for(Duration::ZERO);
        provider.set_latency(Duration::ZERO);
        provider.set_boot_time(Duration::from_secs(2));
        self.checker.disturbed();
        self.edit(&Edit::Broken(false));
        self.edit(&Edit::TargetValue(80));
        self.edit(&Edit::Web(true));
        self.wait(Duration::from_secs(2)).await?;
        while !self.suspend(&[], false).await? {
            self.wait(LOOK).await?;
        }
        // Whoever mended it asks again, and so ends a suspension of launches.
        for group in ["web", "jobs"] {
            let _ = self.cloud.update_of(group, CapacityUpdate::default()).await;
        }
        let start = Instant::now();
        let mut rest: Option<(Instant, _)> = None;
        loop {
            self.wait(LOOK).await?;
            self.end_standby().await?;
            let calls = self.cloud.provider.calls();
            let calls = (calls.launch, calls.terminate);
            match self.checker.settled(&self.cloud) {
                Ok(()) => {
                    let (since, before) = *rest.get_or_insert((Instant::now(), calls));
                    if calls != before {
                        return Err(format!("the provider is asked at rest: {calls:?}"));
                    }
                    if since.elapsed() > RESTS_FOR {
                        return self.checker.intents_were_launched_once(&self.cloud);
                    }
                }
                Err(why) if start.elapsed() > REST_WITHIN => {
                    return Err(format!("no rest within {REST_WITHIN:?}: {why}"));
                }
                Err(_) => rest = None,
            }
        }
    }

    fn say(&self, what: impl FnOnce() -> String) {
        if self.trace.is_some() {
            say(&format!("{:>12.3?} {}", self.start.elapsed(), what()));
        }
    }

    /// Where everything is told: what has become of the instances.
    fn tell(&mut self) {
        if self.trace.is_none() || !self.cloud.is_running() {
            return;
        }
        let mut summary = String::new();
        for group in &self.cloud.view().auto_scaling_groups {
            let (min, max) = (group.min_size, group.max_size);
            let (name, desired) = (&group.auto_scaling_group_name, group.desired_capacity);
            let _ = write!(summary, "  {name} {min}..={max} {desired}:");
            for instance in &group.instances {
                let state = instance.lifecycle_state;
                let _ = write!(summary, " {} {state}", instance.instance_id);
                if state == LifecycleState::Terminating {
                    let signalled = self.cloud.provider.was_signalled(&instance.instance_id);
                    summary += if signalled { " (signalled)" } else { "" };
                }
            }
        }
        if self.trace.as_ref() != Some(&summary) {
            self.say(|| summary.clone());
            self.trace = Some(summary);
        }
    }
}
