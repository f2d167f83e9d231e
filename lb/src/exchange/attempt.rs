use std::{
    fmt,
    rc::Rc,
    task::{Context, Poll, ready},
};

use tokio::time::Instant;

use crate::{
    buffer::Buffer,
    client::Client,
    exchange::{
        lease::Lease,
        outbound::{Outbound, Progress},
    },
    fault::{Fault, sentence},
    heads::put_interim,
    http1::{ResponseFault, ResponseHead, Version},
    stream::Stream,
    target::Claim,
    upstream::{ConnectError, Pool, Reuse},
};

/// One try to get a response from one target. It goes from hand to hand, so it is boxed.
pub(crate) struct Attempt {
    pub(crate) lease: Lease,
    pub(crate) progress: Progress,
    /// Whether all of the request is written.
    pub(crate) is_sent: bool,
    /// What the target has said; begins with the head until that is written on.
    pub(crate) bytes: Buffer,
    pub(crate) head: Box<ResponseHead>,
    /// Whether a byte of an answer has come.
    has_answered: bool,
    /// Bytes of interim responses so far.
    interim: usize,
    /// When it was sent, until the target has answered or is given up.
    sent: Option<Instant>,
}

/// What a try shares with the others of its request.
pub(crate) struct Shared<'a> {
    pub(crate) client: &'a Rc<Client>,
    pub(crate) stream: &'a mut Stream,
    pub(crate) input: &'a mut Buffer,
    pub(crate) outbound: &'a mut Outbound,
    /// Interim responses on their way to the client.
    pub(crate) interim: &'a mut Vec<u8>,
    pub(crate) to_head: bool,
    pub(crate) version: Version,
}

/// How a try failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// No connection, so nothing was sent.
    Connect(ConnectError),
    /// Sent, at least in part; the target ended without a word.
    Unanswered {
        /// The connection had served before, so it may have been closed while it was idle.
        was_reused: bool,
    },
    Final(Fault),
}

impl Attempt {
    /// Has a connection to the claimed target, an idle one if `reuse` permits.
    pub(crate) async fn start(
        client: &Client,
        claim: Claim,
        reuse: Reuse,
        now: Instant,
    ) -> Result<Box<Self>, ConnectError> {
        let pools = &client.worker.pools;
        let pool: Rc<Pool> = pools.of(claim.target());
        let upstream = match pools.take_idle(&pool, reuse, now) {
            Some(upstream) => upstream,
            None => pools.connect(&pool).await?,
        };
        claim.target().count_request();
        Ok(Box::new(Self {
            lease: Lease::new(upstream, claim, pool, client),
            sent: None,
            progress: Progress::default(),
            is_sent: false,
            bytes: client.worker.target_buffers.take(),
            head: client.worker.response_heads.take(),
            has_answered: false,
            interim: 0,
        }))
    }

