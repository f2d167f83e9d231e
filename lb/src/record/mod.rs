//! The account of one request: what the metrics, the access log and those who ask why it
//! failed are told of it.

mod draft;
mod explain;

use std::{error::Error, net::IpAddr, rc::Rc, sync::Arc, time::Duration};

use minicloud_lb_api::{ConnectionUse, RequestAttempt, RequestFailure};
use tokio::time::Instant;

use self::draft::Draft;
use crate::{
    client::{Client, judge::Request},
    exchange::{Failure, Outbound},
    fault::Fault,
    http1::{Classification, Method},
    metrics::{RetryReason, RuleMetrics, method_index},
    respond::CLIENT_GONE,
    routing::{Group, Listener},
    rule::{CompiledAction, CompiledRule},
    target::Target,
    trace_id::TraceId,
    worker::Worker,
};

/// Closed when the response has ended or is given up.
///
/// Costs little while nothing fails and nobody reads the access log: what is only wanted then
/// is only gathered then.
pub(crate) struct Record {
    worker: Rc<Worker>,
    started: Instant,
    port: u16,
    source_ip: IpAddr,
    rule: Option<TakenBy>,
    group: Option<Arc<Group>>,
    method: usize,
    status: u16,
    queue_wait: Option<Duration>,
    /// The try that is under way or has answered.
    current: Option<Try>,
    failed: Vec<RequestAttempt>,
    failure: Option<Box<RequestFailure>>,
    /// Only there when somebody reads the access log.
    draft: Option<Box<Draft>>,
}

/// A rule's place in its listener and its priority.
#[derive(Clone, Copy)]
struct TakenBy {
    index: usize,
    priority: Option<u32>,
}

#[derive(Clone, Copy)]
struct Try {
    /// Names the target.
    uid: u64,
    started: Instant,
    connection: Option<ConnectionUse>,
}

impl Record {
    pub(crate) fn open(request: &Request<'_>) -> Self {
        let draft = Draft::open(request).map(Box::new);
        let method = method_index(request.head.method());
        let class = request.head.classification();
        if class != Classification::Compliant {
            let metrics = &request.client.worker.shared.metrics;
            metrics.count_non_compliant(class, request.head.reason());
        }
        Self::new(request.client, request.now, method, draft)
    }

    /// Of what is no request.
    pub(crate) fn refused(client: &Client, fault: &Fault, received: usize) -> Self {
        let draft = Draft::refused(client, fault, received).map(Box::new);
        if let Fault::Refused(refusal) = fault
            && let Some(class) = refusal.classification()
        {
            let metrics = &client.worker.shared.metrics;
            metrics.count_non_compliant(class, refusal.reason());
        }
        let method = method_index(Method::Other);
        Self::new(client, Instant::now(), method, draft)
    }

    fn new(client: &Client, started: Instant, method: usize, draft: Option<Box<Draft>>) -> Self {
        Self {
            worker: Rc::clone(&client.worker),
            started,
            port: client.port,
            source_ip: client.peer.ip(),
            rule: None,
            group: None,
            method,
            // Stands if the request is dropped before it has a response.
            status: CLIENT_GONE,
            queue_wait: None,
            current: None,
            failed: Vec::new(),
            failure: None,
            draft,
        }
    }

    /// The rule that takes the request is found.
    pub(crate) fn routed(&mut self, listener: &Listener, rule: &CompiledRule, ip: IpAddr) {
        self.source_ip = ip;
        self.rule = Some(TakenBy {
            index: rule.index,
            priority: rule.priority,
        });
        if let Some(draft) = &mut self.draft {
            draft.routed(listener, rule, ip);
        }
    }

    /// It goes to a target of this group.
    pub(crate) fn forwarded(&mut self, group: &Arc<Group>, outbound: &Outbound) {
        group.metrics.inflight.inc();
        self.group = Some(Arc::clone(group));
        if let Some(draft) = &mut self.draft {
            draft.forwarded(&group.state.name, outbound.head());
        }
    }

    /// It has waited in the group's queue for so long.
    pub(crate) fn queued(&mut self, wait: Duration) {
        self.queue_wait = Some(wait);
        if let Some(group) = &self.group {
            group.metrics.queue_wait.observe(wait.as_secs_f64());
        }
    }

    /// A target is tried.
    pub(crate) fn tried(&mut self, target: &Target, now: Instant) {
        self.current = Some(Try {
            uid: target.uid,
            started: now,
            connection: None,
        });
        if let Some(draft) = &mut self.draft {
            draft.tried(target);
        }
    }

    /// It has a connection to the target.
    pub(crate) fn connected(&mut self, is_reused: bool) {
        if let Some(current) = &mut self.current {
            current.connection = Some(connection_use(is_reused));
        }
        if let Some(draft) = &mut self.draft {
            draft.connected();
        }
    }

