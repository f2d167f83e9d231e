use std::{
    io::{self, IoSlice},
    task::{Context, Poll, ready},
};

use crate::{
    buffer::Buffer,
    client::Client,
    exchange::{
        lease::Lease,
        outbound::put_last_chunk,
        splice::{self, Pipe},
    },
    fault::Fault,
    gzip::Gzip,
    heads::OutboundLength,
    http1::{BodyLength, ChunkedDecoder, Piece, put_chunk_head},
    stream::Stream,
    watch::Side,
    worker::Worker,
};

/// A body's bytes held for a client that does not take them: what a slow reader costs.
const MOST_BUFFERED: usize = 32 * 1024;

/// A body as short as this is written with its head.
const COPIED: usize = 2 * 1024;

/// A response on its way to the client: its head, then the body, each piece as soon as it is
/// there and as fast as the client takes it.
pub(crate) struct Relay {
    /// The head, and whatever of the body does not go as it came.
    out: Vec<u8>,
    written: usize,
    bytes: Buffer,
    source: Source,
    gzip: Option<Gzip>,
    /// For a body that is large and goes as it comes.
    pipe: Option<Pipe>,
    sink: OutboundLength,
    sends_trailers: bool,
    /// Until the last byte of the response is here.
    lease: Option<Lease>,
    /// Whether the connection may serve another request after this one.
    is_reusable: bool,
    /// Whether all of the request is at the target.
    is_sent: bool,
    sent: u64,
}

/// How the target frames what is still to come.
enum Source {
    Done,
    Length(u64),
    Chunked(ChunkedDecoder),
    UntilClose,
}

impl Relay {
    /// `out` is the whole head, `bytes` what has come after the target's.
    pub(crate) fn new(
        out: Vec<u8>,
        bytes: Buffer,
        body: BodyLength,
        sink: OutboundLength,
        lease: Lease,
        is_reusable: bool,
    ) -> Self {
        Self {
            out,
            written: 0,
            bytes,
            source: match body {
                BodyLength::None | BodyLength::Length(0) => Source::Done,
                BodyLength::Length(length) => Source::Length(length),
                BodyLength::Chunked => Source::Chunked(ChunkedDecoder::new()),
                BodyLength::UntilClose => Source::UntilClose,
            },
            gzip: None,
            pipe: None,
            sink,
            sends_trailers: false,
            lease: Some(lease),
            is_reusable,
            is_sent: false,
            sent: 0,
        }
    }

    /// What the body is compressed with on its way.
    pub(crate) fn compress(&mut self, gzip: Option<Gzip>) {
        self.gzip = gzip;
    }

    /// Whether the client takes trailers.
    pub(crate) fn pass_trailers(&mut self, takes_trailers: bool) {
        self.sends_trailers = takes_trailers;
    }

    /// All of the request is at the target now.
    pub(crate) fn note_sent(&mut self) {
        self.is_sent = true;
    }

    /// Bytes that the client took, the head included.
    pub(crate) fn sent(&self) -> u64 {
        self.sent
    }

    pub(crate) fn lease(&mut self) -> Option<&mut Lease> {
        self.lease.as_mut()
    }

    /// Gives back what was borrowed from the worker.
    pub(crate) fn finish(&mut self, worker: &Worker) {
        worker.wires.put(std::mem::take(&mut self.out));
        worker.target_buffers.put(std::mem::take(&mut self.bytes));
        if let Some(gzip) = self.gzip.take() {
            worker.gzips.put(gzip);
        }
        if let Some(pipe) = self.pipe.take() {
            worker.pipes.put(pipe);
        }
    }

