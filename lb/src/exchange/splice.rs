//! Large bodies from socket to socket inside the kernel: splice(2) through a pipe copies no
//! byte to us and back.

use std::{
    cell::{Cell, RefCell},
    io,
    os::fd::OwnedFd,
    rc::Rc,
    task::{Context, Poll, ready},
};

use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};
use tokio::io::Interest;

use crate::stream::Stream;

/// Bodies with less to come are read and written: a pipe's calls would cost more.
pub(super) const WORTHWHILE: u64 = 64 * 1024;
/// Asked of the kernel for each pipe; it may grant less.
const CAPACITY: usize = 256 * 1024;
/// Pipes of a worker, two descriptors each: who finds none is served by reading and writing.
const MOST: usize = 64;

/// A worker's pipes.
#[derive(Debug, Default)]
pub(crate) struct Pipes {
    free: RefCell<Vec<Ends>>,
    lent: Rc<Cell<usize>>,
}

#[derive(Debug)]
struct Ends {
    read: OwnedFd,
    write: OwnedFd,
}

/// A pipe, and what it holds on its way from one socket to the other.
#[derive(Debug)]
pub(crate) struct Pipe {
    ends: Ends,
    held: usize,
    _loan: Loan,
}

/// One of the pipes that are in use.
#[derive(Debug)]
struct Loan(Rc<Cell<usize>>);

impl Pipes {
    /// None where there are too many, or the process has no descriptors left.
    pub(super) fn take(&self) -> Option<Pipe> {
        if self.lent.get() >= MOST {
            return None;
        }
        let free = self.free.borrow_mut().pop();
        let ends = free.or_else(|| Ends::new().ok())?;
        Some(Pipe {
            ends,
            held: 0,
            _loan: Loan::new(&self.lent),
        })
    }

    /// Takes a pipe back; one that holds bytes of a broken response is closed.
    pub(crate) fn put(&self, pipe: Pipe) {
        if pipe.held == 0 {
            self.free.borrow_mut().push(pipe.ends);
        }
    }
}

impl Ends {
    fn new() -> io::Result<Self> {
        let (read, write) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        // Not granted, it stays as it is.
        let _ = fcntl_setpipe_size(&write, CAPACITY);
        Ok(Self { read, write })
    }
}

impl Pipe {
    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// Takes up to `most` bytes out of `source`; 0 is its end. The pipe must be empty.
    pub(super) fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        source: &Stream,
        most: u64,
    ) -> Poll<io::Result<usize>> {
        debug_assert_eq!(self.held, 0, "a full pipe looks like an empty socket");
        let most = usize::try_from(most).unwrap_or(CAPACITY).min(CAPACITY);
        let filled = source.poll_with(cx, Interest::READABLE, |socket| {
            Ok(splice(socket, None, &self.ends.write, None, most, FLAGS)?)
        });
        let count = ready!(filled)?;
        self.held = count;
        Poll::Ready(Ok(count))
    }

    /// Gives what it holds to `sink`, as far as that takes it.
    pub(super) fn poll_drain(
        &mut self,
        cx: &mut Context<'_>,
        sink: &Stream,
    ) -> Poll<io::Result<usize>> {
        let drained = sink.poll_with(cx, Interest::WRITABLE, |socket| {
            let read = &self.ends.read;
            Ok(splice(read, None, socket, None, self.held, FLAGS)?)
        });
        let count = ready!(drained)?;
        self.held -= count;
        Poll::Ready(Ok(count))
    }
}

impl Loan {
    fn new(lent: &Rc<Cell<usize>>) -> Self {
        lent.set(lent.get() + 1);
        Self(Rc::clone(lent))
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

const FLAGS: SpliceFlags = SpliceFlags::MOVE.union(SpliceFlags::NONBLOCK);
