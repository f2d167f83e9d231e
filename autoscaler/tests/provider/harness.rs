//! What a contract test needs to know of a provider.

use std::{
    fmt::Debug,
    panic::AssertUnwindSafe,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use futures_util::FutureExt;
use minicloud_autoscaler::{
    instance::InstanceId,
    launch_template::LaunchTemplate,
    provider::{
        ExecOutput, ExecSession, InstanceProvider, LaunchRequest, ObservedInstance, ObservedState,
    },
};
use tokio::time::Instant;

/// Long enough for a machine that five engineers build on.
pub(super) const DEADLINE: Duration = Duration::from_secs(60);

pub(super) trait Harness: Sync {
    type Provider: InstanceProvider;

    /// A provider over the same world: called again, the autoscaler after a restart.
    async fn provider(&self) -> Self::Provider;

    /// A provider of another owner over the same world, where there can be one.
    async fn stranger(&self) -> Option<Self::Provider>;

    /// A template whose instances behave so.
    fn template(&self, behaviour: Behaviour) -> LaunchTemplate;

    /// A template whose instances run this shell script; `None` where they know no shell.
    fn script(&self, script: &str) -> Option<LaunchTemplate>;

    /// As [`Behaviour::Serves`] where the condition holds; else its instances end with 9.
    fn serves_if(&self, condition: &str) -> Option<LaunchTemplate>;

    /// CPU time that the instance has used, of the counters that the agent reads.
    async fn cpu(&self, id: &InstanceId) -> Option<Duration>;

    /// A command line, as this provider's instances know it; `None` where they know no such.
    fn command(&self, command: Command) -> Option<Vec<String>>;

    /// Makes an instance of [`Behaviour::Serves`] end by itself with exit code 3.
    async fn end(&self, provider: &Self::Provider, id: &InstanceId);

    /// Commands started by [`Command::Lasts`] that run.
    async fn running_commands(&self, id: &InstanceId) -> usize;

    /// Removes what the test left and fails where something of it stays.
    async fn clean_up(&self);
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Behaviour {
    Serves,
    /// As `Serves`, and ignores SIGTERM.
    Deaf,
    /// Nothing that this template names exists.
    Missing,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Command {
    /// Writes `hello` and a newline to stdout.
    SaysHello,
    /// Writes `out` to stdout and `err` to stderr, then exits with 3.
    SaysBothAndFails,
    ExitsWith3,
    /// Writes what it reads to stdout.
    Cat,
    /// In a terminal: says its size once it has read a line, and exits with 5.
    SaysWindowSize,
    /// Writes the value of a variable and nothing else.
    Prints(&'static str),
    Lasts,
    NotExecutable,
    /// Exits with 0 once the instance's own program is under way: ignores SIGTERM, say.
    IsReady,
}

/// Runs a test and cleans up, whether it passed or not.
pub(super) async fn run<H: Harness>(harness: H, test: impl AsyncFnOnce(&H)) {
    let outcome = AssertUnwindSafe(test(&harness)).catch_unwind().await;
    harness.clean_up().await;
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
}

pub(super) fn new_id() -> InstanceId {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("i-{:08x}{next:04x}", std::process::id())
        .parse()
        .unwrap()
}

/// A word that no other run of the tests uses.
pub(super) fn unique(prefix: &str) -> String {
    format!("{prefix}-{}", new_id())
}

pub(super) fn request(template: LaunchTemplate) -> LaunchRequest {
    LaunchRequest {
        instance_id: new_id(),
        auto_scaling_group: "web".to_owned(),
        availability_zone: "a".to_owned(),
        index: 1,
        launch_template: template,
        networks: Vec::new(),
        seed: None,
    }
}

pub(super) fn template(name: &str) -> LaunchTemplate {
    LaunchTemplate {
        name: name.to_owned(),
        version: 7,
        port: 8080,
        ..LaunchTemplate::default()
    }
}

/// Polls a condition until it holds: a level, not an edge.
pub(super) async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(seen) = look().await {
            return seen;
        }
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub(super) async fn find(
    provider: &impl InstanceProvider,
    id: &InstanceId,
) -> Option<ObservedInstance> {
    let mut listed = provider.list().await.unwrap();
    listed.retain(|instance| instance.instance_id == *id);
    assert!(listed.len() < 2, "{id} is listed twice: {listed:?}");
    listed.pop()
}

/// Its address.
pub(super) async fn until_running(provider: &impl InstanceProvider, id: &InstanceId) -> String {
    eventually("the instance runs", async || {
        match find(provider, id).await?.state {
            ObservedState::Running { address } => Some(address),
            ObservedState::Starting => None,
            ObservedState::Exited { detail } => panic!("{id} has ended: {detail}"),
        }
    })
    .await
}

/// How it ended.
pub(super) async fn until_exited(provider: &impl InstanceProvider, id: &InstanceId) -> String {
    eventually("the instance has ended", async || {
        match find(provider, id).await?.state {
            ObservedState::Exited { detail } => Some(detail),
            _ => None,
        }
    })
    .await
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) stdout: String,
    pub(super) stderr: String,
    pub(super) code: Option<i32>,
}

/// Everything a command says, to its end.
pub(super) async fn listen(mut session: ExecSession) -> Said {
    let mut said = Said::default();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let hear = async {
        while let Some(output) = session.output.recv().await {
            assert_eq!(said.code, None, "the exit code comes last");
            match output {
                ExecOutput::Stdout(bytes) => said.stdout += &text(&bytes),
                ExecOutput::Stderr(bytes) => said.stderr += &text(&bytes),
                ExecOutput::Exit(code) => said.code = Some(code),
            }
        }
    };
    within("the command ends", hear).await;
    said
}

pub(super) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(DEADLINE, future).await {
        Ok(value) => value,
        Err(_) => panic!("waited in vain until {what}"),
    }
}

pub(super) fn assert_err<T, E: Debug>(result: Result<T, E>) -> E {
    match result {
        Ok(_) => panic!("this should have failed"),
        Err(error) => error,
    }
}
