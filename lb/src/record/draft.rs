use std::{error::Error, net::IpAddr, time::Duration};

use minicloud_lb_api::RequestAttempt;
use tokio::time::Instant;

use super::{Record, action_word};
use crate::{
    access_log::{self, Asked, Line, MatchedRule},
    client::{Client, judge::Request},
    failures::Facts,
    fault::{Fault, sentence},
    http1::{Classification, FieldName, Version},
    routing::Listener,
    rule::CompiledRule,
    target::Target,
};

/// A line of the access log as it comes together.
pub(super) struct Draft {
    line: Box<Line>,
    /// Whether the line's trace id is one that a target has got, or else a client's own.
    is_traced: bool,
    /// Of the try that is under way: its target, and when the request went there.
    target: Option<(String, String)>,
    sent: Option<Instant>,
    answered: Option<Instant>,
}

impl Draft {
    /// None where nobody reads the log.
    pub(super) fn open(request: &Request<'_>) -> Option<Self> {
        let mut draft = Self::new(request.client)?;
        let value = |name| {
            let field = request.head.get(name)?;
            Some(field.value.of(request.bytes).to_vec())
        };
        let host = request.head.host().map(|host| host.of(request.bytes));
        let line = &mut *draft.line;
        line.asked = Some(Asked {
            method: request.head.method_span().of(request.bytes).to_vec(),
            host: host.unwrap_or(request.local.as_bytes()).to_vec(),
            uri: request.head.target().of(request.bytes).to_vec(),
            version: match request.head.version() {
                Version::Http10 => "HTTP/1.0",
                Version::Http11 => "HTTP/1.1",
            },
            user_agent: value(FieldName::UserAgent),
            traceparent: value(FieldName::Traceparent),
            transformed_host: None,
            transformed_uri: None,
        });
        line.classification = request.head.classification();
        line.classification_reason = request.head.reason();
        line.received_bytes = request.bytes.len() as u64;
        line.trace_id = value(FieldName::XAmznTraceId).unwrap_or_default();
        Some(draft)
    }

    pub(super) fn refused(client: &Client, fault: &Fault, received: usize) -> Option<Self> {
        let mut draft = Self::new(client)?;
        if let Fault::Refused(refusal) = fault {
            draft.line.classification = refusal.classification().unwrap_or_default();
            draft.line.classification_reason = refusal.reason();
        }
        draft.line.received_bytes = received as u64;
        draft.failed(fault.code(), fault);
        Some(draft)
    }

    fn new(client: &Client) -> Option<Self> {
        let log = client.worker.log.as_ref()?;
        let line = Line {
            creation_time: access_log::now(),
            duration: Duration::ZERO,
            peer: client.peer,
            source_ip: client.peer.ip().to_canonical(),
            connection: log.name_of(client.peer, client.port, client.watch.born()),
            port: client.port,
            load_balancer: None,
            asked: None,
            classification: Classification::Compliant,
            classification_reason: None,
            received_bytes: 0,
            sent_bytes: 0,
            status: 0,
            is_tunnel: false,
            rule: None,
            redirect_url: None,
            target_group: None,
            queue_wait: None,
            attempts: Vec::new(),
            target_status: None,
            request_processing: None,
            target_processing: None,
            response_processing: None,
            trace_id: Vec::new(),
            error: None,
        };
        Some(Self {
            line: Box::new(line),
            is_traced: false,
            target: None,
            sent: None,
            answered: None,
        })
    }

    pub(super) fn routed(&mut self, listener: &Listener, rule: &CompiledRule, ip: IpAddr) {
        self.line.source_ip = ip;
        self.line.load_balancer = Some(listener.load_balancer.clone());
        self.line.rule = Some(MatchedRule {
            priority: rule.priority,
            action: action_word(&rule.action),
        });
    }

    /// With the head as targets get it.
    pub(super) fn forwarded(&mut self, group: &str, head: &[u8]) {
        let facts = Facts::of(head);
        self.line.target_group = Some(group.to_owned());
        self.line.trace_id = facts.trace_id.unwrap_or_default().to_vec();
        self.is_traced = true;
        if let Some(asked) = &mut self.line.asked {
            let differs = |now: &[u8], before: &[u8]| (now != before).then(|| now.to_vec());
            asked.transformed_host = differs(facts.host, &asked.host);
            if asked.uri.starts_with(b"/") {
                asked.transformed_uri = differs(facts.uri, &asked.uri);
            }
        }
    }

    pub(super) fn redirected(&mut self, location: &str) {
        self.line.redirect_url = Some(location.to_owned());
    }

    pub(super) fn tried(&mut self, target: &Target) {
        self.target = Some((target.id.clone(), target.endpoint.to_string()));
        self.sent = None;
    }

    pub(super) fn connected(&mut self) {
        self.sent = Some(Instant::now());
    }

    pub(super) fn answered(&mut self, status: u16) {
        self.answered = Some(Instant::now());
        self.line.target_status = Some(status);
        self.line.is_tunnel = status == 101;
    }

    pub(super) fn progressed(&mut self, sent: u64) {
        if sent > 0 && self.line.response_processing.is_none() {
            self.line.response_processing = self.answered.map(|answered| answered.elapsed());
        }
        self.line.sent_bytes = sent;
    }

    pub(super) fn tunnelled(&mut self, received: u64, sent: u64) {
        self.line.received_bytes += received;
        self.line.sent_bytes += sent;
    }

    pub(super) fn received(&mut self, body: u64) {
        self.line.received_bytes += body;
    }

    pub(super) fn failed(&mut self, word: &'static str, error: &dyn Error) {
        self.line.error = Some((word, sentence(error)));
    }

    pub(super) fn traced(&mut self, trace_id: &str) {
        if !self.is_traced {
            self.line.trace_id = trace_id.as_bytes().to_vec();
            self.is_traced = true;
        }
    }

    pub(super) fn close(self, record: &Record, duration: Duration) -> Box<Line> {
        let mut line = self.line;
        line.duration = duration;
        line.status = record.status;
        line.queue_wait = record.queue_wait;
        line.attempts.clone_from(&record.failed);
        if let Some(current) = record.current {
            let (target, address) = self.target.unwrap_or_default();
            let error = line.error.as_ref();
            line.attempts.push(RequestAttempt {
                target,
                address,
                connection: current.connection,
                outcome: error
                    .map_or("answered", |(_, sentence)| sentence)
                    .to_owned(),
                duration_seconds: current.seconds(),
                retry_reason: None,
            });
        }
        if let (Some(sent), Some(answered)) = (self.sent, self.answered) {
            line.request_processing = Some(sent.duration_since(record.started));
            line.target_processing = Some(answered.duration_since(sent));
        }
        if !self.is_traced {
            let inbound = Some(&*line.trace_id).filter(|inbound| !inbound.is_empty());
            line.trace_id = record.trace_id(inbound).to_bytes();
        }
        line
    }
}
