//! A target's answer on its way to the client.

use std::{future::poll_fn, task::Poll};

use minicloud_lb_api::Stickiness;

use super::{
    Next,
    judge::{Asked, Cookies, Forwarding},
    session::{Session, connection_option},
};
use crate::{
    access_log,
    compression::Coding,
    exchange::{Answer, Attempt, Relay},
    fault::Fault,
    gzip::Gzip,
    heads::{self, Framing, OutboundLength},
    http1::{BodyLength, FieldName, ResponseHead, Version},
    record::Record,
    stickiness,
    tunnel::Tunnel,
    watch::Phase,
};

impl Session<'_> {
    /// Passes the answer on.
    pub(super) async fn answer(
        &mut self,
        asked: &Asked,
        forwarding: &mut Forwarding,
        answer: Answer,
        interim: Vec<u8>,
        record: &mut Record,
    ) -> Next {
        let Answer { mut attempt, head } = answer;
        let status = attempt.head.status();
        if status == 101 {
            return self
                .switch(asked, forwarding, attempt, head, interim, record)
                .await;
        }
        record.answered(attempt.lease.claim.target(), status);
        let outbound = &mut forwarding.outbound;
        // A refusal before the end of the body: the rest is not wanted. Other responses may
        // well be written while the body is read.
        let is_refusal = status >= 400 && !outbound.is_complete();
        let body = attempt.head.body();
        let (coding, gzip) = self.coding(asked, forwarding, &attempt);
        let length = match coding {
            Coding::Gzip if body != BodyLength::None => OutboundLength::Chunked,
            _ => outbound_length(body, asked.version),
        };
        let ends = asked.ends_client
            || is_refusal
            || length == OutboundLength::UntilClose
            || self.client.watch.is_retiring()
            || attempt.lease.claim.target().is_draining();
        let framing = Framing {
            body: length,
            coding,
            connection: connection_option(ends, asked.version),
        };
        let progress = (!attempt.is_sent).then(|| std::mem::take(&mut attempt.progress));
        let mut upload = progress.filter(|_| !is_refusal);
        let answer = Answer { attempt, head };
        let mut relay = self.relay(forwarding, answer, &interim, &framing, gzip);
        self.client.watch.enter(Phase::Responding);
        let outbound = &mut forwarding.outbound;
        let relayed = poll_fn(|cx| {
            if let Poll::Ready(expiry) = self.client.watch.poll_expired(cx) {
                return Poll::Ready(Err(expiry.into()));
            }
            if let Some(progress) = &mut upload
                && let Some(lease) = relay.lease()
            {
                let target = &mut lease.upstream.stream;
                let sent = outbound.poll_send(
                    cx,
                    progress,
                    target,
                    self.stream,
                    &mut self.input,
                    &self.client.watch,
                );
                if let Poll::Ready(sent) = sent {
                    sent?;
                    upload = None;
                    relay.note_sent();
                }
            }
            let relayed = relay.poll(cx, self.client, self.stream);
            record.progressed(relay.sent());
            if let Poll::Ready(relayed) = relayed {
                return Poll::Ready(relayed);
            }
            if outbound.is_complete() && self.poll_gone(cx).is_ready() {
                return Poll::Ready(Err(Fault::ClientGone));
            }
            Poll::Pending
        })
        .await;
        record.received(outbound.received());
        relay.finish(&self.client.worker);
        match relayed {
            Ok(()) if ends || !outbound.is_complete() => Next::Linger,
            Ok(()) => Next::Idle,
            Err(fault) => {
                record.explain(&fault, outbound.head());
                record.failed(&fault);
                Next::Close
            }
        }
    }

    /// Writes the head; what is left of the answer is its body.
    fn relay(
        &self,
        forwarding: &Forwarding,
        answer: Answer,
        interim: &[u8],
        framing: &Framing,
        gzip: Option<Gzip>,
    ) -> Relay {
        let Answer { attempt, head } = answer;
        let worker = &self.client.worker;
        let mut out = worker.wires.take();
        out.extend_from_slice(interim);
        heads::put_response(&mut out, attempt.bytes.filled(), &attempt.head, framing);
        put_cookies(&mut out, &forwarding.cookies, forwarding, &attempt);
        out.extend_from_slice(b"\r\n");
        let mut bytes = attempt.bytes;
        bytes.consume(head);
        let mut lease = attempt.lease;
        let granted = attempt.head.keep_alive_timeout();
        lease.upstream.keep_alive = granted.or(lease.upstream.keep_alive);
        let is_reusable = is_reusable(&attempt.head) && !forwarding.ends_target;
        let body = attempt.head.body();
        worker.response_heads.put(attempt.head);
        let mut relay = Relay::new(out, bytes, body, framing.body, lease, is_reusable);
        relay.compress(gzip);
        relay.pass_trailers(forwarding.takes_trailers);
        if attempt.is_sent {
            relay.note_sent();
        }
        relay
    }

    /// What is done with the body, and what it is compressed with, if there is one.
    fn coding(
        &self,
        asked: &Asked,
        forwarding: &Forwarding,
        attempt: &Attempt,
    ) -> (Coding, Option<Gzip>) {
        let Some(wish) = &forwarding.compression else {
            return (Coding::AsIs, None);
        };
        let is_framed = asked.version == Version::Http11;
        let coding = wish.judge(&attempt.head, attempt.bytes.filled(), is_framed);
        if coding != Coding::Gzip || attempt.head.body() == BodyLength::None {
            return (coding, None);
        }
        match self.client.worker.gzips.take(wish.level) {
            Some(gzip) => (Coding::Gzip, Some(gzip)),
            None => (Coding::Varies, None),
        }
    }

    /// Takes a connection out of HTTP.
    async fn switch(
        &mut self,
        asked: &Asked,
        forwarding: &Forwarding,
        mut attempt: Box<Attempt>,
        head: usize,
        interim: Vec<u8>,
        record: &mut Record,
    ) -> Next {
        let protocol = attempt.head.upgrade().filter(|_| forwarding.wants_upgrade);
        let Some(protocol) = protocol else {
            record.explain(&Fault::UnaskedSwitch, forwarding.outbound.head());
            return self
                .fail(&Fault::UnaskedSwitch, asked, asked.ends_client, record)
                .await;
        };
        record.answered(attempt.lease.claim.target(), 101);
        let mut out = interim;
        let bytes = attempt.bytes.filled();
        heads::put_switch(&mut out, bytes, &attempt.head, protocol.of(bytes));
        attempt.bytes.consume(head);
        Next::Tunnel(Box::new(Tunnel {
            to_client: [out.as_slice(), attempt.bytes.filled()].concat(),
            to_target: self.input.filled().to_vec(),
            lease: attempt.lease,
            record: None,
        }))
    }
}

