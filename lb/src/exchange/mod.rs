//! One request's way to a response: a target is picked, the request sent, and sent again
//! where that is safe; then the response relayed.

mod attempt;
mod lease;
mod outbound;
mod relay;

use std::{
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll},
};

pub(crate) use attempt::{Attempt, Failure, Shared};
pub(crate) use lease::Lease;
pub(crate) use outbound::Outbound;
pub(crate) use relay::Relay;

use crate::{
    balancer::Rule,
    fault::Fault,
    metrics::RetryReason,
    record::Record,
    routing::Group,
    target::Claim,
    upstream::{ConnectError, Reuse},
};

/// The tries to get one response.
pub(crate) struct Exchange<'a> {
    pub(crate) shared: Shared<'a>,
    pub(crate) record: &'a mut Record,
    /// Sending it twice does what sending it once does (RFC 9110 9.2.2).
    pub(crate) is_idempotent: bool,
    /// Targets that have failed it.
    pub(crate) tried: Vec<u64>,
}

/// A response's head and where its body comes from.
pub(crate) struct Answer {
    pub(crate) attempt: Attempt,
    /// The length of the head, which `attempt.bytes` begins with.
    pub(crate) head: usize,
}

impl Exchange<'_> {
    /// Tries until there is an answer, another try would not be safe, or there were enough.
    pub(crate) async fn run(&mut self) -> Result<Answer, Fault> {
        let attempts = self.shared.client.worker.shared.config.limits.attempts;
        let mut reuse = match self.is_idempotent && self.shared.outbound.is_replayable() {
            true => Reuse::Any,
            false => Reuse::Recent,
        };
        let mut claim = self.first_claim()?;
        let mut attempt = 1;
        loop {
            let target = Arc::clone(claim.target());
            let failure = match self.attempt(claim, reuse).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            if !matches!(failure, Failure::Final(_)) {
                target.want_probe();
            }
            self.tried.push(target.uid);
            let (reason, fault, is_safe) = self.judge(failure);
            if !is_safe || attempt >= attempts {
                return Err(fault);
            }
            let Some(next) = self.next_claim(reason) else {
                return Err(fault);
            };
            self.record.group().metrics.count_retry(reason);
            tracing::debug!(target.id, reason = reason.as_str(), %fault, "request is tried again");
            (claim, reuse) = (next, Reuse::Never);
            attempt += 1;
        }
    }

    fn first_claim(&self) -> Result<Claim, Fault> {
        let group = self.record.group();
        if group.rule == Rule::FailOpen {
            group.metrics.fail_open.inc();
        }
        // The second look is for targets that began to drain after the first: routing without
        // them is published before they refuse claims.
        let claim = group.pick(&[]).or_else(|| self.group_now().pick(&[]));
        claim.ok_or_else(|| {
            group.metrics.no_healthy_target.inc();
            Fault::NoTarget
        })
    }

    fn next_claim(&self, reason: RetryReason) -> Option<Claim> {
        let group = self.group_now();
        group.pick(&self.tried).or_else(|| match reason {
            // It just refused: asking it again at once is no use.
            RetryReason::Connect => None,
            _ => group.pick(&[]),
        })
    }

    /// The targets may have changed since the request came: a killed one's successor may be
    /// there.
    fn group_now(&self) -> Arc<Group> {
        let group = self.shared.client.worker.group(self.shared.client.port);
        group.unwrap_or_else(|| Arc::clone(self.record.group()))
    }

    /// What a failure is called, what the client is told if it stands, and whether another
    /// try is safe.
    fn judge(&self, failure: Failure) -> (RetryReason, Fault, bool) {
        match failure {
            Failure::Connect(error) => {
                let reason = match error {
                    ConnectError::Timeout(_) => RetryReason::ConnectTimeout,
                    ConnectError::Io(_) => RetryReason::Connect,
                };
                (reason, Fault::Connect(error), true)
            }
            Failure::Unanswered => (
                RetryReason::Unanswered,
                Fault::BadResponse("the target closed the connection without a response"),
                self.is_idempotent && self.shared.outbound.is_replayable(),
            ),
            Failure::Final(fault) => (RetryReason::Unanswered, fault, false),
        }
    }

    async fn attempt(&mut self, claim: Claim, reuse: Reuse) -> Result<Answer, Failure> {
        let client = self.shared.client;
        self.record.tried(claim.target());
        let mut attempt = Attempt::start(client, claim, reuse)
            .await
            .map_err(Failure::Connect)?;
        if self.shared.outbound.take_continue() {
            let interim = &mut *self.shared.interim;
            interim.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
        }
        match poll_fn(|cx| self.poll_attempt(cx, &mut attempt)).await {
            Ok(head) => Ok(Answer { attempt, head }),
            Err(failure) => {
                attempt.abandon(client);
                Err(failure)
            }
        }
    }

    fn poll_attempt(
        &mut self,
        cx: &mut Context<'_>,
        attempt: &mut Attempt,
    ) -> Poll<Result<usize, Failure>> {
        let shared = &mut self.shared;
        if let Poll::Ready(expiry) = shared.client.watch.poll_expired(cx) {
            return Poll::Ready(Err(Failure::Final(expiry.into())));
        }
        if let Poll::Ready(Err(fault)) = shared.poll_interim(cx) {
            return Poll::Ready(Err(Failure::Final(fault)));
        }
        if let Poll::Ready(answered) = attempt.poll(cx, shared) {
            return Poll::Ready(answered);
        }
        if let Poll::Ready(Err(fault)) = shared.poll_interim(cx) {
            return Poll::Ready(Err(Failure::Final(fault)));
        }
        // While the body is on its way, reading it tells that the client has left.
        if attempt.is_sent && shared.poll_gone(cx).is_ready() {
            return Poll::Ready(Err(Failure::Final(Fault::ClientGone)));
        }
        Poll::Pending
    }
}
