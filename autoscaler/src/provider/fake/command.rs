//! The four commands that a fake instance knows.

use std::time::Duration;

use tokio::sync::mpsc;

use super::FakeProvider;
use crate::{
    instance::InstanceId,
    provider::{ExecCommand, ExecError, ExecInput, ExecOutput, ExecSession, Stdin},
};

const INPUT_QUEUE: usize = 2;
/// As a shell gives the exit code of what SIGKILL ended.
const KILLED: i32 = 128 + 9;

pub(super) fn run(
    provider: FakeProvider,
    id: InstanceId,
    command: ExecCommand,
) -> Result<ExecSession, ExecError> {
    let words: Vec<&str> = command.argv.iter().map(String::as_str).collect();
    let (input, typed) = mpsc::channel(INPUT_QUEUE);
    let input = (command.stdin != Stdin::Null).then_some(input);
    let (said, sleeps, code) = match words.as_slice() {
        ["echo", words @ ..] => (Some(words.join(" ") + "\n"), Duration::ZERO, 0),
        ["exit", code] => (None, Duration::ZERO, code.parse().unwrap_or(2)),
        ["sleep", seconds] => (
            None,
            Duration::from_secs(seconds.parse().unwrap_or_default()),
            0,
        ),
        ["cat"] => {
            let (output, receiver) = mpsc::channel(2);
            tokio::spawn(repeat(typed, output, Running::start(provider, id)));
            return Ok(ExecSession {
                output: receiver,
                input,
            });
        }
        _ => {
            let name = words.first().copied().unwrap_or_default();
            return Err(ExecError::CommandNotFound(format!(
                "`{name}` is not in {id}"
            )));
        }
    };
    // Room for everything a command says, so that a session nobody reads ends as well.
    let (output, receiver) = mpsc::channel(2);
    let running = Running::start(provider, id);
    tokio::spawn(async move {
        if let Some(said) = said {
            let _ = output.send(ExecOutput::Stdout(said.into())).await;
        }
        tokio::select! {
            () = tokio::time::sleep(sleeps) => {
                let _ = output.send(ExecOutput::Exit(code)).await;
            }
            () = running.provider.ended(&running.id) => {
                let _ = output.send(ExecOutput::Exit(KILLED)).await;
            }
            () = output.closed() => {}
        }
    });
    Ok(ExecSession {
        output: receiver,
        input,
    })
}

/// Until its input ends, its instance does, or nobody listens any more.
async fn repeat(
    mut typed: mpsc::Receiver<ExecInput>,
    output: mpsc::Sender<ExecOutput>,
    running: Running,
) {
    let work = async {
        while let Some(input) = typed.recv().await {
            if let ExecInput::Bytes(bytes) = input {
                let _ = output.send(ExecOutput::Stdout(bytes)).await;
            }
        }
        0
    };
    let code = tokio::select! {
        code = work => code,
        () = running.provider.ended(&running.id) => KILLED,
        () = output.closed() => return,
    };
    let _ = output.send(ExecOutput::Exit(code)).await;
}

/// Counts a command as running until it is dropped.
struct Running {
    provider: FakeProvider,
    id: InstanceId,
}

impl Running {
    fn start(provider: FakeProvider, id: InstanceId) -> Self {
        *provider.world().commands.entry(id.clone()).or_default() += 1;
        Self { provider, id }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(count) = self.provider.world().commands.get_mut(&self.id) {
            *count = count.saturating_sub(1);
        }
    }
}
