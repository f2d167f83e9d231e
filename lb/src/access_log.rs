use std::{
    fs::{File, OpenOptions},
    io::{self, BufWriter, Write},
    net::IpAddr,
    sync::mpsc,
    thread,
};

use jiff::Timestamp;
use prometheus::IntCounter;
use serde::Serialize;

use crate::config::AccessLog;

/// Lines waiting to be written; at 10,000 requests/s, most of a second.
const QUEUE: usize = 8192;

/// Hands lines to the thread that writes them; never waits for it.
#[derive(Clone, Debug)]
pub(crate) struct LogSender {
    lines: mpsc::SyncSender<Line>,
    dropped: IntCounter,
}

/// One served request.
#[derive(Debug, Serialize)]
pub(crate) struct Line {
    pub(crate) time: Timestamp,
    pub(crate) client: IpAddr,
    pub(crate) port: u16,
    pub(crate) method: String,
    pub(crate) host: String,
    pub(crate) uri: String,
    pub(crate) status: u16,
    pub(crate) target_group: String,
    pub(crate) target: Option<String>,
    pub(crate) attempts: u32,
    pub(crate) bytes_sent: u64,
    pub(crate) duration_ms: f64,
    /// Why the balancer answered by itself, or why the response is incomplete.
    pub(crate) fault: Option<String>,
}

impl LogSender {
    pub(crate) fn send(&self, line: Line) {
        if self.lines.try_send(line).is_err() {
            self.dropped.inc();
        }
    }
}

/// The wall clock, which only the log needs.
pub(crate) fn now() -> Timestamp {
    #[expect(
        clippy::disallowed_methods,
        reason = "a log line's time is nobody's input"
    )]
    Timestamp::now()
}

/// Starts the writer. It ends, having written all, when the last sender is gone.
pub(crate) fn spawn(
    log: &AccessLog,
    dropped: IntCounter,
) -> io::Result<(LogSender, thread::JoinHandle<()>)> {
    let out: Box<dyn Write + Send> = match log {
        AccessLog::Stdout => Box::new(io::stdout()),
        AccessLog::File(path) => Box::new(open(path)?),
    };
    let (lines, queue) = mpsc::sync_channel(QUEUE);
    let writer = thread::Builder::new()
        .name("lb-access-log".into())
        .spawn(move || write_all(&queue, BufWriter::new(out)))?;
    Ok((LogSender { lines, dropped }, writer))
}

fn open(path: &std::path::Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

fn write_all(queue: &mpsc::Receiver<Line>, mut out: impl Write) {
    while let Ok(line) = queue.recv() {
        let written = write_burst(line, queue, &mut out);
        if let Err(error) = written {
            tracing::warn!(%error, "the access log cannot be written; logging stops");
            return;
        }
    }
}

/// Writes all that waits, then flushes: a busy log costs few writes, a quiet one no delay.
fn write_burst(first: Line, queue: &mpsc::Receiver<Line>, out: &mut impl Write) -> io::Result<()> {
    for line in std::iter::once(first).chain(queue.try_iter()) {
        serde_json::to_writer(&mut *out, &line)?;
        out.write_all(b"\n")?;
    }
    out.flush()
}
