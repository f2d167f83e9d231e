//! The requests that a connection brings, one after the other, until it waits.

use std::{
    future::poll_fn,
    rc::Rc,
    task::{Poll, ready},
};

use tokio::time::Instant;

use super::{
    Client, Next,
    judge::{Asked, Decision, Forwarding, OwnReply, Request},
};
use crate::{
    buffer::Buffer,
    exchange::{Exchange, Shared},
    fault::Fault,
    heads::ConnectionOption,
    http1::{Method, Refusal, RequestHead, Version},
    record::Record,
    respond::{self, Reply},
    stream::Stream,
    watch::{Phase, Side},
};

/// Serves what has come on `stream`, and what comes while that is served.
///
/// A client that `is_busy` is waited for between its requests, for a moment.
pub(super) async fn run(stream: &mut Stream, client: &Rc<Client>, is_busy: bool) -> Next {
    let worker = &client.worker;
    let mut session = Session {
        client,
        stream,
        input: worker.client_buffers.take(),
        head: worker.request_heads.take(),
        is_busy,
    };
    let next = session.serve().await;
    worker.client_buffers.put(session.input);
    worker.request_heads.put(session.head);
    next
}

pub(super) struct Session<'a> {
    pub(super) client: &'a Rc<Client>,
    pub(super) stream: &'a mut Stream,
    /// Bytes from the client that are not used yet.
    pub(super) input: Buffer,
    head: RequestHead,
    /// Another request is likely to come at once.
    is_busy: bool,
}

/// What ends a wait for the next request.
enum Rest {
    /// Something has come.
    Read,
    /// It takes long.
    Dormant,
    Over,
}

enum HeadRead {
    /// The head's length in bytes.
    Whole(usize),
    /// More bytes are there to be looked at.
    Some,
    /// Nothing has come.
    Nothing,
    Gone,
    Refused(Fault),
}

