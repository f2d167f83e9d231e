//! A line as a JSON object, in ALB's names where ALB has one. Bytes that are no UTF-8 become
//! U+FFFD; what there is not is left out.

use std::{net::IpAddr, time::Duration};

use jiff::Timestamp;
use minicloud_lb_api::RequestAttempt;
use serde::Serialize;

use super::line::Line;

#[derive(Serialize)]
struct Object<'a> {
    time: Timestamp,
    request_creation_time: Timestamp,
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    load_balancer: Option<&'a str>,
    port: u16,
    client: IpAddr,
    client_port: u16,
    /// Only where it is not the client.
    #[serde(skip_serializing_if = "Option::is_none")]
    peer: Option<IpAddr>,
    conn_trace_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uri: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<String>,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    redirect_url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    transformed_host: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    transformed_uri: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target_group: Option<&'a str>,
    /// The last one that was tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target_status: Option<u16>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    attempts: &'a [RequestAttempt],
    bytes_received: u64,
    bytes_sent: u64,
    duration_ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_processing_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target_processing_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_processing_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    queue_wait_ms: Option<f64>,
    trace_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    traceparent: Option<String>,
    classification: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    classification_reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<&'a str>,
}

pub(super) fn put(out: &mut Vec<u8>, line: &Line) {
    let length = out.len();
    if serde_json::to_writer(&mut *out, &Object::new(line)).is_err() {
        // Not of strings and numbers; half a line would be worse than none.
        out.truncate(length);
    }
}

impl<'a> Object<'a> {
    fn new(line: &'a Line) -> Self {
        let asked = line.asked.as_ref();
        let error = line.error.as_ref();
        Self {
            time: line.creation_time + line.duration,
            request_creation_time: line.creation_time,
            kind: if line.is_tunnel { "ws" } else { "http" },
            load_balancer: line.load_balancer.as_deref(),
            port: line.port,
            client: line.source_ip,
            client_port: line.peer.port(),
            peer: Some(line.peer.ip().to_canonical()).filter(|peer| *peer != line.source_ip),
            conn_trace_id: format!("TID_{:032x}", line.connection),
            method: asked.map(|asked| text(&asked.method)),
            host: asked.map(|asked| text(&asked.host)),
            uri: asked.map(|asked| text(&asked.uri)),
            version: asked.map(|asked| asked.version),
            user_agent: asked.and_then(|asked| asked.user_agent.as_deref().map(text)),
            status: line.status,
            rule: line.rule.map(|rule| rule.label()),
            action: line.rule.map(|rule| rule.action),
            redirect_url: line.redirect_url.as_deref(),
            transformed_host: asked.and_then(|asked| asked.transformed_host.as_deref().map(text)),
            transformed_uri: asked.and_then(|asked| asked.transformed_uri.as_deref().map(text)),
            target_group: line.target_group.as_deref(),
            target: line.attempts.last().map(|last| &*last.target),
            target_status: line.target_status,
            attempts: &line.attempts,
            bytes_received: line.received_bytes,
            bytes_sent: line.sent_bytes,
            duration_ms: millis(line.duration),
            request_processing_ms: line.request_processing.map(millis),
            target_processing_ms: line.target_processing.map(millis),
            response_processing_ms: line.response_processing.map(millis),
            queue_wait_ms: line.queue_wait.map(millis),
            trace_id: text(&line.trace_id),
            traceparent: asked.and_then(|asked| asked.traceparent.as_deref().map(text)),
            classification: line.classification.as_str(),
            classification_reason: line.classification_reason.map(|reason| reason.as_str()),
            error_reason: error.map(|(word, _)| *word),
            fault: error.map(|(_, sentence)| &**sentence),
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
