//! A command inside a container.
//!
//! In an image without a shell the command runs bare: then dropping the session leaves it
//! running, until it ends by itself or with its instance. The same goes for a command whose
//! session is dropped because the autoscaler ends.

use std::{
    pin::Pin,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use bollard::{
    container::LogOutput,
    exec::{CreateExecOptions, ResizeExecOptions, StartExecOptions, StartExecResults},
};
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use tokio::{
    io::{AsyncWrite, AsyncWriteExt},
    sync::{mpsc, oneshot},
    task::JoinSet,
    time::{Instant, timeout},
};

use super::{
    DockerProvider,
    engine::{Engine, Fault},
    exec_wrapper::{self, Greeting, Heard},
    list,
};
use crate::{
    instance::InstanceId,
    provider::{
        ExecCommand, ExecError, ExecInput, ExecOutput, ExecSession, Stdin, WindowSize,
        identity::LABELS,
    },
};

/// Chunks of output that wait for a slow reader; the command is held up beyond.
const OUTPUT_QUEUE: usize = 16;
/// Chunks of input that wait for a command that does not read; who types is held up beyond.
const INPUT_QUEUE: usize = 16;
/// For a command to start, on an engine under load.
const GREETING_LIMIT: Duration = Duration::from_secs(20);
/// How often the engine is asked whether a silent bare command has started.
const START_POLL: Duration = Duration::from_millis(200);
/// How often a silent command is looked after: it may have ended and left a daemon behind
/// that keeps its output open.
const SILENCE: Duration = Duration::from_secs(1);
/// The exit code may be known a little after the output has ended.
const EXIT_LIMIT: Duration = Duration::from_secs(10);
const EXIT_POLL: Duration = Duration::from_millis(20);
/// Exit code of a command that ended with its container.
const KILLED: i32 = 128 + 9;
/// As ssh has it, for a connection that broke.
const LOST: i32 = 255;
/// How the engine begins to say that a command could not be started.
const RUNTIME_ERROR: &[u8] = b"OCI runtime exec failed";

type Input = Pin<Box<dyn AsyncWrite + Send>>;
type Output = Pin<Box<dyn Stream<Item = Result<LogOutput, bollard::errors::Error>> + Send>>;

/// Running commands.
#[derive(Debug, Default)]
pub(super) struct Commands(Mutex<JoinSet<()>>);

pub(super) async fn exec(
    provider: &DockerProvider,
    id: &InstanceId,
    command: ExecCommand,
) -> Result<ExecSession, ExecError> {
    if command.argv.is_empty() {
        return Err(ExecError::CommandNotFound("no command given".to_owned()));
    }
    let (output, receiver) = mpsc::channel(OUTPUT_QUEUE);
    let (input, typed) = mpsc::channel(INPUT_QUEUE);
    let (started, answer) = oneshot::channel();
    let input = (command.stdin != Stdin::Null).then_some(input);
    let session = Session {
        engine: provider.engine.clone(),
        instance: id.clone(),
        container: running_container(provider, id).await?,
        stdin: command.stdin,
        output,
    };
    // A task from the first step on: whoever drops this future has the command ended as well.
    provider
        .commands
        .spawn(session.run(command.argv, typed, started));
    answer
        .await
        .map_err(|_| ExecError::Failed("minicloud is shutting down".to_owned()))??;
    Ok(ExecSession {
        output: receiver,
        input,
    })
}

impl Commands {
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }
}

async fn running_container(
    provider: &DockerProvider,
    id: &InstanceId,
) -> Result<String, ExecError> {
    let instance = format!("{}={id}", LABELS.instance_id);
    let running = list::containers(&provider.engine, false, &[&provider.owned(), &instance])
        .await
        .map_err(|fault| ExecError::Failed(fault.to_string()))?;
    let container = running.into_iter().find_map(|container| container.id);
    container.ok_or_else(|| ExecError::NotRunning(id.clone()))
}

struct Session {
    engine: Engine,
    instance: InstanceId,
    container: String,
    stdin: Stdin,
    output: mpsc::Sender<ExecOutput>,
}

/// A command on its way.
struct Running {
    exec: String,
    output: Output,
    input: Input,
    /// Heard already, and not passed on yet.
    first: Option<ExecOutput>,
    /// In the container; `None` for a bare command.
    pid: Option<u32>,
}

