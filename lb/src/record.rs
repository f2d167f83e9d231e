use std::sync::Arc;

use tokio::time::Instant;

use crate::{
    access_log::{self, Line, LogSender},
    client::Client,
    http1::RequestHead,
    metrics::{method_index, method_label},
    respond::CLIENT_GONE,
    routing::Group,
    target::Target,
};

/// The account of one request, closed when its response has ended or is given up.
pub(crate) struct Record {
    started: Instant,
    group: Arc<Group>,
    method: usize,
    status: u16,
    /// Only there when somebody reads the access log.
    line: Option<Box<(LogSender, Line)>>,
}

impl Record {
    pub(crate) fn open(
        group: &Arc<Group>,
        head: &RequestHead,
        bytes: &[u8],
        client: &Client,
        started: Instant,
    ) -> Self {
        group.metrics.inflight.inc();
        let method = method_index(head.method());
        let log = client.worker.log.as_ref();
        Self {
            started,
            group: Arc::clone(group),
            method,
            // Stands if the request is dropped before it has a response.
            status: CLIENT_GONE,
            line: log.map(|log| Box::new((log.clone(), new_line(group, head, bytes, client)))),
        }
    }

    pub(crate) fn group(&self) -> &Arc<Group> {
        &self.group
    }

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
        self.group.metrics.inflight.dec();
        self.group.metrics.duration.observe(duration.as_secs_f64());
        self.group.metrics.count_request(self.status, self.method);
        if let Some(line) = self.line.take() {
            let (log, mut line) = *line;
            line.status = self.status;
            line.duration_ms = duration.as_secs_f64() * 1e3;
            log.send(line);
        }
    }
}

fn new_line(group: &Group, head: &RequestHead, bytes: &[u8], client: &Client) -> Line {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Line {
        time: access_log::now(),
        client: client.peer.ip(),
        port: client.port,
        method: method_label(method_index(head.method())).to_owned(),
        host: head
            .host()
            .map_or_else(String::new, |host| text(host.of(bytes))),
        uri: text(head.target().of(bytes)),
        status: 0,
        target_group: group.name.clone(),
        target: None,
        attempts: 0,
        bytes_sent: 0,
        duration_ms: 0.0,
        fault: None,
    }
}