impl Session<'_> {
    async fn serve(&mut self) -> Next {
        loop {
            if self.is_busy && self.input.is_empty() {
                match self.rest().await {
                    Rest::Read => {}
                    Rest::Dormant => return Next::Idle,
                    Rest::Over => return Next::Close,
                }
            }
            let next = match self.read_head().await {
                HeadRead::Whole(length) => self.serve_one(length).await,
                HeadRead::Nothing => return Next::Idle,
                HeadRead::Gone | HeadRead::Some => return Next::Close,
                HeadRead::Refused(fault) => return self.refuse(&fault).await,
            };
            if !matches!(next, Next::Idle) {
                return next;
            }
            if self.client.watch.is_retiring() {
                return Next::Linger;
            }
            self.client.watch.enter(Phase::Idle);
        }
    }

    /// Waits for the next request, and holds no buffer before it comes.
    async fn rest(&mut self) -> Rest {
        let client = self.client;
        let buffers = &client.worker.client_buffers;
        buffers.put(std::mem::take(&mut self.input));
        poll_fn(|cx| {
            if client.watch.is_retiring() || client.watch.poll_expired(cx).is_ready() {
                return Poll::Ready(Rest::Over);
            }
            if client.watch.is_dormant() {
                return Poll::Ready(Rest::Dormant);
            }
            let mut input = buffers.take();
            match input.poll_fill(cx, self.stream) {
                Poll::Ready(Ok(count)) if count > 0 => {
                    self.input = input;
                    Poll::Ready(Rest::Read)
                }
                Poll::Ready(_) => Poll::Ready(Rest::Over),
                Poll::Pending => {
                    buffers.put(input);
                    Poll::Pending
                }
            }
        })
        .await
    }

    /// Reads until there is a whole head or none.
    async fn read_head(&mut self) -> HeadRead {
        let watch = &self.client.watch;
        let limits = &self.client.worker.head_limits;
        loop {
            if !self.input.is_empty() {
                if watch.phase() == Phase::Idle {
                    watch.enter(Phase::Head);
                }
                match self.head.parse(self.input.filled(), limits) {
                    Ok(Some(length)) => return HeadRead::Whole(length),
                    Ok(None) => {}
                    Err(refusal) => return HeadRead::Refused(Fault::Refused(refusal)),
                }
            }
            if !self.input.make_room(limits.head) {
                return HeadRead::Refused(Fault::Refused(Refusal::HeadTooLong));
            }
            match self.read_some().await {
                HeadRead::Some => {}
                other => return other,
            }
        }
    }

    fn read_some(&mut self) -> impl Future<Output = HeadRead> {
        poll_fn(|cx| {
            if self.client.watch.poll_expired(cx).is_ready() {
                return Poll::Ready(HeadRead::Refused(Fault::RequestTimeout));
            }
            match self.input.poll_fill(cx, self.stream) {
                Poll::Pending if self.input.is_empty() => Poll::Ready(HeadRead::Nothing),
                Poll::Pending => Poll::Pending,
                Poll::Ready(Ok(count)) if count > 0 => Poll::Ready(HeadRead::Some),
                Poll::Ready(_) => Poll::Ready(HeadRead::Gone),
            }
        })
    }

    /// Answers a head that is no request.
    async fn refuse(&mut self, fault: &Fault) -> Next {
        let metrics = &self.client.worker.shared.metrics;
        metrics.count_rejected_head(respond::status(fault));
        let mut record = Record::refused(self.client, fault, self.input.len());
        record.replied(respond::status(fault));
        self.reply_fault(fault, ConnectionOption::Close, false, &mut record)
            .await
    }

    /// Answers the request whose head is the first `length` bytes of the input.
    async fn serve_one(&mut self, length: usize) -> Next {
        let now = Instant::now();
        self.client.watch.enter(Phase::Waiting);
        let local = self.local_host();
        let request = Request {
            client: self.client,
            head: &self.head,
            bytes: &self.input.filled()[..length],
            local: &local,
            now,
        };
        let mut asked = request.asked();
        let mut record = Record::open(&request);
        let decision = decide(&request, &mut asked, &mut record);
        if let Err(fault) = &decision {
            record.explain(fault, request.bytes);
        }
        self.input.consume(length);
        let mut next = match decision {
            Ok(Decision::Forward(mut forwarding)) => {
                let next = self.forward(&asked, &mut forwarding, &mut record).await;
                let worker = &self.client.worker;
                worker.wires.put(forwarding.outbound.into_memory());
                next
            }
            Ok(Decision::Reply(reply)) => self.reply_own(&asked, &reply, &mut record).await,
            Err(fault) => {
                let ends = asked.ends_client || asked.has_body;
                self.fail(&fault, &asked, ends, &mut record).await
            }
        };
        if let Next::Tunnel(tunnel) = &mut next {
            tunnel.record = Some(record);
        }
        next
    }

    /// The Host of an HTTP/1.0 client that names none: where it came in.
    fn local_host(&self) -> String {
        match self.head.host() {
            Some(_) => String::new(),
            None => {
                let address = self.stream.local_addr();
                address.map_or_else(|_| String::new(), |address| address.to_string())
            }
        }
    }

    async fn forward(
        &mut self,
        asked: &Asked,
        forwarding: &mut Forwarding,
        record: &mut Record,
    ) -> Next {
        let mut interim = Vec::new();
        let now = record.started();
        let exchange = Exchange {
            shared: Shared {
                client: self.client,
                stream: self.stream,
                input: &mut self.input,
                outbound: &mut forwarding.outbound,
                interim: &mut interim,
                to_head: asked.method == Method::Head,
                version: asked.version,
            },
            record: &mut *record,
            group: &forwarding.group,
            source_ip: forwarding.source_ip,
            sticky_to: forwarding.sticky_to,
            key: forwarding.key,
            now,
            is_idempotent: forwarding.is_idempotent,
            tried: Vec::new(),
        };
        let answer = exchange.run().await;
        match answer {
            Ok(answer) => {
                self.answer(asked, forwarding, answer, interim, record)
                    .await
            }
            Err(fault) => {
                record.explain(&fault, forwarding.outbound.head());
                record.received(forwarding.outbound.received());
                let ends = asked.ends_client || !forwarding.outbound.is_complete();
                self.fail(&fault, asked, ends, record).await
            }
        }
    }

    /// Whether the client has left; what it sends meanwhile is kept for the next request.
    pub(super) fn poll_gone(&mut self, cx: &mut std::task::Context<'_>) -> Poll<()> {
        let limit = self.client.worker.head_limits.head;
        self.input.poll_end(cx, self.stream, limit)
    }

    pub(super) async fn fail(
        &mut self,
        fault: &Fault,
        asked: &Asked,
        ends: bool,
        record: &mut Record,
    ) -> Next {
        record.replied(respond::status(fault));
        record.failed(fault);
        if matches!(fault, Fault::ClientGone) {
            return Next::Close;
        }
        let ends = ends || respond::ends_connection(fault) || self.client.watch.is_retiring();
        let option = connection_option(ends, asked.version);
        self.reply_fault(fault, option, asked.method == Method::Head, record)
            .await
    }

    async fn reply_own(&mut self, asked: &Asked, reply: &OwnReply, record: &mut Record) -> Next {
        record.replied(reply.status);
        let reply = Reply {
            status: reply.status,
            content_type: &reply.content_type,
            fields: &reply.fields,
            body: &reply.body,
        };
        let ends = asked.ends_client || asked.has_body || self.client.watch.is_retiring();
        let option = connection_option(ends, asked.version);
        self.reply(&reply, option, asked.method == Method::Head, record)
            .await
    }

    async fn reply_fault(
        &mut self,
        fault: &Fault,
        connection: ConnectionOption,
        to_head: bool,
        record: &mut Record,
    ) -> Next {
        let text = respond::text(fault);
        let mut fields = respond::fields(fault);
        if let Some(id) = record.failure_trace_id() {
            fields.push_str(&format!("X-Amzn-Trace-Id: {id}\r\n"));
        }
        let reply = Reply {
            status: respond::status(fault),
            content_type: "text/plain; charset=utf-8",
            fields: &fields,
            body: text.as_bytes(),
        };
        self.reply(&reply, connection, to_head, record).await
    }

    /// Sends a response of our own.
    async fn reply(
        &mut self,
        reply: &Reply<'_>,
        connection: ConnectionOption,
        to_head: bool,
        record: &mut Record,
    ) -> Next {
        let mut out = self.client.worker.wires.take();
        respond::put(&mut out, reply, connection, to_head);
        let watch = &self.client.watch;
        watch.enter(Phase::Responding);
        watch.awaits(Side::Client);
        let mut written = 0;
        let is_out = poll_fn(|cx| {
            while written < out.len() {
                if watch.poll_expired(cx).is_ready() {
                    return Poll::Ready(false);
                }
                match ready!(self.stream.poll_write(cx, &out[written..])) {
                    Ok(count) if count > 0 => written += count,
                    _ => return Poll::Ready(false),
                }
            }
            Poll::Ready(true)
        })
        .await;
        record.progressed(written as u64);
        self.client.worker.wires.put(out);
        match (is_out, connection) {
            (false, _) => Next::Close,
            (true, ConnectionOption::Close) => Next::Linger,
            (true, _) => Next::Idle,
        }
    }
}

/// Finds the rule that takes the request, and what it wants done.
fn decide(
    request: &Request<'_>,
    asked: &mut Asked,
    record: &mut Record,
) -> Result<Decision, Fault> {
    let routing = request.client.worker.shared.routing.load();
    let route = routing.route(request.client.port).ok_or(Fault::NoRoute)?;
    let source_ip = request.source_ip(&route.listener);
    let rule = request.rule(&route.listener, source_ip);
    record.routed(&route.listener, rule, source_ip);
    let decision = request.judge(asked, route, rule, source_ip)?;
    match &decision {
        Decision::Forward(forwarding) => {
            record.forwarded(&forwarding.group, &forwarding.outbound);
        }
        Decision::Reply(reply) => {
            if let Some(location) = reply.location() {
                record.redirected(location);
            }
        }
    }
    Ok(decision)
}

pub(super) fn connection_option(ends: bool, version: Version) -> ConnectionOption {
    match (ends, version) {
        (true, _) => ConnectionOption::Close,
        (false, Version::Http10) => ConnectionOption::KeepAlive,
        (false, Version::Http11) => ConnectionOption::Kept,
    }
}