impl Session {
    async fn run(
        self,
        command: Vec<String>,
        typed: mpsc::Receiver<ExecInput>,
        started: oneshot::Sender<Result<(), ExecError>>,
    ) {
        let mut running = match self.start(&command).await {
            Ok(running) => running,
            Err(error) => {
                let _ = started.send(Err(error));
                return;
            }
        };
        let code = if started.send(Ok(())).is_err() {
            None
        } else {
            let input = std::mem::replace(&mut running.input, Box::pin(tokio::io::sink()));
            let exec = running.exec.clone();
            tokio::select! {
                code = self.forward(&mut running) => Some(code),
                code = self.feed(&exec, input, typed) => Some(code),
                () = self.output.closed() => None,
            }
        };
        match code {
            Some(code) => drop(self.output.send(ExecOutput::Exit(code)).await),
            None => self.kill(running.pid).await,
        }
    }

    async fn start(&self, command: &[String]) -> Result<Running, ExecError> {
        let (exec, mut output, input) = self.attach(exec_wrapper::wrap(command)).await?;
        let name = command.first().map_or("", String::as_str);
        let greeted = timeout(GREETING_LIMIT, greeting(&mut output)).await;
        match greeted.map_err(|_| ExecError::Failed("the container does not answer".to_owned()))? {
            Some((Greeting::Started { pid }, first)) => Ok(Running {
                exec,
                output,
                input,
                first: (!first.is_empty()).then_some(ExecOutput::Stdout(first)),
                pid: Some(pid),
            }),
            Some((Greeting::Missing, _)) => Err(ExecError::CommandNotFound(format!(
                "command `{name}` is not found in {}",
                self.instance
            ))),
            Some((Greeting::NotExecutable, _)) => Err(ExecError::CommandNotExecutable(format!(
                "command `{name}` cannot be run in {}",
                self.instance
            ))),
            None => self.start_bare(command).await,
        }
    }

    async fn start_bare(&self, command: &[String]) -> Result<Running, ExecError> {
        let (exec, mut output, input) = self.attach(command.to_vec()).await?;
        let first = match self.first_words(&exec, &mut output).await {
            Some(item) if item.as_ref().starts_with(RUNTIME_ERROR) => {
                return Err(bare_error(&String::from_utf8_lossy(item.as_ref())));
            }
            first => first.map(translate),
        };
        Ok(Running {
            exec,
            output,
            input,
            first,
            pid: None,
        })
    }

    /// What a bare command says first; `None` once it runs and is silent, or has ended so.
    async fn first_words(&self, exec: &str, output: &mut Output) -> Option<LogOutput> {
        let deadline = Instant::now() + GREETING_LIMIT;
        while Instant::now() < deadline {
            match timeout(START_POLL, output.next()).await {
                Ok(first) => return first?.ok(),
                Err(_) if self.has_started(exec).await => return None,
                Err(_) => {}
            }
        }
        None
    }

    /// A command that the runtime refuses never gets a pid.
    async fn has_started(&self, exec: &str) -> bool {
        let found = self
            .engine
            .call(async |docker| docker.inspect_exec(exec).await)
            .await;
        found.is_ok_and(|found| found.pid.is_some_and(|pid| pid > 0))
    }

    async fn attach(&self, command: Vec<String>) -> Result<(String, Output, Input), ExecError> {
        let terminal = match &self.stdin {
            Stdin::Terminal(terminal) => Some(terminal),
            Stdin::Null | Stdin::Piped => None,
        };
        let options = CreateExecOptions {
            attach_stdin: Some(self.stdin != Stdin::Null),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            tty: Some(terminal.is_some()),
            env: terminal.map(|terminal| vec![format!("TERM={}", terminal.term)]),
            cmd: Some(command),
            ..CreateExecOptions::default()
        };
        let start = StartExecOptions {
            tty: terminal.is_some(),
            ..StartExecOptions::default()
        };
        let attached = self
            .engine
            .call(async |docker| {
                let exec = docker.create_exec(&self.container, options).await?.id;
                let started = docker.start_exec(&exec, Some(start)).await?;
                Ok((exec, started))
            })
            .await;
        if let (Ok((exec, _)), Some(terminal)) = (&attached, terminal) {
            self.resize(exec, terminal.size).await;
        }
        match attached {
            Ok((exec, StartExecResults::Attached { output, input })) => Ok((exec, output, input)),
            Ok((_, StartExecResults::Detached)) => Err(ExecError::Failed(
                "the engine did not attach to the command".to_owned(),
            )),
            Err(Fault::Missing(_) | Fault::Conflict(_)) => {
                Err(ExecError::NotRunning(self.instance.clone()))
            }
            Err(fault) => Err(ExecError::Failed(fault.to_string())),
        }
    }

