//! One request's way to an answer: a target is picked, the request sent, and sent again, or to
//! a second one as well, where that is safe.

mod attempt;
mod hedge;
mod lease;
mod outbound;
mod relay;
mod splice;

use std::{
    future::poll_fn,
    net::IpAddr,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
};

use tokio::time::{Instant, sleep_until};

pub(crate) use attempt::{Attempt, Failure, Shared};
pub(crate) use lease::Lease;
pub(crate) use outbound::Outbound;
pub(crate) use relay::Relay;
pub(crate) use splice::Pipes;

use hedge::Hedge;

use crate::{
    balancer::{Rule, anomaly::Outcome},
    fault::Fault,
    metrics::RetryReason,
    queue::Full,
    record::Record,
    routing::{Group, Wish},
    stickiness::StickyTo,
    target::{Claim, Target},
    upstream::{ConnectError, Reuse},
    watch::Phase,
};

/// The tries to get one answer.
pub(crate) struct Exchange<'a> {
    pub(crate) shared: Shared<'a>,
    pub(crate) record: &'a mut Record,
    /// As it was when the request came.
    pub(crate) group: &'a Arc<Group>,
    pub(crate) source_ip: IpAddr,
    pub(crate) sticky_to: StickyTo,
    /// For consistent hashing.
    pub(crate) key: Option<u64>,
    /// When the try that is on its way began.
    pub(crate) now: Instant,
    /// Sending it twice does what sending it once does (RFC 9110 9.2.2).
    pub(crate) is_idempotent: bool,
    /// Targets that have failed it.
    pub(crate) tried: Vec<u64>,
}

/// A response's head and where its body comes from.
pub(crate) struct Answer {
    pub(crate) attempt: Box<Attempt>,
    /// The length of the head, which `attempt.bytes` begins with.
    pub(crate) head: usize,
}

