//! Asking an instance whether it may go.

use std::sync::Arc;

use tracing::debug;

use super::Reconciler;
use crate::{
    busy::BusyAnswer,
    config::BusyQuestion,
    instance::InstanceId,
    now::{Clock, Now},
    provider::{ExecError, ExecOutput, InstanceProvider},
};

/// A few words of JSON; what a command says beyond is not read.
const MAX_OUTPUT_BYTES: usize = 4096;

impl<P: InstanceProvider, C: Clock> Reconciler<P, C> {
    pub(super) fn ask_busy(&mut self, name: &str, id: &InstanceId, now: Now) {
        let Some(group) = self.groups.get_mut(name) else {
            return;
        };
        let (Some(check), Some(instance)) = (&group.spec.busy_check, group.instances.get_mut(id))
        else {
            return;
        };
        let Some(address) = instance.address.clone() else {
            return;
        };
        instance.busyness.ask(now.mono);
        let within = check.timeout;
        match check.question.clone() {
            BusyQuestion::Path(path) => {
                let answer = self.busy_probe.ask(address, path, within);
                self.operations.ask(id.clone(), within, answer);
            }
            BusyQuestion::Command(command) => {
                let answer = run(Arc::clone(&self.provider), id.clone(), command);
                self.operations.ask(id.clone(), within, answer);
            }
        }
    }

    pub(super) fn take_busy_answer(&mut self, id: &InstanceId, answer: BusyAnswer, now: Now) {
        let instances = self
            .groups
            .values_mut()
            .filter_map(|group| group.instances.get_mut(id));
        for instance in instances {
            debug!(instance.id = %id, ?answer, "said whether it is busy");
            instance.busyness.answer(answer, now.mono);
        }
    }
}

async fn run<P: InstanceProvider>(
    provider: Arc<P>,
    id: InstanceId,
    command: Vec<String>,
) -> BusyAnswer {
    let mut session = match provider.exec(&id, command).await {
        Ok(session) => session,
        // An instance that does not run, or knows no such command, is at no work.
        Err(
            ExecError::NotRunning(_)
            | ExecError::CommandNotFound(_)
            | ExecError::CommandNotExecutable(_),
        ) => return BusyAnswer::Idle,
        Err(ExecError::Failed(_)) => return BusyAnswer::Unanswered,
    };
    let mut said = Vec::new();
    while let Some(output) = session.output.recv().await {
        match output {
            ExecOutput::Stdout(bytes) => {
                let room = MAX_OUTPUT_BYTES - said.len();
                said.extend(bytes.iter().take(room));
            }
            ExecOutput::Stderr(_) => {}
            ExecOutput::Exit(code) => return BusyAnswer::of_command(code, &said),
        }
    }
    BusyAnswer::Unanswered
}