    /// Ready with the length of the answer's head, which `bytes` begins with.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        shared: &mut Shared<'_>,
    ) -> Poll<Result<usize, Failure>> {
        if !self.is_sent
            && let Poll::Ready(sent) = self.poll_send(cx, shared)
        {
            sent.map_err(Failure::Final)?;
            self.note_sent();
        }
        loop {
            if self.has_answered
                && let Some(length) = self.parse(shared)?
            {
                if !self.is_interim() {
                    return Poll::Ready(Ok(length));
                }
                self.pass_interim(shared, length)?;
                continue;
            }
            ready!(self.poll_fill(cx, shared))?;
        }
    }

    pub(crate) fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        shared: &mut Shared<'_>,
    ) -> Poll<Result<(), Fault>> {
        shared.outbound.poll_send(
            cx,
            &mut self.progress,
            &mut self.lease.upstream.stream,
            shared.stream,
            shared.input,
            &shared.client.watch,
        )
    }

    /// From now on it is the target's turn.
    fn note_sent(&mut self) {
        self.is_sent = true;
        if !self.has_answered {
            let now = Instant::now();
            self.sent = Some(now);
            self.lease.claim.target().sent(now);
        }
    }

    fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        shared: &Shared<'_>,
    ) -> Poll<Result<(), Failure>> {
        let limits = &shared.client.worker.shared.config.limits;
        if !self.bytes.make_room(limits.head) {
            return Poll::Ready(Err(unusable(ResponseFault::HeadTooLong)));
        }
        let read = ready!(self.bytes.poll_fill(cx, &mut self.lease.upstream.stream));
        match read {
            Ok(count) if count > 0 => {
                self.has_answered = true;
                self.settle(true);
                shared.client.watch.target_progress();
                Poll::Ready(Ok(()))
            }
            _ if self.has_answered => Poll::Ready(Err(Failure::Final(Fault::BadResponse(
                "the target ended within a response's head",
            )))),
            _ => Poll::Ready(Err(self.unanswered())),
        }
    }

    fn parse(&mut self, shared: &Shared<'_>) -> Result<Option<usize>, Failure> {
        let limits = &shared.client.worker.head_limits;
        self.head
            .parse(self.bytes.filled(), limits, shared.to_head)
            .map_err(unusable)
    }

    /// 101 is an answer; the other 1xx only say that one will come.
    fn is_interim(&self) -> bool {
        self.head.status() < 200 && self.head.status() != 101
    }

    /// 100 is answered here, and HTTP/1.0 knows no interim responses. All together may be as
    /// long as one head: they wait in memory for a client that does not take them, and a
    /// target could send them for ever.
    fn pass_interim(&mut self, shared: &mut Shared<'_>, length: usize) -> Result<(), Failure> {
        self.interim += length;
        if self.interim > shared.client.worker.head_limits.head {
            let fault = Fault::BadResponse("the target sends too many interim responses");
            return Err(Failure::Final(fault));
        }
        if self.head.status() != 100 && shared.version == Version::Http11 {
            put_interim(shared.interim, self.bytes.filled(), &self.head);
        }
        self.bytes.consume(length);
        self.has_answered = !self.bytes.is_empty();
        Ok(())
    }

    pub(super) fn has_answered(&self) -> bool {
        self.has_answered
    }

    /// Tells the target that this request waits no more.
    fn settle(&mut self, has_answered: bool) {
        if let Some(sent) = self.sent.take() {
            let now = Instant::now();
            let latency = has_answered.then(|| now.duration_since(sent));
            self.lease.claim.target().settled(latency, now);
        }
    }

    fn unanswered(&self) -> Failure {
        let upstream = &self.lease.upstream;
        if upstream.is_reused {
            self.lease.pool.learn(upstream.idle_age(), upstream);
        }
        Failure::Unanswered {
            was_reused: upstream.is_reused,
        }
    }

    /// Gives back what was borrowed from the worker.
    pub(crate) fn abandon(mut self, client: &Client) {
        self.settle(false);
        client.worker.target_buffers.put(self.bytes);
        client.worker.response_heads.put(self.head);
    }
}

impl Shared<'_> {
    /// Ready when the client has left. What it sends meanwhile is the next request's.
    pub(crate) fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let limit = self.client.worker.head_limits.head;
        self.input.poll_end(cx, self.stream, limit)
    }

    /// Writes interim responses as far as the client takes them.
    pub(crate) fn poll_interim(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        while !self.interim.is_empty() {
            match ready!(self.stream.poll_write(cx, self.interim)) {
                Ok(count) => drop(self.interim.drain(..count)),
                Err(_) => return Poll::Ready(Err(Fault::ClientGone)),
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(error) => f.write_str(&sentence(error)),
            Self::Unanswered { .. } => {
                f.write_str("the target closed the connection without a response")
            }
            Self::Final(fault) => f.write_str(&sentence(fault)),
        }
    }
}

fn unusable(fault: ResponseFault) -> Failure {
    Failure::Final(Fault::UnusableResponse(fault))
}
