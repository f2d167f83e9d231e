use std::task::{Context, Poll, ready};

use crate::{
    buffer::Buffer,
    fault::Fault,
    http1::{BodyLength, ChunkedDecoder, LAST_CHUNK, Piece, put_chunk_head},
    stream::Stream,
    watch::{Side, Watch},
};

/// Bytes taken from the client at a time, so that one upload does not hold the worker.
const PIECE: usize = 64 * 1024;

/// A request on its way to a target: the head as targets get it, then the client's body as
/// it comes in, decoded and framed anew.
///
/// Its first bytes are kept while they are few, so that a second try can send them again.
#[derive(Debug)]
pub(crate) struct Outbound {
    /// What is to be written: all from the start while `is_whole`, else from where the
    /// bytes before were dropped.
    wire: Vec<u8>,
    body: Body,
    is_whole: bool,
    /// Bytes of `wire` up to which it is kept whole.
    keep: usize,
    head_length: usize,
    /// The head, once the wire has let it go.
    head: Vec<u8>,
    received: u64,
    limit: Option<u64>,
    /// The client waits for "100 Continue" before it sends the body.
    awaits_continue: bool,
}

#[derive(Debug)]
enum Body {
    Done,
    Length(u64),
    Chunked(ChunkedDecoder),
}

/// How far one try has come.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    written: usize,
    /// The target takes no more; what it has to say is still to be read.
    is_refused: bool,
}

impl Outbound {
    /// `head` is the whole head; up to `keep` bytes of body are kept to be sent again.
    pub(crate) fn new(
        head: Vec<u8>,
        body: BodyLength,
        keep: usize,
        limit: Option<u64>,
        awaits_continue: bool,
    ) -> Self {
        Self {
            keep: head.len() + keep,
            head_length: head.len(),
            head: Vec::new(),
            wire: head,
            body: match body {
                BodyLength::None | BodyLength::UntilClose | BodyLength::Length(0) => Body::Done,
                BodyLength::Length(length) => Body::Length(length),
                BodyLength::Chunked => Body::Chunked(ChunkedDecoder::new()),
            },
            is_whole: true,
            received: 0,
            limit,
            awaits_continue,
        }
    }

    /// Whether the client has sent all.
    pub(crate) fn is_complete(&self) -> bool {
        matches!(self.body, Body::Done)
    }

    /// Whether a second try could send all from the start.
    pub(crate) fn is_replayable(&self) -> bool {
        self.is_whole
    }

    /// The client's body bytes so far, without framing.
    pub(crate) fn received(&self) -> u64 {
        self.received
    }

    /// Whether the client is to be told to continue; asks once.
    pub(crate) fn take_continue(&mut self) -> bool {
        std::mem::take(&mut self.awaits_continue) && !self.is_complete()
    }

    pub(crate) fn into_memory(self) -> Vec<u8> {
        self.wire
    }

    /// The head, for those who want to say what was asked.
    pub(crate) fn head(&self) -> &[u8] {
        match self.is_whole {
            true => &self.wire[..self.head_length],
            false => &self.head,
        }
    }

    /// Ready when all is written; pending for ever once the target refuses to take more, as
    /// it may have answered: reading tells.
    pub(crate) fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        progress: &mut Progress,
        target: &mut Stream,
        client: &mut Stream,
        input: &mut Buffer,
        watch: &Watch,
    ) -> Poll<Result<(), Fault>> {
        loop {
            if progress.is_refused {
                return Poll::Pending;
            }
            if progress.written < self.wire.len() {
                let written = target.poll_write(cx, &self.wire[progress.written..]);
                match written {
                    Poll::Ready(Ok(count)) => {
                        progress.written += count;
                        watch.target_progress();
                    }
                    Poll::Ready(Err(_)) => progress.is_refused = true,
                    Poll::Pending => {
                        watch.awaits(Side::Target);
                        return Poll::Pending;
                    }
                }
                continue;
            }
            if self.is_complete() {
                watch.awaits(Side::Target);
                return Poll::Ready(Ok(()));
            }
            if self.is_whole && self.wire.len() > self.keep {
                self.is_whole = false;
                self.head = self.wire[..self.head_length].to_vec();
            }
            if !self.is_whole {
                self.wire.clear();
                progress.written = 0;
            }
            if self.take_in(input)? == 0 {
                watch.awaits(Side::Client);
                let count = ready!(fill(cx, input, client))?;
                watch.progress(count);
            }
        }
    }

    /// Moves bytes from `input` to `wire`; returns how many, 0 if more are needed first.
    fn take_in(&mut self, input: &mut Buffer) -> Result<usize, Fault> {
        let bytes = input.filled();
        let bytes = &bytes[..bytes.len().min(PIECE)];
        let consumed = match &mut self.body {
            Body::Done => 0,
            Body::Length(remaining) => {
                let count = bytes
                    .len()
                    .min(usize::try_from(*remaining).unwrap_or(usize::MAX));
                self.wire.extend_from_slice(&bytes[..count]);
                self.received += count as u64;
                *remaining -= count as u64;
                if *remaining == 0 {
                    self.body = Body::Done;
                }
                count
            }
            Body::Chunked(decoder) => match decoder.decode(bytes).map_err(Fault::Chunk)? {
                Piece::More { consumed } => consumed,
                Piece::Data { start, end } => {
                    put_chunk_head(&mut self.wire, (end - start) as u64);
                    self.wire.extend_from_slice(&bytes[start..end]);
                    self.wire.extend_from_slice(b"\r\n");
                    self.received += (end - start) as u64;
                    end
                }
                Piece::End { consumed } => {
                    put_last_chunk(&mut self.wire, decoder.trailers());
                    self.body = Body::Done;
                    consumed
                }
            },
        };
        input.consume(consumed);
        if self.limit.is_some_and(|limit| self.received > limit) {
            return Err(Fault::BodyTooLarge);
        }
        Ok(consumed)
    }
}

/// Writes the end of a chunked body.
pub(super) fn put_last_chunk(out: &mut Vec<u8>, trailers: &[u8]) {
    match trailers.is_empty() {
        true => out.extend_from_slice(LAST_CHUNK),
        false => {
            out.extend_from_slice(b"0\r\n");
            out.extend_from_slice(trailers);
            out.extend_from_slice(b"\r\n");
        }
    }
}

/// Reads from a client that is to send; its end is not an end of the body.
fn fill(
    cx: &mut Context<'_>,
    input: &mut Buffer,
    client: &mut Stream,
) -> Poll<Result<usize, Fault>> {
    input.make_room(PIECE);
    match ready!(input.poll_fill(cx, client)) {
        Ok(0) => Poll::Ready(Err(Fault::ClientGone)),
        Ok(count) => Poll::Ready(Ok(count)),
        Err(_) => Poll::Ready(Err(Fault::ClientGone)),
    }
}
