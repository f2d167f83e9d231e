use std::{
    convert::Infallible,
    fs::File,
    io::{self, Read, Write},
    os::unix::fs::PermissionsExt,
    path::Path,
};

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use minicloud_autoscaler::{
    api::{ShellCodec, ShellFrame, ShellRequest},
    instance::InstanceId,
    key_pair::{Challenge, PrivateKey},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    signal::unix::{Signal, SignalKind, signal},
    sync::mpsc,
};
use tokio_util::codec::{FramedRead, FramedWrite};

use super::connect;
use crate::{
    cli::SshArgs,
    failure::{Exit, Failure},
    terminal::{self, Raw},
};

/// A key is about 400 bytes.
const MAX_KEY_BYTES: u64 = 64 * 1024;
const CHUNK: usize = 8 * 1024;
/// Chunks read ahead of the connection.
const READ_AHEAD: usize = 4;

/// A shell, or a command, with our streams as its own; answers its exit code.
pub(crate) async fn run(args: SshArgs) -> Result<u8, Failure> {
    session(args).await.map_err(|failure| match failure.exit {
        Exit::CommandNotFound | Exit::NotExecutable => failure,
        _ => failure.with_exit(Exit::ExecFailed),
    })
}

async fn session(args: SshArgs) -> Result<u8, Failure> {
    let key = read_key(&args.identity_file)?;
    let api = connect(&args.connection)?;
    let path = format!("/v1/instances/{}/shell/challenge", args.instance);
    let nonce = api.post::<Challenge>(&path, &()).await?.nonce;
    let terminal = terminal::describe();
    let request = ShellRequest {
        signature: key.answer(&nonce, &args.instance),
        nonce,
        command: args.command,
        terminal: terminal.clone(),
    };
    let connection = api.shell(&args.instance, &request).await?;
    let (from, to) = tokio::io::split(connection);
    let from = FramedRead::new(from, ShellCodec);
    let to = FramedWrite::new(to, ShellCodec);
    let mut signals =
        Signals::new().map_err(|error| Failure::terminal("follow its signals", &error))?;
    let raw = match terminal {
        Some(_) => Some(Raw::enter().map_err(|error| Failure::terminal("set it up", &error))?),
        None => None,
    };
    let code = tokio::select! {
        code = hear(&args.instance, from) => code,
        never = say(to, signals.window_change) => match never {},
        _ = signals.terminate.recv() => Ok(ended_by(SignalKind::terminate())),
        _ = signals.hangup.recv() => Ok(ended_by(SignalKind::hangup())),
    };
    // Before anything is said of a failure.
    drop(raw);
    code
}

/// Those that would leave the terminal as the command has it.
struct Signals {
    window_change: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            window_change: signal(SignalKind::window_change())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }
}

/// As a shell gives the exit code of what a signal ended.
fn ended_by(signal: SignalKind) -> u8 {
    u8::try_from(128 + signal.as_raw_value()).unwrap_or(u8::MAX)
}

/// Passes the output on; answers the exit code.
async fn hear(
    instance: &InstanceId,
    mut from: FramedRead<impl AsyncRead + Unpin, ShellCodec>,
) -> Result<u8, Failure> {
    loop {
        match from.next().await {
            Some(Ok(ShellFrame::Stdout(bytes))) => copy(io::stdout(), &bytes)?,
            Some(Ok(ShellFrame::Stderr(bytes))) => copy(io::stderr(), &bytes)?,
            Some(Ok(ShellFrame::Exit(code))) => return Ok(u8::try_from(code).unwrap_or(u8::MAX)),
            Some(Ok(ShellFrame::Error(message))) => {
                return Err(Failure::command_failed(instance, message));
            }
            Some(Ok(_)) => {}
            Some(Err(error)) => return Err(Failure::command_lost(&format!("broke off: {error}"))),
            None => return Err(Failure::command_lost("closed the connection")),
        }
    }
}

/// Passes on what is typed and how large the window is; does not resolve.
async fn say(
    mut to: FramedWrite<impl AsyncWrite + Unpin, ShellCodec>,
    mut window_change: Signal,
) -> Infallible {
    let mut typed = read_stdin();
    let mut has_ended = false;
    loop {
        let frame = tokio::select! {
            chunk = typed.recv(), if !has_ended => match chunk {
                Some(bytes) => ShellFrame::Stdin(bytes),
                None => {
                    has_ended = true;
                    ShellFrame::StdinEnd
                }
            },
            Some(()) = window_change.recv() => match terminal::window_size() {
                Some(size) => ShellFrame::Resize(size),
                None => continue,
            },
        };
        if to.send(frame).await.is_err() {
            // What the other side said last tells more than that it listens no more.
            std::future::pending::<()>().await;
        }
    }
}

/// On a thread that nobody waits for: a read from a terminal cannot be called off.
fn read_stdin() -> mpsc::Receiver<Bytes> {
    let (chunks, read) = mpsc::channel(READ_AHEAD);
    std::thread::spawn(move || {
        let mut stdin = io::stdin().lock();
        let mut chunk = [0; CHUNK];
        while let Ok(length @ 1..) = stdin.read(&mut chunk) {
            let bytes = Bytes::copy_from_slice(&chunk[..length]);
            if chunks.blocking_send(bytes).is_err() {
                return;
            }
        }
    });
    read
}

fn read_key(path: &Path) -> Result<PrivateKey, Failure> {
    let unreadable = |error: io::Error| Failure::private_key_unusable(path, &error);
    let file = File::open(path).map_err(unreadable)?;
    let mode = file.metadata().map_err(unreadable)?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(Failure::private_key_open_to_others(path));
    }
    let mut text = String::new();
    file.take(MAX_KEY_BYTES)
        .read_to_string(&mut text)
        .map_err(unreadable)?;
    PrivateKey::from_openssh(&text).map_err(|error| Failure::private_key_unusable(path, &error))
}

fn copy(mut to: impl Write, bytes: &Bytes) -> Result<(), Failure> {
    to.write_all(bytes)
        .and_then(|()| to.flush())
        .map_err(|error| Failure::output_closed(&error))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn keys_that_others_may_read_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        let (text, public) = PrivateKey::from_seed([1; 32]).parts();
        fs::write(&path, text).unwrap();
        for (mode, is_taken) in [(0o644, false), (0o640, false), (0o600, true), (0o400, true)] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(read_key(&path).is_ok(), is_taken, "{mode:o}");
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, public.to_string()).unwrap();
        assert!(read_key(&path).is_err());
    }
}
