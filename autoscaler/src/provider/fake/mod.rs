//! A provider in memory with latency and fault knobs, for scenarios on a paused clock.
//!
//! It is real code behind the real trait: instances boot, serve nothing, exit when told to,
//! and take [`STOP_GRACE`] to die when deaf. A clone shares everything, as two autoscalers
//! share an engine: hand a clone to "the autoscaler after the restart".

mod command;
mod knobs;
mod world;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use futures_util::stream;
use tokio::{sync::Notify, time::Instant};

pub use self::knobs::{Calls, LaunchFault, Signal};
use self::world::World;
use super::{
    ExecCommand, ExecError, ExecSession, InstanceProvider, LaunchError, LaunchRequest, LogRequest,
    LogStream, ObservedInstance, ProviderError, STOP_GRACE,
};
use crate::{instance::InstanceId, now::Clock};

/// See the [module](self). Knobs are methods on it; each takes effect from the next call on.
#[derive(Clone)]
pub struct FakeProvider {
    shared: Arc<Shared>,
}

struct Shared {
    clock: Box<dyn Clock>,
    world: Mutex<World>,
    /// An instance changed: wakes [`InstanceProvider::changed`].
    changed: Notify,
    /// An instance ended: commands inside look whether it was theirs.
    ended: Notify,
    /// A knob changed: calls that hang look again.
    knobs: Notify,
}

impl FakeProvider {
    /// No latency, no boot time, no faults.
    pub fn new(clock: impl Clock) -> Self {
        Self {
            shared: Arc::new(Shared {
                clock: Box::new(clock),
                world: Mutex::default(),
                changed: Notify::new(),
                ended: Notify::new(),
                knobs: Notify::new(),
            }),
        }
    }

    fn world(&self) -> MutexGuard<'_, World> {
        // A test that panicked while it held the lock has failed already.
        self.shared
            .world
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// What every call goes through first: the time it takes, a hang, an engine that is away.
    async fn reach(&self) -> Result<(), String> {
        let latency = self.world().latency;
        tokio::time::sleep(latency).await;
        loop {
            let knobs = self.shared.knobs.notified();
            if !self.world().hanging {
                break;
            }
            knobs.await;
        }
        if self.world().is_unreachable(Instant::now()) {
            return Err("the fake engine is unreachable".to_owned());
        }
        Ok(())
    }

    async fn launch_now(&self, request: &LaunchRequest) -> Result<(), LaunchError> {
        self.world().calls.launch += 1;
        self.reach().await.map_err(LaunchError::Unreachable)?;
        let fault = self.world().take_launch_fault();
        if let Some(error) = fault.and_then(LaunchFault::before_the_launch) {
            return Err(error);
        }
        let zone = &request.availability_zone;
        if self.world().refusing_zones.contains(zone) {
            return Err(LaunchError::InsufficientInstanceCapacity(format!(
                "zone {zone} has no room"
            )));
        }
        let wall = self.shared.clock.now().wall;
        self.world().launch(request, wall);
        self.shared.changed.notify_one();
        match fault {
            Some(LaunchFault::AnswerLost) => Err(LaunchError::Unreachable(
                "the fake engine hung up before it answered".to_owned(),
            )),
            Some(LaunchFault::AnswerHangs) => std::future::pending().await,
            _ => Ok(()),
        }
    }

    async fn terminate_now(&self, id: &InstanceId) -> Result<(), ProviderError> {
        self.world().calls.terminate += 1;
        self.reach().await.map_err(ProviderError::Unreachable)?;
        if self.world().take_termination_fault() {
            return Err(ProviderError::Failed(format!(
                "{id} would not end (a fault was asked for)"
            )));
        }
        let wait = self.world().signal(id);
        tokio::time::sleep(wait).await;
        self.vanish(id);
        Ok(())
    }

    fn notify_end(&self) {
        self.shared.ended.notify_waiters();
        self.shared.changed.notify_one();
    }

    /// Resolves when the instance does not run.
    async fn ended(&self, id: &InstanceId) {
        loop {
            let ended = self.shared.ended.notified();
            if !self.world().is_running(id, Instant::now()) {
                return;
            }
            ended.await;
        }
    }

    /// Resolves when the next instance has booted; never where none is booting.
    async fn next_boot(&self) {
        let deadline = self.world().next_boot(Instant::now());
        match deadline {
            Some(deadline) => tokio::time::sleep_until(deadline).await,
            None => std::future::pending().await,
        }
    }
}

impl InstanceProvider for FakeProvider {
    async fn launch(&self, request: &LaunchRequest) -> Result<(), LaunchError> {
        self.launch_now(request).await
    }

    async fn terminate(&self, id: &InstanceId) -> Result<(), ProviderError> {
        self.terminate_now(id).await
    }

    async fn list(&self) -> Result<Vec<ObservedInstance>, ProviderError> {
        self.world().calls.list += 1;
        self.reach().await.map_err(ProviderError::Unreachable)?;
        Ok(self.world().observe(Instant::now()))
    }

    /// Knows `echo WORDS`, `exit CODE`, `sleep SECONDS` and `cat`; no other command is found.
    async fn exec(
        &self,
        id: &InstanceId,
        command: impl Into<ExecCommand> + Send,
    ) -> Result<ExecSession, ExecError> {
        let command = command.into();
        self.world().calls.exec += 1;
        self.reach().await.map_err(ExecError::Failed)?;
        if !self.world().is_running(id, Instant::now()) {
            return Err(ExecError::NotRunning(id.clone()));
        }
        command::run(self.clone(), id.clone(), command)
    }

    /// Its id, which is all that it ever says.
    async fn logs(&self, id: &InstanceId, wanted: LogRequest) -> Result<LogStream, ProviderError> {
        self.reach().await.map_err(ProviderError::Unreachable)?;
        let line = (wanted.tail > 0).then(|| Bytes::from(format!("{id}\n")));
        Ok(Box::pin(stream::iter(line)))
    }

    async fn strangers(&self, auto_scaling_group: &str) -> Result<Vec<String>, ProviderError> {
        self.reach().await.map_err(ProviderError::Unreachable)?;
        let strangers = self.world().strangers.get(auto_scaling_group).cloned();
        Ok(strangers.unwrap_or_default())
    }

    async fn changed(&self) {
        tokio::select! {
            // In order, so that a run can be repeated.
            biased;
            () = self.shared.changed.notified() => {}
            () = self.next_boot() => {}
        }
    }
}

/// How long an instance takes to end once it is told to.
fn stop_time(deaf: bool) -> Duration {
    if deaf { STOP_GRACE } else { Duration::ZERO }
}
