use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use jiff::Timestamp;
use minicloud_lb_api::RequestAttempt;

use crate::http1::{Classification, Reason};

/// One request and what became of it. Bytes are as they came: each format makes them harmless
/// in its own way.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Line {
    /// When its head was there.
    pub(crate) creation_time: Timestamp,
    /// From then to the end.
    pub(crate) duration: Duration,
    /// The other end of the client's connection.
    pub(crate) peer: SocketAddr,
    /// Where it comes from by what trusted networks say; the peer, mostly.
    pub(crate) source_ip: IpAddr,
    /// Names the client's connection.
    pub(crate) connection: u128,
    /// The listener's.
    pub(crate) port: u16,
    /// None where there is no listener, or no head was read.
    pub(crate) load_balancer: Option<String>,
    /// None where no head was read.
    pub(crate) asked: Option<Asked>,
    pub(crate) classification: Classification,
    pub(crate) classification_reason: Option<Reason>,
    /// The head and the body, without the body's framing.
    pub(crate) received_bytes: u64,
    pub(crate) sent_bytes: u64,
    pub(crate) status: u16,
    /// The connection has left HTTP.
    pub(crate) is_tunnel: bool,
    pub(crate) rule: Option<MatchedRule>,
    pub(crate) redirect_url: Option<String>,
    pub(crate) target_group: Option<String>,
    pub(crate) queue_wait: Option<Duration>,
    pub(crate) attempts: Vec<RequestAttempt>,
    /// The last attempt's.
    pub(crate) target_status: Option<u16>,
    /// Until the request went to the last target, from then to its answer, from then to the
    /// answer's first bytes at the client.
    pub(crate) request_processing: Option<Duration>,
    pub(crate) target_processing: Option<Duration>,
    pub(crate) response_processing: Option<Duration>,
    pub(crate) trace_id: Vec<u8>,
    /// A word and a sentence: why the balancer answered by itself, or why the response is not
    /// whole.
    pub(crate) error: Option<(&'static str, String)>,
}

/// What a head asks for.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Asked {
    pub(crate) method: Vec<u8>,
    pub(crate) host: Vec<u8>,
    /// As it was sent.
    pub(crate) uri: Vec<u8>,
    pub(crate) version: &'static str,
    pub(crate) user_agent: Option<Vec<u8>>,
    pub(crate) traceparent: Option<Vec<u8>>,
    /// What the rule's transforms made of it, where that is something else.
    pub(crate) transformed_host: Option<Vec<u8>>,
    pub(crate) transformed_uri: Option<Vec<u8>>,
}

/// The rule that took the request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct MatchedRule {
    /// None: the default.
    pub(crate) priority: Option<u32>,
    /// ALB's word.
    pub(crate) action: &'static str,
}

impl MatchedRule {
    pub(crate) fn label(self) -> String {
        let priority = self.priority.map(|priority| priority.to_string());
        priority.unwrap_or_else(|| "default".to_owned())
    }
}

impl Line {
    /// Its weight while it waits to be written, about.
    pub(super) fn size(&self) -> usize {
        let asked = self.asked.as_ref().map_or(0, Asked::size);
        let error = self.error.as_ref().map_or(0, |(_, text)| text.len());
        let redirect = self.redirect_url.as_ref().map_or(0, String::len);
        let attempts = size_of::<RequestAttempt>() * self.attempts.len();
        size_of::<Self>() + asked + error + redirect + attempts + self.trace_id.len()
    }
}

impl Asked {
    fn size(&self) -> usize {
        let optional = [
            &self.user_agent,
            &self.traceparent,
            &self.transformed_host,
            &self.transformed_uri,
        ];
        let optional = optional.into_iter().flatten();
        self.method.len() + self.host.len() + self.uri.len() + optional.map(Vec::len).sum::<usize>()
    }
}
