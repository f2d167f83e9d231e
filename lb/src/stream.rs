use std::{
    io::{self, IoSlice},
    net::SocketAddr,
    os::fd::{AsFd, BorrowedFd},
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, Interest, ReadBuf},
    net::TcpStream,
};

/// A connection's bytes, whatever carries them. Polled by one task, so it is never split.
#[derive(Debug)]
pub(crate) enum Stream {
    Tcp(TcpStream),
    /// In memory, for tests on a paused clock; with the byte that was read to know of it.
    #[cfg(test)]
    Memory(tokio::io::DuplexStream, Option<u8>),
}

/// A stream that no runtime watches, for as long as nobody reads it.
#[derive(Debug)]
pub(crate) struct Detached(std::net::TcpStream);

impl Stream {
    /// Ready when a read may find bytes or the end, perhaps in vain. Costs no system call.
    pub(crate) fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Tcp(stream) => stream.poll_read_ready(cx).map(drop),
            #[cfg(test)]
            Self::Memory(_, Some(_)) => Poll::Ready(()),
            #[cfg(test)]
            Self::Memory(stream, peeked) => {
                let mut byte = [0];
                let mut buf = ReadBuf::new(&mut byte);
                let polled = Pin::new(stream).poll_read(cx, &mut buf);
                *peeked = buf.filled().first().copied();
                polled.map(drop)
            }
        }
    }

    pub(crate) fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            #[cfg(test)]
            Self::Memory(stream, _) => Pin::new(stream).poll_write_vectored(cx, slices),
        }
    }

    pub(crate) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            #[cfg(test)]
            Self::Memory(stream, peeked) => {
                if let Some(byte) = peeked.take() {
                    buf.put_slice(&[byte]);
                    return Poll::Ready(Ok(()));
                }
                Pin::new(stream).poll_read(cx, buf)
            }
        }
    }

    pub(crate) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            #[cfg(test)]
            Self::Memory(stream, _) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    /// The socket, where the bytes go to one as they are.
    pub(crate) fn tcp(&self) -> Option<&TcpStream> {
        match self {
            Self::Tcp(stream) => Some(stream),
            #[cfg(test)]
            Self::Memory(..) => None,
        }
    }

    /// Reads or writes, as `interest` says, by `operation`, which says `WouldBlock` where it
    /// has to wait.
    pub(crate) fn poll_with<T>(
        &self,
        cx: &mut Context<'_>,
        interest: Interest,
        mut operation: impl FnMut(&TcpStream) -> io::Result<T>,
    ) -> Poll<io::Result<T>> {
        let Some(stream) = self.tcp() else {
            return Poll::Ready(Err(io::ErrorKind::Unsupported.into()));
        };
        loop {
            match interest.is_writable() {
                true => ready!(stream.poll_write_ready(cx))?,
                false => ready!(stream.poll_read_ready(cx))?,
            }
            match stream.try_io(interest, || operation(stream)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return Poll::Ready(done),
            }
        }
    }

    /// Whether [`detach`](Self::detach) is possible.
    pub(crate) fn can_detach(&self) -> bool {
        self.tcp().is_some()
    }

    /// # Errors
    /// The kernel's, or `Unsupported`; either way the stream is gone.
    pub(crate) fn detach(self) -> io::Result<Detached> {
        match self {
            Self::Tcp(stream) => stream.into_std().map(Detached),
            #[cfg(test)]
            Self::Memory(..) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Tcp(stream) => stream.local_addr(),
            #[cfg(test)]
            Self::Memory(..) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Ends our side, then takes what the other still says until its end.
    pub(crate) async fn end(&mut self) {
        if self.shutdown().await.is_err() {
            return;
        }
        let mut discarded = vec![0; 4096];
        while matches!(self.read(&mut discarded).await, Ok(count) if count > 0) {}
    }

    /// Ends our side.
    pub(crate) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            #[cfg(test)]
            Self::Memory(stream, _) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

impl Detached {
    /// What has come meanwhile is there to be read.
    ///
    /// # Errors
    /// The runtime cannot watch one more; the stream is gone.
    pub(crate) fn attach(self) -> io::Result<Stream> {
        TcpStream::from_std(self.0).map(Stream::Tcp)
    }

    /// Whether the other side has ended it and has said nothing before. Costs a system call.
    pub(crate) fn is_over(&self) -> bool {
        match self.0.peek(&mut [0]) {
            Ok(count) => count == 0,
            Err(error) => error.kind() != io::ErrorKind::WouldBlock,
        }
    }
}

impl AsFd for Detached {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Stream::poll_read(&mut self, cx, buf)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Stream::poll_write(&mut self, cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Stream::poll_shutdown(&mut self, cx)
    }
}
