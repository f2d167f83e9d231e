use std::{
    rc::Rc,
    task::{Context, Poll, ready},
};

use tokio::time::Instant;

use super::{Attempt, Exchange, Failure, LocalBoxed, Shared};
use crate::{
    client::Client,
    retry::hedge::is_idle_enough,
    routing::Wish,
    stickiness::StickyTo,
    target::Claim,
    upstream::{ConnectError, Reuse},
    watch::Watch,
};

/// A second try of a request whose first is late, beside it: whoever answers first is heard,
/// the other's connection is closed.
pub(super) enum Hedge {
    /// Never: the request must not be sent twice, or there is nobody else to ask.
    Off,
    /// When the watch's alarm rings.
    Waiting,
    Connecting(LocalBoxed<Result<Box<Attempt>, ConnectError>>),
    Running(Box<Attempt>),
}

impl Hedge {
    /// For a request that `attempt` has just begun to send.
    pub(super) fn new(exchange: &Exchange<'_>, _attempt: &Attempt) -> Self {
        let group = exchange.group;
        let is_safe = exchange.may_repeat()
            && exchange.shared.outbound.is_complete()
            && group.attributes.retry.hedging
            && group.eligible.len() > 1;
        let late = group.state.lateness.late_after();
        match late.filter(|_| is_safe) {
            Some(late) => {
                let client = exchange.shared.client;
                client
                    .worker
                    .alarms
                    .set(exchange.now + late, exchange.now, &client.watch);
                Self::Waiting
            }
            None => Self::Off,
        }
    }

    pub(super) fn is_running(&self) -> bool {
        matches!(self, Self::Connecting(_) | Self::Running(_))
    }

    /// Whether it is time for the second try; asks once.
    pub(super) fn is_due(&mut self, watch: &Watch, attempt: &Attempt) -> bool {
        let is_due = matches!(self, Self::Waiting) && watch.take_alarm();
        if is_due {
            *self = Self::Off;
        }
        is_due && attempt.is_sent && !attempt.has_answered()
    }

    pub(super) fn start(&mut self, client: &Rc<Client>, claim: Claim) {
        let client = Rc::clone(client);
        *self = Self::Connecting(Box::pin(async move {
            Attempt::start(&client, claim, Reuse::Any, Instant::now()).await
        }));
    }

    /// Ready with the length of the head of the second target's answer. Its failure is none
    /// of the request's: the first goes on.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        shared: &mut Shared<'_>,
    ) -> Poll<Result<usize, Failure>> {
        loop {
            match self {
                Self::Off | Self::Waiting => return Poll::Pending,
                Self::Connecting(connecting) => match ready!(connecting.as_mut().poll(cx)) {
                    Ok(attempt) => *self = Self::Running(attempt),
                    Err(_) => *self = Self::Off,
                },
                Self::Running(attempt) => match ready!(attempt.poll(cx, shared)) {
                    Ok(head) => return Poll::Ready(Ok(head)),
                    Err(_) => {
                        if let Self::Running(attempt) = std::mem::replace(self, Self::Off) {
                            attempt.abandon(shared.client);
                        }
                    }
                },
            }
        }
    }

    /// The second try, which has answered.
    pub(super) fn into_attempt(self) -> Box<Attempt> {
        match self {
            Self::Running(attempt) => attempt,
            _ => unreachable!("only a running hedge answers"),
        }
    }

    pub(super) fn abandon(self, client: &Client) {
        if let Self::Running(attempt) = self {
            attempt.abandon(client);
        }
    }
}

/// A place at another target that has little to do, if the budget allows it.
pub(super) fn claim(exchange: &Exchange<'_>, late: &Attempt) -> Option<Claim> {
    let now = Instant::now();
    let late = late.lease.claim.target();
    let group = exchange.group_now();
    let wish = Wish {
        sticky_to: StickyTo::None,
        key: None,
        tried: &[late.uid],
    };
    let mut rng = exchange.shared.client.worker.rng.borrow_mut();
    let claim = group.pick(&wish, now, &mut *rng)?;
    let target = claim.target();
    let is_idle = is_idle_enough(
        // This claim is one of them.
        target.in_flight().saturating_sub(1),
        group.attributes.max_requests_per_target,
        late.in_flight(),
        target.headroom(now),
    );
    (is_idle && !target.is_suspect(now) && exchange.withdraw()).then_some(claim)
}