impl Exchange<'_> {
    /// Tries until there is an answer, another try would not be safe, or there were enough.
    pub(crate) async fn run(mut self) -> Result<Answer, Fault> {
        self.group.state.budget.deposit(self.now);
        let mut reuse = match self.may_repeat() {
            true => Reuse::Any,
            false => Reuse::Recent,
        };
        let mut claim = self.first_claim().await?;
        let mut attempt = 1;
        loop {
            let target = Arc::clone(claim.target());
            self.record.tried(&target, self.now);
            let failure = match self.attempt(claim, reuse).await {
                Ok(answer) => {
                    note_answer(&answer, self.now);
                    return Ok(answer);
                }
                Err(failure) => failure,
            };
            note_failure(&target, &failure, self.now);
            self.now = Instant::now();
            self.record.attempt_failed(&target, &failure);
            self.tried.push(target.uid);
            let (reason, fault, is_safe) = self.judge(failure);
            if !is_safe || attempt >= self.group.attributes.retry.attempts {
                return Err(fault);
            }
            // A connection that was not made, or that was closed while it was idle, has cost
            // the targets nothing.
            if reason.is_of_the_target() && !self.withdraw() {
                self.group.metrics.count_retry(RetryReason::OverBudget);
                return Err(fault);
            }
            let Some(next) = self.next_claim(reason) else {
                return Err(fault);
            };
            self.group.metrics.count_retry(reason);
            self.record.retried(reason);
            tracing::debug!(target.id, reason = reason.as_str(), %fault, "request is tried again");
            (claim, reuse) = (next, Reuse::Never);
            attempt += 1;
        }
    }

    /// Whether the whole request may be sent once more.
    fn may_repeat(&self) -> bool {
        self.is_idempotent && self.shared.outbound.is_replayable()
    }

    fn withdraw(&self) -> bool {
        let limits = &self.group.attributes.retry;
        self.group.state.budget.withdraw(limits, Instant::now())
    }

    fn pick(&self, group: &Group, tried: &[u64]) -> Option<Claim> {
        let wish = Wish {
            sticky_to: self.sticky_to,
            key: self.key,
            tried,
        };
        let mut rng = self.shared.client.worker.rng.borrow_mut();
        group.pick(&wish, self.now, &mut *rng)
    }

    async fn first_claim(&mut self) -> Result<Claim, Fault> {
        let group = self.group;
        if group.rule == Rule::FailOpen {
            group.metrics.fail_open.inc();
        }
        // Who comes later does not overtake who waits.
        let is_orderly = !group.state.has_waiters();
        if is_orderly && let Some(claim) = self.pick(group, &[]) {
            return Ok(claim);
        }
        // The second look is for targets that began to drain after the first: routing without
        // them is published before they refuse claims.
        let group = self.group_now();
        if group.has_queue() {
            return self.wait_in_queue(&group).await;
        }
        self.pick(&group, &[]).ok_or_else(|| {
            group.metrics.no_healthy_target.inc();
            let wait = group
                .state
                .retry_after(!group.eligible.is_empty(), Instant::now());
            match group.eligible.is_empty() {
                true => Fault::NoTarget(wait),
                false => Fault::QueueFull(wait),
            }
        })
    }

    /// Waits until it is this request's turn at a target.
    async fn wait_in_queue(&mut self, group: &Group) -> Result<Claim, Fault> {
        let now = Instant::now();
        let state = &group.state;
        let deadline = now + group.attributes.queue.max_wait;
        let has_targets = !group.eligible.is_empty();
        let full = || Fault::QueueFull(state.retry_after(has_targets, Instant::now()));
        let mut waiting = match state.wait(self.source_ip, deadline, now) {
            Ok(waiting) => waiting,
            Err(Full(())) => return Err(full()),
        };
        let watch = &self.shared.client.watch;
        watch.enter(Phase::Queued);
        let worker = &self.shared.client.worker;
        group.serve_waiting(now, &mut *worker.rng.borrow_mut());
        let shared = &mut self.shared;
        let mut turn = pin!(waiting.turn());
        let mut late = pin!(sleep_until(deadline));
        let claimed = poll_fn(|cx| {
            if let Poll::Ready(claim) = turn.as_mut().poll(cx) {
                return Poll::Ready(claim.ok_or_else(full));
            }
            if late.as_mut().poll(cx).is_ready() {
                state.count_rejected();
                let wait = state.retry_after(has_targets, Instant::now());
                return Poll::Ready(Err(Fault::QueueTimeout(wait)));
            }
            if let Poll::Ready(expiry) = shared.client.watch.poll_expired(cx) {
                return Poll::Ready(Err(expiry.into()));
            }
            // A body that is still to come would be taken for what follows the request.
            if shared.outbound.is_complete() && shared.poll_gone(cx).is_ready() {
                return Poll::Ready(Err(Fault::ClientGone));
            }
            Poll::Pending
        });
        let claimed = claimed.await;
        self.now = Instant::now();
        watch.enter(Phase::Waiting);
        self.record.queued(now.elapsed());
        claimed
    }

    fn next_claim(&self, reason: RetryReason) -> Option<Claim> {
        let group = self.group_now();
        self.pick(&group, &self.tried).or_else(|| match reason {
            // It just refused: asking it again at once is no use.
            RetryReason::Connect => None,
            _ => self.pick(&group, &[]),
        })
    }

    /// The targets may have changed since the request came: a killed one's successor may be
    /// there.
    fn group_now(&self) -> Arc<Group> {
        let routing = self.shared.client.worker.shared.routing.load();
        let group = routing.groups.get(&self.group.state.name);
        Arc::clone(group.unwrap_or(self.group))
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
            Failure::Unanswered { was_reused } => {
                let reason = match was_reused {
                    true => RetryReason::Stale,
                    false => RetryReason::Unanswered,
                };
                let fault =
                    Fault::BadResponse("the target closed the connection without a response");
                (reason, fault, self.may_repeat())
            }
            Failure::Final(fault) => (RetryReason::Unanswered, fault, false),
        }
    }

    async fn attempt(&mut self, claim: Claim, reuse: Reuse) -> Result<Answer, Failure> {
        let client = self.shared.client;
        let mut attempt = Attempt::start(client, claim, reuse, self.now)
            .await
            .map_err(Failure::Connect)?;
        self.record.connected(attempt.lease.upstream.is_reused);
        if self.shared.outbound.take_continue() {
            let interim = &mut *self.shared.interim;
            interim.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
        }
        let mut hedge = Hedge::new(self, &attempt);
        let answered = poll_fn(|cx| self.poll_attempts(cx, &mut attempt, &mut hedge)).await;
        match answered {
            Ok((head, false)) => {
                hedge.abandon(client);
                Ok(Answer { attempt, head })
            }
            Ok((head, true)) => {
                attempt.abandon(client);
                let attempt = hedge.into_attempt();
                let target = attempt.lease.claim.target();
                self.record.tried(target, Instant::now());
                self.record.connected(attempt.lease.upstream.is_reused);
                Ok(Answer { attempt, head })
            }
            Err(failure) => {
                attempt.abandon(client);
                hedge.abandon(client);
                Err(failure)
            }
        }
    }

    /// Ready with the head's length and whether the hedge has it.
    fn poll_attempts(
        &mut self,
        cx: &mut Context<'_>,
        attempt: &mut Attempt,
        hedge: &mut Hedge,
    ) -> Poll<Result<(usize, bool), Failure>> {
        let shared = &mut self.shared;
        if let Poll::Ready(expiry) = shared.client.watch.poll_expired(cx) {
            return Poll::Ready(Err(Failure::Final(expiry.into())));
        }
        if let Poll::Ready(answered) = attempt.poll(cx, shared) {
            // With a second try on its way, the first one's end is not the request's.
            if answered.is_ok() || !hedge.is_running() {
                return Poll::Ready(answered.map(|head| (head, false)));
            }
        }
        if let Poll::Ready(answered) = self.poll_hedge(cx, attempt, hedge) {
            return Poll::Ready(answered.map(|head| (head, true)));
        }
        let shared = &mut self.shared;
        if let Poll::Ready(Err(fault)) = shared.poll_interim(cx) {
            return Poll::Ready(Err(Failure::Final(fault)));
        }
        // While the body is on its way, reading it tells that the client has left.
        if attempt.is_sent && shared.poll_gone(cx).is_ready() {
            return Poll::Ready(Err(Failure::Final(Fault::ClientGone)));
        }
        Poll::Pending
    }

    /// Asks a second target once the first is late, and listens to it.
    fn poll_hedge(
        &mut self,
        cx: &mut Context<'_>,
        attempt: &Attempt,
        hedge: &mut Hedge,
    ) -> Poll<Result<usize, Failure>> {
        if hedge.is_due(&self.shared.client.watch, attempt)
            && let Some(claim) = hedge::claim(self, attempt)
        {
            self.group.metrics.count_retry(RetryReason::Hedge);
            hedge.start(self.shared.client, claim);
        }
        hedge.poll(cx, &mut self.shared)
    }
}

/// Tells the target's judges that it has answered.
fn note_answer(answer: &Answer, started: Instant) {
    let target = answer.attempt.lease.claim.target();
    if answer.attempt.head.status() < 500 {
        return target.outcomes.note(Outcome::Success);
    }
    let now = Instant::now();
    target.note(Outcome::ServerError, now.duration_since(started), now);
}

/// Tells the target's judges of a failure that is its own.
fn note_failure(target: &Arc<Target>, failure: &Failure, started: Instant) {
    let outcome = match failure {
        Failure::Connect(_) | Failure::Unanswered { was_reused: false } => Outcome::ConnectFailure,
        Failure::Final(Fault::TargetTimeout) => Outcome::Timeout,
        Failure::Final(Fault::BadResponse(_) | Fault::UnusableResponse(_)) => Outcome::ServerError,
        Failure::Unanswered { was_reused: true } | Failure::Final(_) => return,
    };
    let now = Instant::now();
    target.note(outcome, now.duration_since(started), now);
    target.want_probe();
}

/// A boxed future of this thread.
type LocalBoxed<T> = Pin<Box<dyn Future<Output = T>>>;
