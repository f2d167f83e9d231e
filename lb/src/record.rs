use std::{net::IpAddr, sync::Arc};

use hyper::{Request, StatusCode, header::HOST};
use tokio::time::Instant;

use crate::{
    access_log::{self, Line, LogSender},
    metrics::{method_index, method_label},
    routing::Group,
    target::Target,
};

/// The account of one request, closed when its response has ended or is given up.
pub(crate) struct Record {
    started: Instant,
    group: Arc<Group>,
    method: usize,
    status: StatusCode,
    /// Only there when somebody reads the access log.
    line: Option<Box<(LogSender, Line)>>,
}

impl Record {
    pub(crate) fn open<B>(
        group: &Arc<Group>,
        request: &Request<B>,
        client: (IpAddr, u16),
        log: Option<&LogSender>,
    ) -> Self {
        group.metrics.inflight.inc();
        let method = method_index(request.method());
        Self {
            started: Instant::now(),
            group: Arc::clone(group),
            method,
            // Stands if the request is dropped before it has a response: ALB's "client gone".
            status: StatusCode::from_u16(460).unwrap_or(StatusCode::BAD_REQUEST),
            line: log.map(|log| Box::new((log.clone(), new_line(group, request, client, method)))),
        }
    }

    pub(crate) fn group(&self) -> &Arc<Group> {
        &self.group
    }

    pub(crate) fn answered(&mut self, status: StatusCode) {
        self.status = status;
    }

    pub(crate) fn tried(&mut self, target: &Target) {
        if let Some(line) = &mut self.line {
            line.1.attempts += 1;
            line.1.target = Some(target.id.clone());
        }
    }

    pub(crate) fn sent(&mut self, bytes: usize) {
        if let Some(line) = &mut self.line {
            line.1.bytes_sent += bytes as u64;
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
            line.status = self.status.as_u16();
            line.duration_ms = duration.as_secs_f64() * 1e3;
            log.send(line);
        }
    }
}

fn new_line<B>(group: &Group, request: &Request<B>, client: (IpAddr, u16), method: usize) -> Line {
    let host = request.headers().get(HOST);
    Line {
        time: access_log::now(),
        client: client.0,
        port: client.1,
        method: method_label(method).to_owned(),
        host: host
            .map(|host| String::from_utf8_lossy(host.as_bytes()).into_owned())
            .unwrap_or_default(),
        uri: request.uri().to_string(),
        status: 0,
        target_group: group.name.clone(),
        target: None,
        attempts: 0,
        bytes_sent: 0,
        duration_ms: 0.0,
        fault: None,
    }
}
