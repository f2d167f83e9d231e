//! `sample-app stress`: burns CPU under the flags and with the words of the tool `stress`,
//! of which it knows the CPU hogs only.

mod flags;

use std::{
    ffi::OsString,
    fmt::Arguments,
    future::pending,
    io::{self, Write as _},
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use tokio::{
    signal::unix::{SignalKind, signal},
    time::{Instant, sleep},
};

use self::flags::{Flags, Wish};
use crate::{burn, command::runtime};

const USAGE: &str = "\
Burns CPU as the tool stress does.

Usage: sample-app stress [FLAGS]
 -c, --cpu N      spawn N threads spinning on sqrt()
 -t, --timeout N  stop after N seconds; N may end in s, m, h, d or y
 -q, --quiet      say nothing but faults
 -v, --verbose    say more
 -?, --help       show this text
";

/// Exit codes: 0 when the time is up, 1 when the flags are wrong or a thread cannot be had,
/// 128 + the signal's number when a signal ended it.
pub(crate) fn main(args: impl Iterator<Item = OsString>) -> ExitCode {
    match flags::parse(args) {
        Ok(Wish::Usage) => {
            let _ = io::stdout().write_all(USAGE.as_bytes());
            ExitCode::SUCCESS
        }
        Ok(Wish::Run(flags)) => run(&flags).unwrap_or_else(|error| fail(format_args!("{error}"))),
        Err(error) => {
            let code = fail(format_args!("{error}"));
            let _ = io::stderr().write_all(USAGE.as_bytes());
            code
        }
    }
}

enum End {
    TimeIsUp,
    Signal(SignalKind),
}

fn run(flags: &Flags) -> io::Result<ExitCode> {
    runtime()?.block_on(async {
        // Before the first word: who reads it may send a signal.
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let start = Instant::now();
        let hogs = Hogs::spawn(flags)?;
        let end = tokio::select! {
            () = time_is_up(flags.timeout) => End::TimeIsUp,
            _ = terminate.recv() => End::Signal(SignalKind::terminate()),
            _ = interrupt.recv() => End::Signal(SignalKind::interrupt()),
        };
        hogs.join(flags);
        Ok(flags.exit_code(&end, start.elapsed()))
    })
}

async fn time_is_up(timeout: Option<Duration>) {
    match timeout {
        Some(timeout) => sleep(timeout).await,
        None => pending().await,
    }
}

/// Threads that use all CPU time they are given; they stop when this is dropped.
struct Hogs {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Hogs {
    fn spawn(flags: &Flags) -> io::Result<Self> {
        flags.announce();
        let mut hogs = Self {
            stop: Arc::default(),
            threads: Vec::new(),
        };
        for number in 1..=flags.cpus {
            let stop = Arc::clone(&hogs.stop);
            let thread = thread::Builder::new().spawn(move || burn::until(&stop))?;
            hogs.threads.push(thread);
            flags.debug(format_args!("--> hogcpu worker {number} started"));
        }
        Ok(hogs)
    }

    fn join(mut self, flags: &Flags) {
        self.stop.store(true, Ordering::Relaxed);
        for (number, thread) in (1..).zip(self.threads.drain(..)) {
            if thread.join().is_ok() {
                flags.debug(format_args!("<-- worker {number} stopped"));
            }
        }
    }
}

impl Drop for Hogs {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

impl Flags {
    fn announce(&self) {
        let cpus = self.cpus;
        self.info(format_args!(
            "dispatching hogs: {cpus} cpu, 0 io, 0 vm, 0 hdd"
        ));
        if let Some(timeout) = self.timeout {
            self.debug(format_args!("setting timeout to {}s", timeout.as_secs()));
        }
    }

    fn exit_code(&self, end: &End, elapsed: Duration) -> ExitCode {
        match end {
            End::TimeIsUp => {
                let seconds = elapsed.as_secs();
                self.info(format_args!("successful run completed in {seconds}s"));
                ExitCode::SUCCESS
            }
            End::Signal(kind) => {
                let number = u8::try_from(kind.as_raw_value()).unwrap_or(0);
                ExitCode::from(128 + number)
            }
        }
    }

    fn info(&self, message: Arguments<'_>) {
        if !self.quiet {
            say("info", message);
        }
    }

    fn debug(&self, message: Arguments<'_>) {
        if self.verbose && !self.quiet {
            say("dbug", message);
        }
    }
}

fn say(level: &str, message: Arguments<'_>) {
    let _ = writeln!(
        io::stdout(),
        "stress: {level}: [{}] {message}",
        std::process::id()
    );
}

fn fail(message: Arguments<'_>) -> ExitCode {
    let _ = writeln!(
        io::stderr(),
        "stress: FAIL: [{}] {message}",
        std::process::id()
    );
    ExitCode::FAILURE
}
