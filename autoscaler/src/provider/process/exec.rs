//! A command inside an instance: a process with the instance's environment, mark included,
//! so that it counts to the instance and ends with it.

use std::{
    ffi::OsString,
    io,
    os::unix::process::ExitStatusExt,
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use pty_process::OwnedWritePty;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    process::{Child, ChildStderr, ChildStdin, Command},
    sync::mpsc,
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use super::{Shared, blocking, cgroup::Cgroup, launch, mark, members, program, table};
use crate::{
    instance::InstanceId,
    provider::{
        ExecCommand, ExecError, ExecInput, ExecOutput, ExecSession, Stdin, Terminal, WindowSize,
        identity::ENVIRONMENT,
    },
};

/// Chunks of output that wait for a slow reader; the command is held up beyond.
const OUTPUT_QUEUE: usize = 16;
/// Chunks of input that wait for a command that does not read; who types is held up beyond.
const INPUT_QUEUE: usize = 16;
const CHUNK: usize = 8 << 10;
/// A command that ended may have left a daemon behind that keeps its output open.
const DRAIN: Duration = Duration::from_millis(200);

/// Running commands, ended with the provider.
#[derive(Debug, Default)]
pub(super) struct Commands(Mutex<JoinSet<()>>);

pub(super) async fn exec(
    shared: &Arc<Shared>,
    id: &InstanceId,
    command: ExecCommand,
) -> Result<ExecSession, ExecError> {
    let inside = inside(shared, id).await?;
    let (child, streams) = spawn(shared, inside, &command)?;
    let group = Group(child);
    // The instance may have ended between the look and the spawn.
    if !is_running(shared, id).await? {
        return Err(ExecError::NotRunning(id.clone()));
    }
    let (output, receiver) = mpsc::channel(OUTPUT_QUEUE);
    let (input, typed) = mpsc::channel(INPUT_QUEUE);
    let mut commands = shared
        .commands
        .0
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    while commands.try_join_next().is_some() {}
    commands.spawn(run(group, streams, typed, output));
    Ok(ExecSession {
        output: receiver,
        input: (command.stdin != Stdin::Null).then_some(input),
    })
}

/// What a command is given to be inside an instance.
struct Inside {
    /// That of the process that leads the instance.
    environment: Vec<(OsString, OsString)>,
    cgroup: Cgroup,
}

async fn inside(shared: &Arc<Shared>, id: &InstanceId) -> Result<Inside, ExecError> {
    let (shared, name) = (Arc::clone(shared), id.clone());
    blocking(move || {
        let leader = find_leader(&shared, &name)?;
        let record = shared.records.read(&name);
        let mut environment: Vec<(OsString, OsString)> = launch::inherited()
            .map(|(name, value)| (name.into(), value))
            .collect();
        environment.extend(mark::environment(&table::environ(leader.pid)?));
        let cgroup = record.as_ref().map(|record| record.cgroup.clone());
        // Once more, for a program that wrote its title over its environment.
        let entries =
            record.map(|record| record.identity.entries(&ENVIRONMENT, &shared.config.owner));
        environment.extend(
            entries
                .into_iter()
                .flatten()
                .map(|(name, value)| (name.into(), value.into())),
        );
        Some(Inside {
            environment,
            cgroup: cgroup.unwrap_or_default(),
        })
    })
    .await
    .map_err(|_| ExecError::Failed("minicloud is shutting down".to_owned()))?
    .ok_or_else(|| ExecError::NotRunning(id.clone()))
}

async fn is_running(shared: &Arc<Shared>, id: &InstanceId) -> Result<bool, ExecError> {
    let (shared, id) = (Arc::clone(shared), id.clone());
    blocking(move || find_leader(&shared, &id).is_some())
        .await
        .map_err(|_| ExecError::Failed("minicloud is shutting down".to_owned()))
}

fn find_leader(shared: &Shared, id: &InstanceId) -> Option<table::Process> {
    let processes = table::scan().ok()?;
    let record = shared.records.read(id);
    let leader = members::leader(&processes, &shared.config.owner, id, record.as_ref())?;
    (!leader.zombie).then(|| leader.clone())
}

/// The ends of a command's streams that are ours.
struct Streams {
    stdin: Option<Sink>,
    stdout: Option<Source>,
    /// A terminal has none of its own.
    stderr: Option<ChildStderr>,
}

enum Sink {
    Pipe(ChildStdin),
    Terminal(OwnedWritePty),
}

type Source = Box<dyn AsyncRead + Send + Unpin>;

fn spawn(
    shared: &Shared,
    inside: Inside,
    command: &ExecCommand,
) -> Result<(Child, Streams), ExecError> {
    let argv = launch::resolve(&shared.config.program, &command.argv);
    let program = argv
        .first()
        .ok_or_else(|| ExecError::CommandNotFound("no command given".to_owned()))?;
    let path = inside.environment.iter().rfind(|(name, _)| name == "PATH");
    let path = path.map(|(_, path)| path.as_os_str());
    program::find(program, path, None).map_err(|error| spawn_error(program, &error))?;
    let prefix = inside.cgroup.prefix().into_iter().map(OsString::from);
    let mut words = prefix.chain(argv.iter().cloned());
    let mut spawned = Command::new(words.next().unwrap_or_default());
    spawned
        .args(words)
        .env_clear()
        .envs(inside.environment)
        .env(mark::COMMAND, "1");
    match &command.stdin {
        Stdin::Null => spawn_piped(spawned, Stdio::null()),
        Stdin::Piped => spawn_piped(spawned, Stdio::piped()),
        Stdin::Terminal(terminal) => spawn_in_terminal(spawned, terminal),
    }
    .map_err(|error| spawn_error(program, &error))
}

fn spawn_piped(mut command: Command, stdin: Stdio) -> io::Result<(Child, Streams)> {
    let mut child = command
        .stdin(stdin)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()?;
    let streams = Streams {
        stdin: child.stdin.take().map(Sink::Pipe),
        stdout: child.stdout.take().map(|stdout| Box::new(stdout) as Source),
        stderr: child.stderr.take(),
    };
    Ok((child, streams))
}

/// Leads a session, hence a process group, of its own.
fn spawn_in_terminal(mut command: Command, terminal: &Terminal) -> io::Result<(Child, Streams)> {
    command.env("TERM", &terminal.term);
    let spawn = || {
        let (pty, pts) = pty_process::open()?;
        pty.resize(size(terminal.size))?;
        let child = pty_process::Command::from(command).spawn(pts)?;
        Ok((child, pty.into_split()))
    };
    let spawned: pty_process::Result<_> = spawn();
    let (child, (source, sink)) = spawned.map_err(|error| match error {
        pty_process::Error::Io(error) => error,
        other => io::Error::other(other),
    })?;
    let streams = Streams {
        stdin: Some(Sink::Terminal(sink)),
        stdout: Some(Box::new(source)),
        stderr: None,
    };
    Ok((child, streams))
}

fn size(of: WindowSize) -> pty_process::Size {
    pty_process::Size::new(of.rows, of.columns)
}

fn spawn_error(program: &OsString, error: &io::Error) -> ExecError {
    let program = program.to_string_lossy();
    match error.kind() {
        io::ErrorKind::NotFound => {
            ExecError::CommandNotFound(format!("command `{program}` is not found"))
        }
        _ => ExecError::CommandNotExecutable(format!("command `{program}` cannot be run: {error}")),
    }
}

/// The process group of a command, killed when dropped.
struct Group(Child);

impl Drop for Group {
    fn drop(&mut self) {
        // `id` is `None` once the leader has been reaped; until then the number is the group's.
        let leader = self
            .0
            .id()
            .and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        if let Some(leader) = leader {
            let _ = kill_process_group(leader, Signal::KILL);
        }
    }
}

async fn run(
    mut group: Group,
    streams: Streams,
    typed: mpsc::Receiver<ExecInput>,
    output: mpsc::Sender<ExecOutput>,
) {
    let exited = CancellationToken::new();
    let wait = async {
        let status = group.0.wait().await;
        exited.cancel();
        status
    };
    let work = async {
        let (status, (), ()) = tokio::join!(
            wait,
            copy(streams.stdout, &output, &exited, ExecOutput::Stdout),
            copy(streams.stderr, &output, &exited, ExecOutput::Stderr)
        );
        let code = status.map_or(1, exit_code);
        let _ = output.send(ExecOutput::Exit(code)).await;
    };
    let feeding = async {
        feed(streams.stdin, typed).await;
        // The command goes on when its input has ended.
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = work => {}
        () = feeding => {}
        () = output.closed() => {}
    }
}

/// Passes input on until it ends, or the command reads no more.
async fn feed(stdin: Option<Sink>, mut typed: mpsc::Receiver<ExecInput>) {
    let Some(mut stdin) = stdin else { return };
    while let Some(input) = typed.recv().await {
        let taken = match (input, &mut stdin) {
            (ExecInput::Bytes(bytes), Sink::Pipe(pipe)) => pipe.write_all(&bytes).await,
            (ExecInput::Bytes(bytes), Sink::Terminal(pty)) => pty.write_all(&bytes).await,
            (ExecInput::Resize(to), Sink::Terminal(pty)) => {
                pty.resize(size(to)).map_err(io::Error::other)
            }
            (ExecInput::Resize(_), Sink::Pipe(_)) => Ok(()),
        };
        if taken.is_err() {
            return;
        }
    }
}

async fn copy(
    source: Option<impl AsyncRead + Unpin>,
    output: &mpsc::Sender<ExecOutput>,
    exited: &CancellationToken,
    wrap: fn(Bytes) -> ExecOutput,
) {
    let Some(mut source) = source else { return };
    loop {
        let mut chunk = BytesMut::with_capacity(CHUNK);
        let read = tokio::select! {
            read = source.read_buf(&mut chunk) => read,
            () = silence_after(exited) => return,
        };
        if !matches!(read, Ok(1..)) || output.send(wrap(chunk.freeze())).await.is_err() {
            return;
        }
    }
}

async fn silence_after(exited: &CancellationToken) {
    exited.cancelled().await;
    tokio::time::sleep(DRAIN).await;
}

fn exit_code(status: ExitStatus) -> i32 {
    let by_signal = status.signal().map(|signal| 128 + signal);
    status.code().or(by_signal).unwrap_or(1)
}