    /// Of a terminal that is not there any more, or not yet, there is nothing to resize.
    async fn resize(&self, exec: &str, to: WindowSize) {
        let size = ResizeExecOptions {
            height: to.rows,
            width: to.columns,
        };
        let resized = self
            .engine
            .call(async |docker| docker.resize_exec(exec, size).await)
            .await;
        if let Err(error) = resized {
            tracing::debug!(instance.id = %self.instance, %error, "a terminal was not resized");
        }
    }

    /// Passes input on until it ends, or the command reads no more. Does not resolve: the
    /// command goes on.
    async fn feed(
        &self,
        exec: &str,
        mut input: Input,
        mut typed: mpsc::Receiver<ExecInput>,
    ) -> i32 {
        while let Some(next) = typed.recv().await {
            match next {
                ExecInput::Bytes(bytes) => {
                    if input.write_all(&bytes).await.is_err() {
                        break;
                    }
                }
                ExecInput::Resize(size) => self.resize(exec, size).await,
            }
        }
        let _ = input.shutdown().await;
        drop(typed);
        std::future::pending().await
    }

    /// Passes the output on to its end; returns the exit code.
    async fn forward(&self, running: &mut Running) -> i32 {
        if let Some(first) = running.first.take() {
            let _ = self.output.send(first).await;
        }
        loop {
            match timeout(SILENCE, running.output.next()).await {
                Ok(Some(Ok(item))) => {
                    let _ = self.output.send(translate(item)).await;
                }
                Ok(Some(Err(_)) | None) => return self.exit_code(&running.exec).await,
                Err(_) => {
                    if let Some(code) = self.ended(&running.exec).await {
                        return code;
                    }
                }
            }
        }
    }

    async fn exit_code(&self, exec: &str) -> i32 {
        let deadline = Instant::now() + EXIT_LIMIT;
        while Instant::now() < deadline {
            if let Some(code) = self.ended(exec).await {
                return code;
            }
            tokio::time::sleep(EXIT_POLL).await;
        }
        LOST
    }

    /// The exit code of a command that has ended.
    async fn ended(&self, exec: &str) -> Option<i32> {
        let found = self
            .engine
            .call(async |docker| docker.inspect_exec(exec).await)
            .await;
        match found {
            Ok(found) if found.running == Some(true) => None,
            Ok(found) => Some(
                found
                    .exit_code
                    .map_or(KILLED, |code| i32::try_from(code).unwrap_or(LOST)),
            ),
            Err(Fault::Missing(_)) => Some(KILLED),
            Err(_) => Some(LOST),
        }
    }

    async fn kill(&self, pid: Option<u32>) {
        let Some(pid) = pid else { return };
        let options = CreateExecOptions {
            cmd: Some(exec_wrapper::kill(pid)),
            ..CreateExecOptions::default()
        };
        let detached = StartExecOptions {
            detach: true,
            ..StartExecOptions::default()
        };
        let killed = self
            .engine
            .call(async |docker| {
                let exec = docker.create_exec(&self.container, options).await?.id;
                docker.start_exec(&exec, Some(detached)).await.map(drop)
            })
            .await;
        match killed {
            // The instance is gone, and the command with it.
            Ok(()) | Err(Fault::Missing(_) | Fault::Conflict(_)) => {}
            Err(error) => {
                tracing::warn!(instance.id = %self.instance, %error, "cannot end a command in the instance");
            }
        }
    }
}

/// Reads the wrapper's greeting; `None` where something else speaks.
async fn greeting(output: &mut Output) -> Option<(Greeting, Bytes)> {
    let mut heard = BytesMut::new();
    while let Some(Ok(LogOutput::StdOut { message } | LogOutput::Console { message })) =
        output.next().await
    {
        heard.extend_from_slice(&message);
        match exec_wrapper::hear(&heard) {
            Heard::Greeting(greeting, rest) => {
                return Some((greeting, Bytes::copy_from_slice(rest)));
            }
            Heard::More => {}
            Heard::Nonsense => return None,
        }
    }
    None
}

fn bare_error(said: &str) -> ExecError {
    let said = said.trim().to_owned();
    if said.contains("permission denied") {
        ExecError::CommandNotExecutable(said)
    } else if said.contains("not found") || said.contains("no such file") {
        ExecError::CommandNotFound(said)
    } else {
        ExecError::Failed(said)
    }
}

fn translate(item: LogOutput) -> ExecOutput {
    match item {
        LogOutput::StdErr { message } => ExecOutput::Stderr(message),
        LogOutput::StdOut { message }
        | LogOutput::StdIn { message }
        | LogOutput::Console { message } => ExecOutput::Stdout(message),
    }
}
