use std::{borrow::Cow, fmt, net::IpAddr, time::Duration};

use jiff::Timestamp;
use minicloud_lb_api::RequestAttempt;

use crate::access_log::Line;

/// Is told of each request once it has ended, on the thread that writes the access log.
///
/// No request waits for it: what comes faster than it takes is dropped and counted as lines of
/// the log are.
pub trait RequestObserver: fmt::Debug + Send + Sync {
    fn ended(&self, request: &EndedRequest<'_>);
}

/// What became of a request. Texts that the client chose are as long as the limits of a head
/// let them be; what is no UTF-8 in them is U+FFFD.
#[derive(Clone, Debug, PartialEq)]
pub struct EndedRequest<'a> {
    /// When its head was there.
    pub started_at: Timestamp,
    pub duration: Duration,
    /// Where it comes from by what trusted networks say.
    pub client: IpAddr,
    /// The listener's.
    pub port: u16,
    pub load_balancer: Option<&'a str>,
    /// None where no head was read; the next two likewise.
    pub method: Option<Cow<'a, str>>,
    pub host: Option<Cow<'a, str>>,
    /// As it was sent, query included.
    pub uri: Option<Cow<'a, str>>,
    pub status: u16,
    /// The priority of the rule that took it, or `default`.
    pub rule: Option<String>,
    pub target_group: Option<&'a str>,
    /// In the order of their ends; the last one answered if any did.
    pub attempts: &'a [RequestAttempt],
    /// `X-Amzn-Trace-Id`, as a target got it.
    pub trace_id: Cow<'a, str>,
    /// The client's, unchecked.
    pub traceparent: Option<Cow<'a, str>>,
    /// A word for why the balancer answered by itself, or cut the response.
    pub error_reason: Option<&'static str>,
}

impl<'a> EndedRequest<'a> {
    pub(crate) fn of(line: &'a Line) -> Self {
        let asked = line.asked.as_ref();
        let text = String::from_utf8_lossy;
        Self {
            started_at: line.creation_time,
            duration: line.duration,
            client: line.source_ip,
            port: line.port,
            load_balancer: line.load_balancer.as_deref(),
            method: asked.map(|asked| text(&asked.method)),
            host: asked.map(|asked| text(&asked.host)),
            uri: asked.map(|asked| text(&asked.uri)),
            status: line.status,
            rule: line.rule.map(|rule| rule.label()),
            target_group: line.target_group.as_deref(),
            attempts: &line.attempts,
            trace_id: text(&line.trace_id),
            traceparent: asked.and_then(|asked| asked.traceparent.as_deref().map(text)),
            error_reason: line.error.as_ref().map(|(word, _)| *word),
        }
    }
}