fn outbound_length(body: BodyLength, version: Version) -> OutboundLength {
    match (body, version) {
        (BodyLength::None, _) => OutboundLength::None,
        (BodyLength::Length(length), _) => OutboundLength::Length(length),
        (BodyLength::Chunked | BodyLength::UntilClose, Version::Http11) => OutboundLength::Chunked,
        (BodyLength::Chunked | BodyLength::UntilClose, Version::Http10) => {
            OutboundLength::UntilClose
        }
    }
}

/// Whether the target's connection is fit for another exchange after this one.
fn is_reusable(head: &ResponseHead) -> bool {
    head.keeps_alive() && !head.is_doubtful() && head.body() != BodyLength::UntilClose
}

/// Writes what keeps the client with the target, and the target group, that it was given.
fn put_cookies(out: &mut Vec<u8>, cookies: &Cookies, forwarding: &Forwarding, attempt: &Attempt) {
    if cookies.target.is_none() && cookies.group.is_none() {
        return;
    }
    let now = access_log::now();
    if let Some((session, stickiness)) = cookies.target.as_deref() {
        let (duration, sets_app_cookie) = match stickiness {
            Stickiness::LbCookie { duration } => (*duration, false),
            Stickiness::AppCookie {
                cookie_name,
                duration,
            } => (*duration, sets_cookie(attempt, cookie_name)),
        };
        let scope = forwarding.group.state.scope;
        let choice = attempt.lease.claim.target().hash;
        put_set_cookies(
            out,
            session.answer(scope, choice, duration, sets_app_cookie, false, now),
        );
    }
    if let Some((session, scope, duration)) = cookies.group.as_deref() {
        let choice = forwarding.group.state.hash;
        put_set_cookies(
            out,
            session.answer(*scope, choice, *duration, false, false, now),
        );
    }
}

fn sets_cookie(attempt: &Attempt, name: &str) -> bool {
    let bytes = attempt.bytes.filled();
    let mut fields = attempt.head.fields().iter();
    fields.any(|field| {
        field.id == FieldName::SetCookie && stickiness::sets(field.value.of(bytes), name)
    })
}

fn put_set_cookies(out: &mut Vec<u8>, cookies: stickiness::SetCookies) {
    for cookie in cookies.into_iter().flatten() {
        out.extend_from_slice(b"Set-Cookie: ");
        out.extend_from_slice(cookie.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
}