    /// The try has failed.
    pub(crate) fn attempt_failed(&mut self, target: &Target, failure: &Failure) {
        if let Failure::Connect(_) = failure {
            target.count_connection_error();
        }
        let current = self.current.take();
        self.failed.push(RequestAttempt {
            target: target.id.clone(),
            address: target.endpoint.to_string(),
            connection: current.and_then(|current| current.connection),
            outcome: failure.to_string(),
            duration_seconds: current.map_or(0.0, Try::seconds),
            retry_reason: None,
        });
    }

    /// Another try follows.
    pub(crate) fn retried(&mut self, reason: RetryReason) {
        if let Some(last) = self.failed.last_mut() {
            last.retry_reason = Some(reason.as_str().to_owned());
        }
    }

    /// A target's answer is to be passed on.
    pub(crate) fn answered(&mut self, target: &Target, status: u16) {
        target.count_response(status);
        self.status = status;
        if let Some(draft) = &mut self.draft {
            draft.answered(status);
        }
    }

    /// The balancer answers by itself.
    pub(crate) fn replied(&mut self, status: u16) {
        self.status = status;
    }

    /// The client is sent elsewhere.
    pub(crate) fn redirected(&mut self, location: &str) {
        if let Some(draft) = &mut self.draft {
            draft.redirected(location);
        }
    }

    /// So much of the response is at the client by now.
    #[inline]
    pub(crate) fn progressed(&mut self, sent: u64) {
        if let Some(draft) = &mut self.draft {
            draft.progressed(sent);
        }
    }

    /// What went through a tunnel beside its beginning.
    pub(crate) fn tunnelled(&mut self, received: u64, sent: u64) {
        if let Some(draft) = &mut self.draft {
            draft.tunnelled(received, sent);
        }
    }

    /// When the request's head was whole.
    pub(crate) fn started(&self) -> Instant {
        self.started
    }

    /// So much of a body has come.
    pub(crate) fn received(&mut self, body: u64) {
        if let Some(draft) = &mut self.draft {
            draft.received(body);
        }
    }

    pub(crate) fn failed(&mut self, fault: &Fault) {
        if let Fault::RateLimited(_) = fault {
            self.count_rule(|rule| rule.rate_limited.inc());
        }
        if let Some(draft) = &mut self.draft {
            draft.failed(fault.code(), fault);
        }
    }

    /// A tunnel has ended so.
    pub(crate) fn broke(&mut self, error: &dyn Error) {
        if let Some(draft) = &mut self.draft {
            draft.failed("TunnelBroken", error);
        }
    }

    /// The id of a request that is explained.
    pub(crate) fn failure_trace_id(&self) -> Option<&str> {
        self.failure.as_ref().map(|failure| &*failure.trace_id)
    }

    fn trace_id<'a>(&self, inbound: Option<&'a [u8]>) -> TraceId<'a> {
        let mut rng = self.worker.rng.borrow_mut();
        TraceId::new(inbound, self.worker.epoch_seconds(), &mut *rng)
    }

    /// Counts for the rule that took the request, if it is still there.
    fn count_rule(&self, count: impl FnOnce(&RuleMetrics)) {
        let Some(rule) = self.rule else {
            return;
        };
        let routing = self.worker.shared.routing.load();
        if let Some(route) = routing.route(self.port)
            && let Some(metrics) = route.rule_metrics(rule.index, rule.priority)
        {
            count(metrics);
        }
    }
}

impl TakenBy {
    fn label(self) -> String {
        let priority = self.priority.map(|priority| priority.to_string());
        priority.unwrap_or_else(|| "default".to_owned())
    }
}

impl Try {
    fn seconds(self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let duration = self.started.elapsed();
        self.count_rule(|rule| rule.count_request(self.status));
        if let Some(group) = &self.group {
            group.metrics.inflight.dec();
            group.metrics.duration.observe(duration.as_secs_f64());
            group.metrics.count_request(self.status, self.method);
        }
        if let Some(failure) = self.failure.take() {
            let failure = self.close_failure(*failure, duration);
            self.worker.shared.failures.push(failure);
        }
        if let Some(draft) = self.draft.take() {
            let line = draft.close(self, duration);
            if let Some(log) = &self.worker.log {
                log.send(line);
            }
        }
    }
}

fn connection_use(is_reused: bool) -> ConnectionUse {
    match is_reused {
        true => ConnectionUse::Reused,
        false => ConnectionUse::Fresh,
    }
}

/// ALB's word for what a rule does.
fn action_word(action: &CompiledAction) -> &'static str {
    match action {
        CompiledAction::Forward(_) => "forward",
        CompiledAction::Redirect(_) => "redirect",
        CompiledAction::FixedResponse(_) => "fixed-response",
    }
}
