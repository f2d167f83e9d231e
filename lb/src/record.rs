use std::{net::IpAddr, sync::Arc, time::Duration};

use tokio::time::Instant;

use crate::{
    access_log::{self, Line, LogSender},
    client::judge::Request,
    metrics::{method_index, method_label},
    respond::CLIENT_GONE,
    routing::{Group, Listener},
    rule::CompiledRule,
    target::Target,
};

/// The account of one request, closed when its response has ended or is given up.
pub(crate) struct Record {
    started: Instant,
    group: Option<Arc<Group>>,
    method: usize,
    status: u16,
    /// Only there when somebody reads the access log.
    line: Option<Box<(LogSender, Line)>>,
}

impl Record {
    pub(crate) fn open(request: &Request<'_>) -> Self {
        let method = method_index(request.head.method());
        let log = request.client.worker.log.as_ref();
        Self {
            started: request.now,
            group: None,
            method,
            // Stands if the request is dropped before it has a response.
            status: CLIENT_GONE,
            line: log.map(|log| Box::new((log.clone(), new_line(request, method)))),
        }
    }

    /// The rule that takes the request is found.
    pub(crate) fn routed(&mut self, _listener: &Listener, _rule: &CompiledRule, ip: IpAddr) {
        if let Some(line) = &mut self.line {
            line.1.client = ip;
        }
    }

    /// It goes to a target of this group.
    pub(crate) fn forwarded(&mut self, group: &Arc<Group>) {
        group.metrics.inflight.inc();
        self.group = Some(Arc::clone(group));
        if let Some(line) = &mut self.line {
            line.1.target_group.clone_from(&group.state.name);
        }
    }

    /// It has waited in the group's queue for so long.
    pub(crate) fn queued(&mut self, _wait: Duration) {}

    pub(crate) fn answered(&mut self, status: u16) {
        self.status = status;
    }

    pub(crate) fn tried(&mut self, target: &Target) {
        if let Some(line) = &mut self.line {
            line.1.attempts += 1;
            line.1.target = Some(target.id.clone());
        }
    }

    pub(crate) fn sent(&mut self, bytes: u64) {
        if let Some(line) = &mut self.line {
            line.1.bytes_sent += bytes;
        }
    }

    pub(crate) fn failed(&mut self, why: &dyn std::error::Error) {
        if let Some(line) = &mut self.line {
            line.1.fault = Some(why.to_string());
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let duration = self.started.elapsed();
        if let Some(group) = &self.group {
            group.metrics.inflight.dec();
            group.metrics.duration.observe(duration.as_secs_f64());
            group.metrics.count_request(self.status, self.method);
        }
        if let Some(line) = self.line.take() {
            let (log, mut line) = *line;
            line.status = self.status;
            line.duration_ms = duration.as_secs_f64() * 1e3;
            log.send(line);
        }
    }
}

fn new_line(request: &Request<'_>, method: usize) -> Line {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let host = request.head.host().map(|host| host.of(request.bytes));
    Line {
        time: access_log::now(),
        client: request.client.peer.ip(),
        port: request.client.port,
        method: method_label(method).to_owned(),
        host: text(host.unwrap_or_default()),
        uri: text(request.head.target().of(request.bytes)),
        status: 0,
        target_group: String::new(),
        target: None,
        attempts: 0,
        bytes_sent: 0,
        duration_ms: 0.0,
        fault: None,
    }
}
