//! The requests that a connection brings, one after the other, until it waits.

use std::{
    future::poll_fn,
    rc::Rc,
    task::{Context, Poll},
};

use tokio::time::Instant;

use super::{Client, Next};
use crate::{
    buffer::Buffer,
    exchange::{Answer, Exchange, Outbound, Relay, Shared},
    fault::Fault,
    heads::{self, ConnectionOption, Framing, OutboundLength, Rewritten, Via},
    http1::{BodyLength, FieldName, Method, Mitigation, Refusal, RequestHead, Version, mitigate},
    record::Record,
    respond::{self, Reply},
    stream::Stream,
    trace_id::TraceId,
    tunnel::Tunnel,
    watch::Phase,
};

/// Serves what has come on `stream`, and what comes while that is served.
pub(super) async fn run(stream: &mut Stream, client: &Rc<Client>) -> Next {
    let worker = &client.worker;
    let mut session = Session {
        client,
        stream,
        input: worker.client_buffers.take(),
        head: worker.request_heads.take(),
    };
    let next = session.serve().await;
    worker.client_buffers.put(session.input);
    worker.request_heads.put(session.head);
    next
}

struct Session<'a> {
    client: &'a Rc<Client>,
    stream: &'a mut Stream,
    /// Bytes from the client that are not used yet.
    input: Buffer,
    head: RequestHead,
}

enum HeadRead {
    /// The head's length in bytes.
    Whole(usize),
    /// Nothing has come.
    Nothing,
    Gone,
    Refused(Fault),
}

/// What is known of a request once its head is forwarded.
struct Asked {
    method: Method,
    version: Version,
    body: BodyLength,
    wants_upgrade: bool,
    takes_trailers: bool,
    is_idempotent: bool,
    /// The connection ends with this request, whoever wants it.
    ends_client: bool,
    /// So does the target's: others might read the request otherwise.
    ends_target: bool,
}

