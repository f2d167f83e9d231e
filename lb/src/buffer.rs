//! Bytes that were read and not used yet. The memory belongs to the worker: a connection
//! that waits holds none.

use std::{
    cell::RefCell,
    io,
    task::{Context, Poll, ready},
};

use tokio::io::ReadBuf;

use crate::stream::Stream;

/// Buffers kept for the next connection; more are given back to the allocator.
const KEPT: usize = 64;

/// A window of bytes in memory that is all initialised, so that reading needs no `unsafe`.
#[derive(Debug, Default)]
pub(crate) struct Buffer {
    memory: Vec<u8>,
    start: usize,
    end: usize,
}

/// A worker's free buffers, all of one size.
#[derive(Debug)]
pub(crate) struct Buffers {
    size: usize,
    free: RefCell<Vec<Vec<u8>>>,
}

impl Buffer {
    pub(crate) fn filled(&self) -> &[u8] {
        &self.memory[self.start..self.end]
    }

    pub(crate) fn len(&self) -> usize {
        self.end - self.start
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Forgets the first `count` bytes.
    pub(crate) fn consume(&mut self, count: usize) {
        debug_assert!(count <= self.len());
        self.start += count;
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
    }

    /// Whether there is room for a byte, after moving or, up to `most` bytes, growing.
    pub(crate) fn make_room(&mut self, most: usize) -> bool {
        if self.end < self.memory.len() {
            return true;
        }
        if self.start > 0 {
            self.memory.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
            return true;
        }
        let size = (self.memory.len() * 2).min(most);
        let has_grown = size > self.memory.len();
        if has_grown {
            self.memory.resize(size, 0);
        }
        has_grown
    }

    /// Reads once; 0 is the end of the stream. There must be room.
    pub(crate) fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut Stream,
    ) -> Poll<io::Result<usize>> {
        debug_assert!(self.end < self.memory.len(), "there is room");
        let mut free = ReadBuf::new(&mut self.memory[self.end..]);
        ready!(stream.poll_read(cx, &mut free))?;
        let count = free.filled().len();
        self.end += count;
        Poll::Ready(Ok(count))
    }
}

impl Buffer {
    /// Ready at the end of `stream`. What comes before is taken in, up to `most` bytes.
    pub(crate) fn poll_end(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut Stream,
        most: usize,
    ) -> Poll<()> {
        while self.make_room(most) {
            match ready!(self.poll_fill(cx, stream)) {
                Ok(count) if count > 0 => {}
                _ => return Poll::Ready(()),
            }
        }
        Poll::Pending
    }
}

impl Buffers {
    pub(crate) fn new(size: usize) -> Self {
        Self {
            size,
            free: RefCell::default(),
        }
    }

    pub(crate) fn take(&self) -> Buffer {
        let free = self.free.borrow_mut().pop();
        Buffer {
            memory: free.unwrap_or_else(|| vec![0; self.size]),
            start: 0,
            end: 0,
        }
    }

    /// Takes a buffer back, whatever is in it.
    pub(crate) fn put(&self, buffer: Buffer) {
        let mut free = self.free.borrow_mut();
        if buffer.memory.len() == self.size && free.len() < KEPT {
            free.push(buffer.memory);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_moved_to_before_it_grows() {
        let buffers = Buffers::new(4);
        let mut buffer = buffers.take();
        buffer.end = 4;
        buffer.memory.copy_from_slice(b"abcd");
        buffer.consume(3);
        assert!(buffer.make_room(4));
        assert_eq!((buffer.filled(), buffer.memory.len()), (&b"d"[..], 4));
        buffer.end = 4;
        assert!(!buffer.make_room(4), "full");
        assert!(buffer.make_room(6));
        assert_eq!((buffer.len(), buffer.memory.len()), (4, 6));
    }

    #[test]
    fn only_buffers_of_the_pools_size_come_back() {
        let buffers = Buffers::new(4);
        let mut grown = buffers.take();
        grown.end = 4;
        grown.make_room(8);
        buffers.put(grown);
        assert!(buffers.free.borrow().is_empty());
        buffers.put(buffers.take());
        assert_eq!(buffers.free.borrow().len(), 1);
        assert!(buffers.take().is_empty());
    }
}