    /// Ready when the client has all of it.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        client: &Client,
        stream: &mut Stream,
    ) -> Poll<Result<(), Fault>> {
        loop {
            self.note_end(client);
            let plain = self.plain();
            if self.written < self.out.len() || plain > 0 {
                ready!(self.poll_write(cx, plain, client, stream))?;
                continue;
            }
            if matches!(self.source, Source::Done) && self.lease.is_none() {
                return Poll::Ready(Ok(()));
            }
            self.out.clear();
            self.written = 0;
            if self.recode()? {
                continue;
            }
            if self.is_spliced(client) {
                ready!(self.poll_splice(cx, client, stream))?;
                continue;
            }
            match self.poll_fill(cx, client) {
                Poll::Ready(filled) => filled?,
                // While the target is silent, the client has all that it said.
                Poll::Pending if self.flush() => {}
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// How many bytes of `bytes` go as they came.
    fn plain(&self) -> usize {
        match (&self.source, self.sink) {
            _ if self.gzip.is_some() => 0,
            (Source::Length(remaining), _) => {
                let remaining = usize::try_from(*remaining).unwrap_or(usize::MAX);
                self.bytes.len().min(remaining)
            }
            (Source::UntilClose, OutboundLength::UntilClose) => self.bytes.len(),
            _ => 0,
        }
    }

    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        plain: usize,
        client: &Client,
        stream: &mut Stream,
    ) -> Poll<Result<(), Fault>> {
        let plain = match plain <= COPIED && self.written < self.out.len() {
            true => self.copy(plain),
            false => plain,
        };
        let head = &self.out[self.written..];
        let body = &self.bytes.filled()[..plain];
        let polled = match (head.is_empty(), body.is_empty()) {
            (true, _) => stream.poll_write(cx, body),
            (_, true) => stream.poll_write(cx, head),
            _ => stream.poll_write_vectored(cx, &[IoSlice::new(head), IoSlice::new(body)]),
        };
        let count = ready!(self.note_written(polled, client))?;
        let of_head = count.min(self.out.len() - self.written);
        self.written += of_head;
        let of_body = count - of_head;
        self.bytes.consume(of_body);
        self.take(of_body);
        Poll::Ready(Ok(()))
    }

    /// Lets `count` bytes of the body follow the head: one slice costs the kernel less than two.
    /// Returns how many are left, which is none.
    fn copy(&mut self, count: usize) -> usize {
        self.out.extend_from_slice(&self.bytes.filled()[..count]);
        self.bytes.consume(count);
        self.take(count);
        0
    }

    /// `count` bytes of the body are on their way.
    fn take(&mut self, count: usize) {
        if let Source::Length(remaining) = &mut self.source {
            *remaining -= count as u64;
            if *remaining == 0 {
                self.source = Source::Done;
            }
        }
    }

    /// Whether what is still to come goes through a pipe: it is much, and nothing is done to it.
    fn is_spliced(&mut self, client: &Client) -> bool {
        if self.pipe.is_some() {
            return true;
        }
        let Source::Length(remaining) = self.source else {
            return false;
        };
        let is_plain = self.gzip.is_none() && self.bytes.is_empty();
        if is_plain && remaining >= splice::WORTHWHILE {
            self.pipe = client.worker.pipes.take();
        }
        self.pipe.is_some()
    }

    /// Moves some of the body. `bytes` is empty, and so is `out`.
    fn poll_splice(
        &mut self,
        cx: &mut Context<'_>,
        client: &Client,
        stream: &Stream,
    ) -> Poll<Result<(), Fault>> {
        let (Source::Length(remaining), Some(pipe)) = (&mut self.source, &mut self.pipe) else {
            return Poll::Ready(Ok(()));
        };
        if pipe.held() == 0 {
            let Some(lease) = &self.lease else {
                return Poll::Ready(Ok(()));
            };
            client.watch.awaits(Side::Target);
            match ready!(pipe.poll_fill(cx, &lease.upstream.stream, *remaining)) {
                Ok(count) if count > 0 => client.watch.target_progress(),
                _ => return self.end_of_stream(),
            }
            // The connection may be free for another request now.
            return Poll::Ready(Ok(()));
        }
        let polled = pipe.poll_drain(cx, stream);
        let count = ready!(self.note_written(polled, client))?;
        self.take(count);
        Poll::Ready(Ok(()))
    }

    /// Takes note of what the client took, or that it is its turn.
    fn note_written(
        &mut self,
        polled: Poll<io::Result<usize>>,
        client: &Client,
    ) -> Poll<Result<usize, Fault>> {
        if polled.is_pending() {
            client.watch.awaits(Side::Client);
        }
        match ready!(polled) {
            Ok(count) if count > 0 => {
                client.watch.progress(count);
                self.sent += count as u64;
                Poll::Ready(Ok(count))
            }
            _ => Poll::Ready(Err(Fault::ClientGone)),
        }
    }

    /// Gives the connection back as soon as the last byte is here, before the client has it.
    fn note_end(&mut self, client: &Client) {
        let here = self.bytes.len() + self.pipe.as_ref().map_or(0, Pipe::held);
        let rest = match &self.source {
            Source::Done => here as u64,
            Source::Length(remaining) if here as u64 >= *remaining => here as u64 - remaining,
            _ => return,
        };
        if let Some(lease) = self.lease.take()
            && self.is_reusable
            && self.is_sent
            && rest == 0
        {
            lease.give_back(client);
        }
    }

    /// Decodes and frames anew what is there; false if more must come first.
    fn recode(&mut self) -> Result<bool, Fault> {
        let bytes = self.bytes.filled();
        if bytes.is_empty() {
            return Ok(false);
        }
        let mut sink = Sink {
            out: &mut self.out,
            gzip: self.gzip.as_mut(),
            length: self.sink,
        };
        let consumed = match &mut self.source {
            Source::Done => return Ok(false),
            Source::Length(remaining) => {
                let most = usize::try_from(*remaining).unwrap_or(usize::MAX);
                let count = bytes.len().min(most);
                sink.put(&bytes[..count]);
                *remaining -= count as u64;
                if *remaining == 0 {
                    sink.end(&[]);
                    self.source = Source::Done;
                }
                count
            }
            Source::UntilClose => {
                sink.put(bytes);
                bytes.len()
            }
            Source::Chunked(decoder) => {
                let piece = decoder
                    .decode(bytes)
                    .map_err(|_| Fault::BadResponse("the target's chunks are not valid"))?;
                match piece {
                    Piece::More { consumed } => consumed,
                    Piece::Data { start, end } => {
                        sink.put(&bytes[start..end]);
                        end
                    }
                    Piece::End { consumed } => {
                        let trailers = match self.sends_trailers {
                            true => decoder.trailers(),
                            false => &[],
                        };
                        sink.end(trailers);
                        self.source = Source::Done;
                        consumed
                    }
                }
            }
        };
        self.bytes.consume(consumed);
        Ok(consumed > 0)
    }

    /// Lets out what the encoder holds back; false if that is nothing.
    fn flush(&mut self) -> bool {
        if let Some(gzip) = &mut self.gzip {
            put_data(&mut self.out, self.sink, gzip.flush());
        }
        !self.out.is_empty()
    }

    fn poll_fill(&mut self, cx: &mut Context<'_>, client: &Client) -> Poll<Result<(), Fault>> {
        let Some(lease) = &mut self.lease else {
            return Poll::Ready(Ok(()));
        };
        client.watch.awaits(Side::Target);
        self.bytes.make_room(MOST_BUFFERED);
        match ready!(self.bytes.poll_fill(cx, &mut lease.upstream.stream)) {
            Ok(0) | Err(_) => self.end_of_stream(),
            Ok(_) => {
                client.watch.target_progress();
                Poll::Ready(Ok(()))
            }
        }
    }

    /// The target's end ends the body, or cuts it short.
    fn end_of_stream(&mut self) -> Poll<Result<(), Fault>> {
        self.lease = None;
        match self.source {
            Source::UntilClose => {
                let mut sink = Sink {
                    out: &mut self.out,
                    gzip: self.gzip.as_mut(),
                    length: self.sink,
                };
                sink.end(&[]);
                self.source = Source::Done;
                Poll::Ready(Ok(()))
            }
            _ => Poll::Ready(Err(Fault::BadResponse(
                "the target ended within a response's body",
            ))),
        }
    }
}

/// Where a body's decoded bytes go.
struct Sink<'a> {
    out: &'a mut Vec<u8>,
    gzip: Option<&'a mut Gzip>,
    length: OutboundLength,
}

impl Sink<'_> {
    fn put(&mut self, data: &[u8]) {
        let data = match &mut self.gzip {
            Some(gzip) => gzip.put(data),
            None => data,
        };
        put_data(self.out, self.length, data);
    }

    fn end(&mut self, trailers: &[u8]) {
        if let Some(gzip) = &mut self.gzip {
            put_data(self.out, self.length, gzip.finish());
        }
        if self.length == OutboundLength::Chunked {
            put_last_chunk(self.out, trailers);
        }
    }
}

fn put_data(out: &mut Vec<u8>, length: OutboundLength, data: &[u8]) {
    // A chunk of none would end the body.
    if data.is_empty() {
        return;
    }
    match length {
        OutboundLength::Chunked => {
            put_chunk_head(out, data.len() as u64);
            out.extend_from_slice(data);
            out.extend_from_slice(b"\r\n");
        }
        _ => out.extend_from_slice(data),
    }
}
