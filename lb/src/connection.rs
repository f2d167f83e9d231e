//! One client connection, from accept to close.

use std::{
    cell::RefCell,
    convert::Infallible,
    future::poll_fn,
    io,
    net::SocketAddr,
    pin::{Pin, pin},
    rc::Rc,
    task::{Context, Poll, ready},
};

use hyper::{header::HeaderValue, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf},
    time::{Instant, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    config::MIN_BUFFER,
    forward,
    headers::Forwarded,
    stall::{Phase, StallWatch},
    tunnel::{self, Switch},
    worker::{Permit, Worker},
};

const HEAD_TIMEOUT: &[u8] =
    b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// What the requests of one connection share.
pub(crate) struct Client {
    pub(crate) worker: Rc<Worker>,
    pub(crate) peer: SocketAddr,
    pub(crate) port: u16,
    pub(crate) forwarded: Forwarded,
    /// The Host of HTTP/1.0 clients that name none.
    pub(crate) local: HeaderValue,
    pub(crate) stall: Rc<StallWatch>,
    /// Set by the request that switched protocols; the connection's last.
    pub(crate) switch: RefCell<Option<Switch>>,
}

enum End {
    Closed(hyper::Result<()>),
    HeadTimeout,
    Stalled,
}

/// Serves `io` until it is closed, stalls, or `closing` fires and the current response is out.
pub(crate) async fn serve<IO>(
    io: IO,
    client: Rc<Client>,
    permit: Permit,
    closing: CancellationToken,
) where
    IO: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let io = TokioIo::new(WatchedIo {
        io,
        stall: Rc::clone(&client.stall),
    });
    let service = {
        let client = Rc::clone(&client);
        service_fn(move |request| {
            let client = Rc::clone(&client);
            async move { Ok::<_, Infallible>(forward::handle(&client, request).await) }
        })
    };
    let mut connection = builder(&client.worker).serve_connection(io, service);
    let end = drive(&mut connection, &client, &closing).await;
    let parts = connection.into_parts();
    let io = parts.io.into_inner();
    if let Some(switch) = client.switch.take() {
        let pool = Rc::clone(&switch.pool);
        pool.spawn(async move {
            let timeouts = &client.worker.shared.config.timeouts;
            tunnel::run(
                switch,
                io,
                parts.read_buf,
                Rc::clone(&client.stall),
                timeouts,
            )
            .await;
            drop(permit);
        });
        return;
    }
    close(io, end, &client.worker).await;
}

fn builder(worker: &Worker) -> http1::Builder {
    let limits = &worker.shared.config.limits;
    let mut builder = http1::Builder::new();
    // The stall watch times heads: hyper's timer would cut idle connections with them.
    builder.header_read_timeout(None);
    // The buffer alone may overshoot, as it grows in steps.
    builder
        .max_buf_size(limits.head.max(MIN_BUFFER))
        .max_header_size(limits.head);
    if limits.headers != 100 {
        builder.max_headers(limits.headers);
    }
    builder
}

/// Polls the connection, its end of life and its one timer.
async fn drive<C>(connection: &mut C, client: &Client, closing: &CancellationToken) -> End
where
    C: Future<Output = hyper::Result<()>> + Graceful + Unpin,
{
    let timeouts = &client.worker.shared.config.timeouts;
    let retire_at = Instant::now() + timeouts.client_keepalive;
    let mut closing = pin!(closing.cancelled());
    let mut timer = pin!(sleep_until(client.stall.deadline(timeouts)));
    let mut is_retiring = false;
    poll_fn(|cx| {
        loop {
            if let Poll::Ready(result) = Pin::new(&mut *connection).poll(cx) {
                return Poll::Ready(End::Closed(result));
            }
            if !is_retiring && closing.as_mut().poll(cx).is_ready() {
                is_retiring = true;
                connection.retire();
                continue;
            }
            let stalled_at = client.stall.deadline(timeouts);
            let wake_at = if is_retiring {
                stalled_at
            } else {
                stalled_at.min(retire_at)
            };
            if wake_at < timer.deadline() {
                timer.as_mut().reset(wake_at);
            }
            ready!(timer.as_mut().poll(cx));
            let now = Instant::now();
            if now < wake_at {
                timer.as_mut().reset(wake_at);
            } else if now < stalled_at {
                is_retiring = true;
                connection.retire();
            } else {
                match client.stall.phase() {
                    Phase::Head => return Poll::Ready(End::HeadTimeout),
                    // The request's own future, polled next, answers 408 or 504.
                    Phase::Waiting if !client.stall.is_expired() => client.stall.expire(),
                    _ => return Poll::Ready(End::Stalled),
                }
            }
        }
    })
    .await
}

/// hyper's connection type cannot be named: its service is a closure.
trait Graceful {
    fn retire(&mut self);
}

impl<I, S> Graceful for http1::Connection<I, S>
where
    S: hyper::service::HttpService<hyper::body::Incoming>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    S::ResBody: 'static,
    <S::ResBody as hyper::body::Body>::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
{
    /// Closes an idle connection; a busy one says so in its response.
    fn retire(&mut self) {
        Pin::new(self).graceful_shutdown();
    }
}

async fn close<IO>(mut io: WatchedIo<IO>, end: End, worker: &Worker)
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let limit = worker.shared.config.timeouts.linger;
    match end {
        End::Stalled => {}
        End::HeadTimeout => {
            worker
                .shared
                .metrics
                .count_rejected_head(hyper::StatusCode::REQUEST_TIMEOUT);
            let _ = timeout(limit, io.write_all(HEAD_TIMEOUT)).await;
        }
        End::Closed(Ok(())) => linger(io, limit).await,
        End::Closed(Err(error)) if error.is_parse() => {
            let status = head_status(&error);
            worker.shared.metrics.count_rejected_head(status);
            linger(io, limit).await;
        }
        // The client is gone.
        End::Closed(Err(_)) => {}
    }
}

/// The status that hyper has answered to a head it could not read.
fn head_status(error: &hyper::Error) -> hyper::StatusCode {
    match error.is_parse_too_large() {
        true => hyper::StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        false => hyper::StatusCode::BAD_REQUEST,
    }
}

/// Ends our side, then takes what the client still sends: closing on unread bytes would
/// reset the connection, and the reset could overtake our last response.
async fn linger<IO>(mut io: WatchedIo<IO>, limit: std::time::Duration)
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let drained = async {
        io.io.shutdown().await?;
        let mut discarded = [0; 4096];
        while io.read(&mut discarded).await? > 0 {}
        io::Result::Ok(())
    };
    // Whatever happens here, the exchange is over.
    let _ = timeout(limit, drained).await;
}

/// A client's socket that reports what moves. Its shutdown does nothing, as hyper shuts down
/// before it gives the socket back; `linger` does it.
struct WatchedIo<IO> {
    io: IO,
    stall: Rc<StallWatch>,
}

impl<IO: AsyncRead + Unpin> AsyncRead for WatchedIo<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(cx, buf))?;
        if buf.filled().len() > before {
            self.stall.received();
        }
        Poll::Ready(Ok(()))
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for WatchedIo<IO> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.io).poll_write(cx, buf))?;
        self.stall.progress();
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.io).poll_write_vectored(cx, bufs))?;
        self.stall.progress();
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.stall.phase() {
            Phase::Tunnel => Pin::new(&mut self.io).poll_shutdown(cx),
            _ => Poll::Ready(Ok(())),
        }
    }
}
