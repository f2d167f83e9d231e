//! The part of a record that is only there for requests that fail.

use std::time::Duration;

use minicloud_lb_api::{RequestAttempt, RequestFailure};

use super::Record;
use crate::{
    access_log,
    failures::{Facts, printable},
    fault::{Fault, sentence},
    respond::{self, CLIENT_GONE},
    routing::Group,
};

impl Record {
    /// Keeps what `fault` did to the request with this head for those who will ask, if the
    /// fault is not the client's.
    pub(crate) fn explain(&mut self, fault: &Fault, head: &[u8]) {
        if respond::status(fault) < 500 || self.failure.is_some() {
            return;
        }
        let facts = Facts::of(head);
        let trace_id = match (&self.group, facts.trace_id) {
            (Some(_), Some(written)) => printable(written),
            (_, inbound) => printable(&self.trace_id(inbound).to_bytes()),
        };
        if let Some(draft) = &mut self.draft {
            draft.traced(&trace_id);
        }
        let is_cut = self.current.is_some() && self.status != CLIENT_GONE;
        self.failure = Some(Box::new(RequestFailure {
            is_cut,
            error_reason: fault.code().to_owned(),
            cause: sentence(fault),
            request: facts.request(),
            traceparent: facts.traceparent.map(printable),
            trace_id,
            ..RequestFailure::default()
        }));
    }

    pub(super) fn close_failure(
        &self,
        mut failure: RequestFailure,
        duration: Duration,
    ) -> RequestFailure {
        let shared = &self.worker.shared;
        let time = access_log::now() - duration;
        failure.time = time.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string();
        failure.status = self.status;
        failure.client = self.source_ip.to_canonical().to_string();
        failure.port = self.port;
        let routing = shared.routing.load();
        failure.load_balancer = routing
            .route(self.port)
            .map(|route| route.listener.load_balancer.clone());
        failure.rule = self.rule.map(|rule| rule.label());
        failure.target_group = self.group.as_ref().map(|group| group.state.name.clone());
        failure.queue_wait_seconds = self.queue_wait.unwrap_or_default().as_secs_f64();
        failure.duration_seconds = duration.as_secs_f64();
        failure.attempts.clone_from(&self.failed);
        if let Some(current) = self.current {
            let (target, address) = self.name_of(current.uid);
            failure.attempts.push(RequestAttempt {
                target,
                address,
                connection: current.connection,
                outcome: failure.cause.clone(),
                duration_seconds: current.seconds(),
                retry_reason: None,
            });
        }
        failure
    }

    /// The id and address of a target that the request was at.
    fn name_of(&self, uid: u64) -> (String, String) {
        let routing = self.worker.shared.routing.load();
        let name = |group: &Group| {
            let mut serving = group.eligible.iter();
            let found = serving.find(|serving| serving.target.uid == uid)?;
            let target = &found.target;
            Some((target.id.clone(), target.endpoint.to_string()))
        };
        let then = self.group.as_deref();
        let now = then.and_then(|group| routing.groups.get(&group.state.name));
        then.and_then(name)
            .or_else(|| name(now?))
            .unwrap_or_else(|| ("-".to_owned(), "-".to_owned()))
    }
}
