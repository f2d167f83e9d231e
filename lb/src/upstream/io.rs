use std::{
    cell::Cell,
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

/// A target's socket that remembers whether the target said anything, and lets it finish
/// saying so after it stopped listening.
#[derive(Debug)]
pub(crate) struct UpstreamIo {
    stream: TcpStream,
    received: Received,
    write_failed: bool,
}

/// Bytes received from a target; whoever sends a request compares before and after.
#[derive(Clone, Debug, Default)]
pub(crate) struct Received(Rc<Cell<u64>>);

impl Received {
    pub(crate) fn bytes(&self) -> u64 {
        self.0.get()
    }
}

impl UpstreamIo {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            received: Received::default(),
            write_failed: false,
        }
    }

    pub(crate) fn received(&self) -> Received {
        self.received.clone()
    }

    /// A target may answer (413) and close while the body is still on its way. The answer is
    /// in the receive queue behind the failed write, so the failure is kept back: reading
    /// tells how the exchange ended, with the answer or with the end of the stream.
    fn after_write<T>(&mut self, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if self.write_failed {
            return Poll::Pending;
        }
        if let Poll::Ready(Err(_)) = written {
            self.write_failed = true;
            return Poll::Pending;
        }
        written
    }
}

impl AsyncRead for UpstreamIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        let bytes = (buf.filled().len() - before) as u64;
        self.received.0.set(self.received.0.get() + bytes);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for UpstreamIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.after_write(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.after_write(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
