use std::{
    collections::HashMap,
    ffi::OsString,
    fmt::Display,
    io::{self, Write as _},
    process::ExitCode,
};

use tokio::{
    net::TcpListener,
    runtime::{Builder, Runtime},
    signal::unix::{SignalKind, signal},
};

use crate::{Config, run, stress};

const USAGE: &str = "\
Usage: sample-app                 serve, as PORT, BIND, GREETING and MINICLOUD_* say
       sample-app stress [FLAGS]  burn CPU, with stress's own flags
";
/// As clap ends on a wrong argument.
const EXIT_USAGE: u8 = 2;
/// As sysexits.h names it: the configuration is wrong.
const EXIT_CONFIG: u8 = 78;

/// Runs the command with `args`, which do not begin with the program's name, in the process's
/// own environment, until SIGTERM or SIGINT (which it handles itself, so that it may be the
/// first process of a container).
///
/// Exit codes: 0 done or drained, 1 could not serve or stress, 2 unknown argument, 78 bad
/// environment. Must not be called from within a tokio runtime.
pub fn main_with_args(mut args: impl Iterator<Item = OsString>) -> ExitCode {
    let word = args.next();
    match word
        .as_deref()
        .map(|word| word.to_string_lossy())
        .as_deref()
    {
        None => serve(),
        Some("stress") => stress::main(args),
        Some("-h" | "--help") => {
            let _ = io::stdout().write_all(USAGE.as_bytes());
            ExitCode::SUCCESS
        }
        Some(other) => complain(
            EXIT_USAGE,
            format_args!("unknown argument {other:?}\n{USAGE}"),
        ),
    }
}

fn serve() -> ExitCode {
    let config = match Config::from_env(&environment()) {
        Ok(config) => config,
        Err(error) => return complain(EXIT_CONFIG, error),
    };
    match runtime().and_then(|runtime| serve_on(&runtime, config)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => complain(1, error),
    }
}

fn serve_on(runtime: &Runtime, config: Config) -> io::Result<()> {
    runtime.block_on(async {
        // Before the first connection: a signal must never find the default action.
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let listener = TcpListener::bind(config.address)
            .await
            .map_err(|error| cannot_listen(&config, &error))?;
        let _ = writeln!(
            io::stdout(),
            "{} listens on {}",
            config.instance_id,
            listener.local_addr()?
        );
        let shutdown = async {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        run(config, listener, shutdown).await
    })
}

fn cannot_listen(config: &Config, error: &io::Error) -> io::Error {
    let fix = match error.kind() {
        io::ErrorKind::AddrInUse => "; set PORT to a free one",
        _ => "",
    };
    io::Error::new(
        error.kind(),
        format!("cannot listen on {}: {error}{fix}", config.address),
    )
}

/// One thread for everything but work: an instance should cost little when idle.
pub(crate) fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

fn environment() -> HashMap<String, String> {
    std::env::vars_os()
        .map(|(name, value)| {
            (
                name.to_string_lossy().into_owned(),
                value.to_string_lossy().into_owned(),
            )
        })
        .collect()
}

fn complain(code: u8, message: impl Display) -> ExitCode {
    let _ = writeln!(io::stderr(), "sample-app: {message}");
    ExitCode::from(code)
}