impl Session<'_> {
    async fn serve(&mut self) -> Next {
        loop {
            match self.read_head().await {
                HeadRead::Whole(length) => {
                    let next = self.serve_one(length).await;
                    let goes_on = matches!(next, Next::Idle);
                    if !goes_on {
                        return next;
                    }
                    if self.client.watch.is_retiring() {
                        return Next::Linger;
                    }
                    self.client.watch.enter(Phase::Idle, Instant::now());
                }
                HeadRead::Nothing => return Next::Idle,
                HeadRead::Gone => return Next::Close,
                HeadRead::Refused(fault) => return self.refuse(&fault).await,
            }
        }
    }

    /// Reads until there is a whole head or none.
    async fn read_head(&mut self) -> HeadRead {
        let worker = &self.client.worker;
        let watch = &self.client.watch;
        loop {
            if !self.input.is_empty() {
                if watch.phase() == Phase::Idle {
                    watch.enter(Phase::Head, Instant::now());
                }
                match self.head.parse(self.input.filled(), &worker.head_limits) {
                    Ok(Some(length)) => return HeadRead::Whole(length),
                    Ok(None) => {}
                    Err(refusal) => return HeadRead::Refused(Fault::Refused(refusal)),
                }
            }
            if !self.input.make_room(worker.head_limits.head) {
                return HeadRead::Refused(Fault::Refused(Refusal::HeadTooLong));
            }
            let read = poll_fn(|cx| {
                if watch.poll_expired(cx).is_ready() {
                    return Poll::Ready(HeadRead::Refused(Fault::RequestTimeout));
                }
                match self.input.poll_fill(cx, self.stream) {
                    Poll::Pending if self.input.is_empty() => Poll::Ready(HeadRead::Nothing),
                    Poll::Pending => Poll::Pending,
                    Poll::Ready(Ok(count)) if count > 0 => Poll::Ready(HeadRead::Whole(0)),
                    Poll::Ready(_) => Poll::Ready(HeadRead::Gone),
                }
            });
            match read.await {
                HeadRead::Whole(_) => {}
                other => return other,
            }
        }
    }

    /// Answers a head that is no request.
    async fn refuse(&mut self, fault: &Fault) -> Next {
        let metrics = &self.client.worker.shared.metrics;
        metrics.count_rejected_head(respond::status(fault));
        self.reply_fault(fault, ConnectionOption::Close, false)
            .await
    }

    /// Answers the request whose head is the first `length` bytes of the input.
    async fn serve_one(&mut self, length: usize) -> Next {
        let started = Instant::now();
        self.client.watch.enter(Phase::Waiting, started);
        let worker = Rc::clone(&self.client.worker);
        let Some(group) = worker.group(self.client.port) else {
            return self.fail(length, &Fault::NoRoute, None).await;
        };
        let bytes = &self.input.filled()[..length];
        let mut record = Record::open(&group, &self.head, bytes, self.client, started);
        let (asked, mut outbound) = match self.prepare(length) {
            Ok(prepared) => prepared,
            Err(fault) => return self.fail(length, &fault, Some(record)).await,
        };
        self.input.consume(length);
        let mut interim = Vec::new();
        let mut exchange = Exchange {
            shared: Shared {
                client: self.client,
                stream: self.stream,
                input: &mut self.input,
                outbound: &mut outbound,
                interim: &mut interim,
                to_head: asked.method == Method::Head,
                takes_interim: asked.version,
            },
            record: &mut record,
            is_idempotent: asked.is_idempotent,
            tried: Vec::new(),
        };
        let answer = exchange.run().await;
        let next = match answer {
            Ok(answer) => {
                self.relay(&asked, &mut outbound, answer, interim, record)
                    .await
            }
            Err(fault) => {
                let mut record = record;
                let ends = asked.ends_client || !outbound.is_complete();
                self.fail_with(&fault, &asked, ends, &mut record).await
            }
        };
        worker.wires.put(outbound.into_memory());
        next
    }

    /// Judges the request, and writes it as targets get it.
    fn prepare(&mut self, length: usize) -> Result<(Asked, Outbound), Fault> {
        let worker = &self.client.worker;
        let limits = &worker.shared.config.limits;
        let bytes = &self.input.filled()[..length];
        let head = &self.head;
        let mitigation = mitigate(Default::default(), head.classification());
        if mitigation == Mitigation::Refuse {
            return Err(Fault::Ambiguous(
                head.reason().map_or("", |reason| reason.as_str()),
            ));
        }
        if matches!(head.method(), Method::Connect | Method::Trace) {
            return Err(Fault::MethodNotAllowed);
        }
        let body = head.body();
        let known_length = match body {
            BodyLength::Length(length) => Some(length),
            BodyLength::Chunked => None,
            _ => Some(0),
        };
        let is_too_large = |length| limits.body.is_some_and(|limit| length > limit);
        if known_length.is_some_and(is_too_large) {
            return Err(Fault::BodyTooLarge);
        }
        let trace_id = TraceId::new(
            head.get(FieldName::XAmznTraceId)
                .map(|field| field.value.of(bytes)),
            worker.epoch_seconds(),
            &mut *worker.rng.borrow_mut(),
        );
        let via = Via {
            client: &self.client.address,
            port: self.client.port,
            is_trusted: false,
            xff: Default::default(),
            trace_id: &trace_id,
        };
        let mut wire = worker.wires.take();
        let local = self.local_host();
        heads::put_request(&mut wire, bytes, head, &via, &Rewritten::default(), &local);
        let is_idempotent = is_idempotent(head);
        let fits = known_length.is_none_or(|length| length <= limits.replay_body as u64);
        let keep = match is_idempotent && fits {
            true => limits.replay_body,
            false => 0,
        };
        let ends_both = mitigation == Mitigation::ForwardAndClose;
        let asked = Asked {
            method: head.method(),
            version: head.version(),
            body,
            wants_upgrade: head.upgrade().is_some(),
            takes_trailers: head.takes_trailers(),
            is_idempotent: is_idempotent && fits,
            ends_client: ends_both || !head.keeps_alive(),
            ends_target: ends_both,
        };
        let outbound = Outbound::new(wire, body, keep, limits.body, head.expects_continue());
        Ok((asked, outbound))
    }

    /// The Host of an HTTP/1.0 client that names none: where it came in.
    fn local_host(&self) -> String {
        match self.head.host() {
            Some(_) => String::new(),
            None => self
                .stream
                .local_addr()
                .map_or_else(|_| String::new(), |address| address.to_string()),
        }
    }

    /// Passes the answer on.
    async fn relay(
        &mut self,
        asked: &Asked,
        outbound: &mut Outbound,
        answer: Answer,
        interim: Vec<u8>,
        mut record: Record,
    ) -> Next {
        let Answer { attempt, head } = answer;
        let status = attempt.head.status();
        if status == 101 {
            return self.switch(asked, attempt, head, interim, record).await;
        }
        record.answered(status);
        let is_refusal = status >= 400 && !outbound.is_complete();
        let ends = asked.ends_client || is_refusal || self.client.watch.is_retiring();
        let body = attempt.head.body();
        let framing = Framing {
            body: match (body, asked.version) {
                (BodyLength::None, _) => OutboundLength::None,
                (BodyLength::Length(length), _) => OutboundLength::Length(length),
                (_, Version::Http11) => OutboundLength::Chunked,
                (_, Version::Http10) => OutboundLength::UntilClose,
            },
            connection: ConnectionOption::Kept,
        };
        let ends = ends || framing.body == OutboundLength::UntilClose;
        let framing = Framing {
            connection: connection_option(ends, asked.version),
            ..framing
        };
        let mut out = interim;
        let mut bytes = attempt.bytes;
        heads::put_response(&mut out, bytes.filled(), &attempt.head, &framing);
        out.extend_from_slice(b"\r\n");
        bytes.consume(head);
        let mut lease = attempt.lease;
        lease.upstream.keep_alive = attempt
            .head
            .keep_alive_timeout()
            .or(lease.upstream.keep_alive);
        let is_reusable = attempt.head.keeps_alive()
            && !attempt.head.is_doubtful()
            && !asked.ends_target
            && !matches!(body, BodyLength::UntilClose);
        self.client.worker.response_heads.put(attempt.head);
        self.client.watch.enter(Phase::Responding, Instant::now());
        let mut relay = Relay::new(
            out,
            bytes,
            body,
            framing.body,
            lease,
            attempt.is_sent,
            is_reusable,
        );
        if asked.takes_trailers {
            relay = relay.with_trailers();
        }
        let mut upload = (!attempt.is_sent && !is_refusal).then_some(attempt.progress);
        let relayed = poll_fn(|cx| {
            if let Poll::Ready(expiry) = self.client.watch.poll_expired(cx) {
                return Poll::Ready(Err(expiry.into()));
            }
            if let Some(progress) = &mut upload
                && let Some(lease) = relay.lease()
            {
                let sent = outbound.poll_send(
                    cx,
                    progress,
                    &mut lease.upstream.stream,
                    self.stream,
                    &mut self.input,
                    &self.client.watch,
                );
                match sent {
                    Poll::Ready(Ok(())) => {
                        upload = None;
                        relay.note_sent();
                    }
                    Poll::Ready(Err(fault)) => return Poll::Ready(Err(fault)),
                    Poll::Pending => {}
                }
            }
            if let Poll::Ready(relayed) = relay.poll(cx, self.client, self.stream) {
                return Poll::Ready(relayed);
            }
            if upload.is_none() && self.poll_gone(cx, outbound) {
                return Poll::Ready(Err(Fault::ClientGone));
            }
            Poll::Pending
        })
        .await;
        record.sent(relay.sent());
        let (out, bytes) = relay.into_memory();
        self.client.worker.wires.put(out);
        self.client.worker.target_buffers.put(bytes);
        match relayed {
            Ok(()) if ends || !outbound.is_complete() => Next::Linger,
            Ok(()) => Next::Idle,
            Err(fault) => {
                record.failed(&fault);
                Next::Close
            }
        }
    }

    /// Whether the client has left; what it sends meanwhile is kept for the next request.
    fn poll_gone(&mut self, cx: &mut Context<'_>, outbound: &Outbound) -> bool {
        if !outbound.is_complete() {
            return false;
        }
        let limit = self.client.worker.head_limits.head;
        while self.input.make_room(limit) {
            match self.input.poll_fill(cx, self.stream) {
                Poll::Ready(Ok(count)) if count > 0 => {}
                Poll::Ready(_) => return true,
                Poll::Pending => return false,
            }
        }
        false
    }

    /// Takes a connection out of HTTP.
    async fn switch(
        &mut self,
        asked: &Asked,
        mut attempt: crate::exchange::Attempt,
        head: usize,
        interim: Vec<u8>,
        mut record: Record,
    ) -> Next {
        let protocol = attempt.head.upgrade().filter(|_| asked.wants_upgrade);
        let Some(protocol) = protocol else {
            return self
                .fail_with(&Fault::UnaskedSwitch, asked, asked.ends_client, &mut record)
                .await;
        };
        record.answered(101);
        let mut out = interim;
        let bytes = attempt.bytes.filled();
        heads::put_switch(&mut out, bytes, &attempt.head, protocol.of(bytes));
        attempt.bytes.consume(head);
        Next::Tunnel(Box::new(Tunnel {
            pool: Rc::clone(&attempt.lease.pool),
            to_client: [out.as_slice(), attempt.bytes.filled()].concat(),
            to_target: self.input.filled().to_vec(),
            lease: attempt.lease,
            record,
        }))
    }

    /// Answers a request of which only the head was looked at.
    async fn fail(&mut self, length: usize, fault: &Fault, record: Option<Record>) -> Next {
        self.input.consume(length);
        let to_head = self.head.method() == Method::Head;
        // Its body is not read, so what follows is not known to be a request.
        let has_body = self.head.body() != BodyLength::None;
        let version = self.head.version();
        let ends = has_body || !self.head.keeps_alive() || respond::ends_connection(fault);
        if let Some(mut record) = record {
            record.answered(respond::status(fault));
            record.failed(fault);
        }
        self.reply_fault(fault, connection_option(ends, version), to_head)
            .await
    }

    async fn fail_with(
        &mut self,
        fault: &Fault,
        asked: &Asked,
        ends: bool,
        record: &mut Record,
    ) -> Next {
        record.answered(respond::status(fault));
        record.failed(fault);
        if matches!(fault, Fault::ClientGone) {
            return Next::Close;
        }
        let ends = ends || respond::ends_connection(fault) || self.client.watch.is_retiring();
        let option = connection_option(ends, asked.version);
        self.reply_fault(fault, option, asked.method == Method::Head)
            .await
    }

    async fn reply_fault(
        &mut self,
        fault: &Fault,
        connection: ConnectionOption,
        to_head: bool,
    ) -> Next {
        let text = respond::text(fault);
        let reply = Reply {
            status: respond::status(fault),
            content_type: "text/plain; charset=utf-8",
            fields: respond::fields(fault),
            body: text.as_bytes(),
        };
        self.reply(&reply, connection, to_head).await
    }

    /// Sends a response of our own.
    async fn reply(
        &mut self,
        reply: &Reply<'_>,
        connection: ConnectionOption,
        to_head: bool,
    ) -> Next {
        let mut out = self.client.worker.wires.take();
        respond::put(&mut out, reply, connection, to_head);
        self.client.watch.enter(Phase::Responding, Instant::now());
        self.client.watch.awaits(crate::watch::Side::Client);
        let mut written = 0;
        let is_out = poll_fn(|cx| {
            while written < out.len() {
                if self.client.watch.poll_expired(cx).is_ready() {
                    return Poll::Ready(false);
                }
                match std::task::ready!(self.stream.poll_write(cx, &out[written..])) {
                    Ok(count) if count > 0 => written += count,
                    _ => return Poll::Ready(false),
                }
            }
            Poll::Ready(true)
        })
        .await;
        self.client.worker.wires.put(out);
        match (is_out, connection) {
            (false, _) => Next::Close,
            (true, ConnectionOption::Close) => Next::Linger,
            (true, _) => Next::Idle,
        }
    }
}

fn connection_option(ends: bool, version: Version) -> ConnectionOption {
    match (ends, version) {
        (true, _) => ConnectionOption::Close,
        (false, Version::Http10) => ConnectionOption::KeepAlive,
        (false, Version::Http11) => ConnectionOption::Kept,
    }
}

fn is_idempotent(head: &RequestHead) -> bool {
    matches!(
        head.method(),
        Method::Get | Method::Head | Method::Options | Method::Put | Method::Delete
    ) || head.get(FieldName::IdempotencyKey).is_some()
        || head.get(FieldName::XIdempotencyKey).is_some()
}
