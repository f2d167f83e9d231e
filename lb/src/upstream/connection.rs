use std::{cell::Cell, rc::Rc, time::Duration};

use bytes::Bytes;
use hyper::{
    HeaderMap, Request, Response,
    body::Incoming,
    client::conn::{TrySendError, http1},
    header::HeaderName,
};
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpStream,
    sync::oneshot,
    task::{AbortHandle, JoinSet},
};

use super::io::{Received, UpstreamIo};
use crate::{body::RequestBody, config::MIN_BUFFER};

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");

/// One connection to a target. Dropping it closes the connection at once, whatever is going
/// on there; only the pool keeps it, and only between exchanges.
pub(crate) struct Upstream {
    sender: http1::SendRequest<RequestBody>,
    driver: AbortHandle,
    received: Received,
    /// Received when the request was sent.
    mark: u64,
    /// The socket, once hyper lets go of it after a 101.
    released: Option<oneshot::Receiver<Released>>,
    /// How long the target says it keeps an idle connection.
    pub(super) keep_alive: Option<Duration>,
    /// Set when a response's framing was doubtful: the next one's would be too.
    spoiled: Cell<bool>,
}

/// A socket that left HTTP, with what was read from it too far.
pub(crate) struct Released {
    pub(crate) io: UpstreamIo,
    pub(crate) read_ahead: Bytes,
}

impl Upstream {
    /// Starts HTTP on `stream`; `owner` runs the connection.
    pub(super) async fn start(
        stream: TcpStream,
        max_head: usize,
        owner: &Rc<std::cell::RefCell<JoinSet<()>>>,
    ) -> hyper::Result<Self> {
        let io = UpstreamIo::new(stream);
        let received = io.received();
        let (sender, connection) = http1::Builder::new()
            .max_buf_size(max_head.max(MIN_BUFFER))
            .max_header_size(max_head)
            .handshake(TokioIo::new(io))
            .await?;
        let (release, released) = oneshot::channel();
        let driver = owner.borrow_mut().spawn_local(async move {
            if let Ok(parts) = connection.without_shutdown().await {
                // Nobody waits for it unless the target switched protocols.
                let _ = release.send(Released {
                    io: parts.io.into_inner(),
                    read_ahead: parts.read_buf,
                });
            }
        });
        Ok(Self {
            sender,
            driver,
            received,
            mark: 0,
            released: Some(released),
            keep_alive: None,
            spoiled: Cell::new(false),
        })
    }

    /// Sends a request. The error gives it back if none of it was sent.
    pub(crate) fn send(
        &mut self,
        request: Request<RequestBody>,
    ) -> impl Future<Output = Result<Response<Incoming>, TrySendError<Request<RequestBody>>>> + use<>
    {
        self.mark = self.received.bytes();
        self.sender.try_send_request(request)
    }

    /// Whether the target has said nothing since the request was sent.
    pub(crate) fn is_unanswered(&self) -> bool {
        self.received.bytes() == self.mark
    }

    /// Reads what the response says of the connection.
    pub(crate) fn note_response(&mut self, headers: &HeaderMap) {
        if let Some(timeout) = headers
            .get(KEEP_ALIVE)
            .and_then(|value| keep_alive_timeout(value.as_bytes()))
        {
            self.keep_alive = Some(timeout);
        }
    }

    pub(crate) fn spoil(&self) {
        self.spoiled.set(true);
    }

    /// Whether the exchange is over on both sides and another may follow.
    pub(super) fn is_reusable(&self) -> bool {
        self.sender.is_ready() && !self.spoiled.get()
    }

    /// Takes the socket out of HTTP after a 101.
    pub(crate) async fn release(mut self) -> Option<Released> {
        self.released.take()?.await.ok()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// N of `Keep-Alive: timeout=N`.
fn keep_alive_timeout(value: &[u8]) -> Option<Duration> {
    let value = std::str::from_utf8(value).ok()?;
    let seconds = value
        .split(',')
        .filter_map(|part| part.trim().split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("timeout"))?
        .1;
    Some(Duration::from_secs(
        seconds.trim().parse::<u32>().ok()?.into(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keep_alive_timeouts_parse() {
        let cases: &[(&str, Option<u64>)] = &[
            ("timeout=5", Some(5)),
            ("max=100, Timeout = 7", Some(7)),
            ("max=100", None),
            ("timeout=-1", None),
            ("timeout", None),
            ("", None),
        ];
        for (value, seconds) in cases {
            let expected = seconds.map(Duration::from_secs);
            assert_eq!(keep_alive_timeout(value.as_bytes()), expected, "{value}");
        }
    }
}
