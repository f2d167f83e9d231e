//! One line a request, written by a thread of its own: a request never waits for it.

mod alb;
mod json;
mod line;
#[cfg(test)]
mod tests;

use std::{
    fs::OpenOptions,
    hash::{BuildHasher, RandomState},
    io::{self, BufWriter, Write},
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
};

use jiff::Timestamp;
use prometheus::IntCounter;
use tokio::time::Instant;

pub(crate) use line::{Asked, Line, MatchedRule};

use crate::{
    config::{AccessLog, AccessLogFormat, AccessLogOutput, Config},
    ended_request::{EndedRequest, RequestObserver},
};

/// Lines waiting to be written; at 10,000 requests/s, most of a second.
const QUEUE: usize = 8192;
/// And their bytes, as a request line may have 16 KiB.
const QUEUE_BYTES: usize = 16 << 20;

/// Hands lines to the thread that writes them; drops and counts what finds no place.
#[derive(Clone, Debug)]
pub(crate) struct LogSender {
    lines: mpsc::SyncSender<Box<Line>>,
    queued_bytes: Arc<AtomicUsize>,
    dropped: IntCounter,
    /// Makes connections' names such as nobody guesses.
    names: RandomState,
}

/// The writer's end.
struct Queue {
    lines: mpsc::Receiver<Box<Line>>,
    queued_bytes: Arc<AtomicUsize>,
}

impl LogSender {
    pub(crate) fn send(&self, line: Box<Line>) {
        let size = line.size();
        let before = self.queued_bytes.fetch_add(size, Ordering::Relaxed);
        let fits = before + size <= QUEUE_BYTES;
        if !fits || self.lines.try_send(line).is_err() {
            self.queued_bytes.fetch_sub(size, Ordering::Relaxed);
            self.dropped.inc();
        }
    }

    /// The name of the connection that came from `peer` at `born`.
    pub(crate) fn name_of(&self, peer: SocketAddr, port: u16, born: Instant) -> u128 {
        let half = |number: u8| u128::from(self.names.hash_one((number, peer, port, born)));
        half(0) << 64 | half(1)
    }
}

impl Queue {
    fn next(&self) -> Option<Box<Line>> {
        self.lines.recv().ok().inspect(|line| self.forget(line))
    }

    fn waiting(&self) -> impl Iterator<Item = Box<Line>> {
        self.lines.try_iter().inspect(|line| self.forget(line))
    }

    fn forget(&self, line: &Line) {
        self.queued_bytes.fetch_sub(line.size(), Ordering::Relaxed);
    }
}

/// The wall clock, which only what people read needs.
pub(crate) fn now() -> Timestamp {
    #[expect(
        clippy::disallowed_methods,
        reason = "a log line's time is nobody's input"
    )]
    Timestamp::now()
}

/// Who reads the lines.
struct Readers<W> {
    written: Option<(AccessLogFormat, W)>,
    observer: Option<Arc<dyn RequestObserver>>,
}

/// Starts the thread that hands lines to those who read them; none where nobody does. It ends,
/// having handed on all, when the last sender is gone.
pub(crate) fn spawn(
    config: &Config,
    dropped: IntCounter,
) -> io::Result<Option<(LogSender, thread::JoinHandle<()>)>> {
    let readers = Readers {
        written: config.access_log.as_ref().map(open).transpose()?,
        observer: config.request_observer.clone(),
    };
    if readers.is_empty() {
        return Ok(None);
    }
    let (sender, queue) = channel(dropped);
    let reading = thread::Builder::new()
        .name("lb-access-log".into())
        .spawn(move || read_all(&queue, readers))?;
    Ok(Some((sender, reading)))
}

fn channel(dropped: IntCounter) -> (LogSender, Queue) {
    let (sender, lines) = mpsc::sync_channel(QUEUE);
    let queued_bytes = Arc::new(AtomicUsize::new(0));
    let sender = LogSender {
        lines: sender,
        queued_bytes: Arc::clone(&queued_bytes),
        dropped,
        names: RandomState::new(),
    };
    let queue = Queue {
        lines,
        queued_bytes,
    };
    (sender, queue)
}

fn open(log: &AccessLog) -> io::Result<(AccessLogFormat, BufWriter<Box<dyn Write + Send>>)> {
    let out: Box<dyn Write + Send> = match &log.output {
        AccessLogOutput::Stdout => Box::new(io::stdout()),
        AccessLogOutput::File(path) => {
            Box::new(OpenOptions::new().create(true).append(true).open(path)?)
        }
    };
    Ok((log.format, BufWriter::new(out)))
}

fn read_all<W: Write>(queue: &Queue, mut readers: Readers<W>) {
    let mut text = Vec::new();
    while let Some(line) = queue.next() {
        readers.read_burst(line, queue, &mut text);
        if readers.is_empty() {
            return;
        }
    }
}

impl<W: Write> Readers<W> {
    fn is_empty(&self) -> bool {
        self.written.is_none() && self.observer.is_none()
    }

    /// Hands on all that waits, then flushes: a busy log costs few writes, a quiet one no delay.
    fn read_burst(&mut self, first: Box<Line>, queue: &Queue, text: &mut Vec<u8>) {
        for line in std::iter::once(first).chain(queue.waiting()) {
            if let Some(observer) = &self.observer {
                observer.ended(&EndedRequest::of(&line));
            }
            self.write(|format, out| {
                text.clear();
                match format {
                    AccessLogFormat::Alb => alb::put(text, &line),
                    AccessLogFormat::Json => json::put(text, &line),
                }
                text.push(b'\n');
                out.write_all(text)
            });
        }
        self.write(|_, out| out.flush());
    }

    /// Writes where there is a log; one that fails is none any more.
    fn write(&mut self, write: impl FnOnce(AccessLogFormat, &mut W) -> io::Result<()>) {
        let Some((format, out)) = &mut self.written else {
            return;
        };
        if let Err(error) = write(*format, out) {
            tracing::warn!(%error, "the access log cannot be written; logging stops");
            self.written = None;
        }
    }
}
