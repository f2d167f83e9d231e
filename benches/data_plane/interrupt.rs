//! Whoever ends the benchmark early ends what it has started.

use std::thread;

use rustix::process::Signal;
use tokio::signal::unix::{SignalKind, signal};

use crate::process::Processes;

/// What a shell shows for SIGINT.
const INTERRUPTED: i32 = 130;

/// From now on SIGINT and SIGTERM reach every process below this one, and then end this one.
pub(crate) fn listen() {
    thread::spawn(|| {
        wait();
        Processes::below(std::process::id()).signal(Signal::TERM);
        std::process::exit(INTERRUPTED);
    });
}

#[tokio::main(flavor = "current_thread")]
async fn wait() {
    let mut interrupt = signal(SignalKind::interrupt()).unwrap();
    let mut terminate = signal(SignalKind::terminate()).unwrap();
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}
