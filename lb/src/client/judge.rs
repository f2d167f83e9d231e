//! What a listener wants done with a request: looked at once, while its head is still in the
//! buffer.

use std::{net::IpAddr, sync::Arc, time::Duration};

use minicloud_lb_api::{HashKey, Stickiness};
use tokio::time::Instant;

use super::Client;
use crate::{
    compression,
    exchange::Outbound,
    fault::Fault,
    heads::{self, Via},
    http1::{
        BodyLength, FieldName, Method, Mitigation, RequestHead, TargetForm, Version, mitigate,
    },
    routing::{Group, Listener, Route},
    rule::{CompiledAction, CompiledRule, Headers, RequestView, Rewritten, WeightedForward},
    stable_hash::stable_hash,
    stickiness::{Scope, Session, StickyTo},
    trace_id::TraceId,
};

/// What is known of a request once its head is gone from the buffer.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) version: Version,
    pub(crate) has_body: bool,
    /// The connection ends with this request, whoever wants it.
    pub(crate) ends_client: bool,
}

/// What is to be done.
pub(crate) enum Decision {
    Forward(Forwarding),
    Reply(OwnReply),
}

/// A request to be sent to a target of `group`.
pub(crate) struct Forwarding {
    pub(crate) group: Arc<Group>,
    pub(crate) outbound: Outbound,
    pub(crate) source_ip: IpAddr,
    pub(crate) wants_upgrade: bool,
    pub(crate) takes_trailers: bool,
    /// Sending it twice does what sending it once does (RFC 9110 9.2.2).
    pub(crate) is_idempotent: bool,
    /// The target's connection ends with this request: others might read it otherwise.
    pub(crate) ends_target: bool,
    pub(crate) sticky_to: StickyTo,
    pub(crate) key: Option<u64>,
    pub(crate) cookies: Cookies,
    /// None where the rule asks for no compression.
    pub(crate) compression: Option<compression::Wish>,
}

/// What a response will tell the client to remember.
#[derive(Default)]
pub(crate) struct Cookies {
    pub(crate) target: Option<Box<(Session, Stickiness)>>,
    pub(crate) group: Option<Box<(Session, Scope, Duration)>>,
}

/// A response that the rule itself gives.
#[derive(Debug)]
pub(crate) struct OwnReply {
    pub(crate) status: u16,
    pub(crate) content_type: String,
    /// Whole field lines.
    pub(crate) fields: String,
    pub(crate) body: bytes::Bytes,
}

impl OwnReply {
    /// Where it sends the client.
    pub(crate) fn location(&self) -> Option<&str> {
        self.fields.strip_prefix("Location: ")?.strip_suffix("\r\n")
    }
}

/// The parts of a request that judging needs.
pub(crate) struct Request<'a> {
    pub(crate) client: &'a Client,
    pub(crate) head: &'a RequestHead,
    pub(crate) bytes: &'a [u8],
    /// The Host of an HTTP/1.0 client that names none.
    pub(crate) local: &'a str,
    pub(crate) now: Instant,
}

pub(crate) struct Fields<'a> {
    head: &'a RequestHead,
    bytes: &'a [u8],
}

impl Request<'_> {
    pub(crate) fn asked(&self) -> Asked {
        let has_body = !matches!(self.head.body(), BodyLength::None | BodyLength::Length(0));
        Asked {
            method: self.head.method(),
            version: self.head.version(),
            has_body,
            ends_client: !self.head.keeps_alive(),
        }
    }

    /// Where the request comes from: the socket's peer, or what a trusted one says.
    pub(crate) fn source_ip(&self, listener: &Listener) -> IpAddr {
        let peer = self.client.peer.ip().to_canonical();
        if !listener.trusts(peer) {
            return peer;
        }
        heads::client_address(self.bytes, self.head, peer, |address| {
            listener.trusts(address)
        })
    }

    /// The rule that takes the request.
    pub(crate) fn rule<'r>(&self, listener: &'r Listener, source_ip: IpAddr) -> &'r CompiledRule {
        listener.rules.find(&self.view(source_ip))
    }

    fn view(&self, source_ip: IpAddr) -> RequestView<'_, Fields<'_>> {
        let port = self.client.port;
        view(self.head, self.bytes, self.local, source_ip, port)
    }

    fn host(&self) -> &[u8] {
        let host = self.head.host().map(|host| host.of(self.bytes));
        host.unwrap_or(self.local.as_bytes())
    }

    /// What is to be done with the request by `rule` of `route`.
    ///
    /// # Errors
    /// Why it gets neither a target nor the rule's own response.
    pub(crate) fn judge(
        &self,
        asked: &mut Asked,
        route: &Route,
        rule: &CompiledRule,
        source_ip: IpAddr,
    ) -> Result<Decision, Fault> {
        let listener = &*route.listener;
        let mode = listener.attributes.desync_mitigation_mode;
        let mitigation = mitigate(mode, self.head.classification());
        if mitigation == Mitigation::Refuse {
            let reason = self.head.reason().map_or("", |reason| reason.as_str());
            return Err(Fault::Ambiguous(reason));
        }
        let ends_both = mitigation == Mitigation::ForwardAndClose;
        asked.ends_client |= ends_both;
        if matches!(asked.method, Method::Connect | Method::Trace) {
            return Err(Fault::MethodNotAllowed);
        }
        if let Some(limiter) = listener.limiter(rule.index) {
            limiter.check(source_ip).map_err(Fault::RateLimited)?;
        }
        match &rule.action {
            CompiledAction::Forward(forward) => {
                let (group, cookies) = self.group(route, rule, forward)?;
                self.forward(listener, rule, group, cookies, source_ip, ends_both)
                    .map(Decision::Forward)
            }
            CompiledAction::Redirect(redirect) => {
                let location = redirect
                    .location(&self.view(source_ip))
                    .and_then(|location| String::from_utf8(location).ok())
                    .ok_or(Fault::Redirect)?;
                Ok(Decision::Reply(OwnReply {
                    status: redirect.status,
                    content_type: String::new(),
                    fields: format!("Location: {location}\r\n"),
                    body: bytes::Bytes::new(),
                }))
            }
            CompiledAction::FixedResponse(response) => Ok(Decision::Reply(OwnReply {
                status: response.status,
                content_type: response.content_type.clone().unwrap_or_default(),
                fields: String::new(),
                body: response.body.clone(),
            })),
        }
    }

    /// The group that the request goes to: by the client's cookie, or by weight.
    fn group(
        &self,
        route: &Route,
        rule: &CompiledRule,
        forward: &WeightedForward,
    ) -> Result<(Arc<Group>, Cookies), Fault> {
        let groups = route.groups(rule.index);
        let mut cookies = Cookies::default();
        let mut index = None;
        if !forward.stickiness.is_zero() {
            let scope = Scope::of(&rule.label);
            let session = Session::read_target_group(self.cookie_fields());
            if let StickyTo::Target(hash) = session.sticky_to(scope) {
                index = groups
                    .iter()
                    .zip(&forward.groups)
                    .position(|(group, tuple)| {
                        let is_there = group.as_ref().is_some_and(|group| group.state.hash == hash);
                        is_there && tuple.weight > 0
                    });
            }
            cookies.group = Some(Box::new((session, scope, forward.stickiness)));
        }
        let index = match (index, groups) {
            (Some(index), _) => Some(index),
            // The usual case needs no chance; a weight of 0 gets nothing here either.
            (None, [_]) => (forward.groups[0].weight > 0).then_some(0),
            (None, _) => forward.choose(self.random()),
        };
        let group = index.and_then(|index| groups.get(index)?.clone());
        group.map(|group| (group, cookies)).ok_or(Fault::NoRoute)
    }

    fn random(&self) -> u64 {
        use rand::RngExt;
        self.client.worker.rng.borrow_mut().random()
    }

    fn cookie_fields(&self) -> impl Iterator<Item = &[u8]> + Clone {
        let fields = self.head.fields().iter();
        fields
            .filter(|field| field.id == FieldName::Cookie)
            .map(|field| field.value.of(self.bytes))
    }

    /// Writes the request as targets get it.
    fn forward(
        &self,
        listener: &Listener,
        rule: &CompiledRule,
        group: Arc<Group>,
        mut cookies: Cookies,
        source_ip: IpAddr,
        ends_target: bool,
    ) -> Result<Forwarding, Fault> {
        let worker = &self.client.worker;
        let limits = &worker.shared.config.limits;
        let head = self.head;
        let body = head.body();
        let length = match body {
            BodyLength::Length(length) => Some(length),
            BodyLength::Chunked => None,
            BodyLength::None | BodyLength::UntilClose => Some(0),
        };
        let body_limit = listener.attributes.max_request_body_bytes.or(limits.body);
        let is_too_large = |length| body_limit.is_some_and(|limit| length > limit);
        if length.is_some_and(is_too_large) {
            return Err(Fault::BodyTooLarge);
        }
        let wire = self.wire(listener, rule)?;
        let fits = length.is_none_or(|length| length <= limits.replay_body as u64);
        let is_idempotent = fits && is_idempotent(head);
        let keep = if is_idempotent { limits.replay_body } else { 0 };
        let mut sticky_to = StickyTo::None;
        if let Some(stickiness) = &group.attributes.stickiness {
            let session = Session::read(stickiness, self.cookie_fields());
            sticky_to = session.sticky_to(group.state.scope);
            cookies.target = Some(Box::new((session, stickiness.clone())));
        }
        Ok(Forwarding {
            key: group.hash_key().map(|key| self.key(key, source_ip)),
            outbound: Outbound::new(wire, body, keep, body_limit, head.expects_continue()),
            source_ip,
            wants_upgrade: head.upgrade().is_some(),
            takes_trailers: head.takes_trailers(),
            is_idempotent,
            ends_target,
            sticky_to,
            cookies,
            compression: self.compression(rule),
            group,
        })
    }

    fn compression(&self, rule: &CompiledRule) -> Option<compression::Wish> {
        let fields = self.head.fields().iter();
        let accepted = fields
            .filter(|field| field.id == FieldName::AcceptEncoding)
            .map(|field| field.value.of(self.bytes));
        let rule = rule.compression.as_ref()?;
        Some(compression::Wish::new(rule, accepted))
    }

    fn wire(&self, listener: &Listener, rule: &CompiledRule) -> Result<Vec<u8>, Fault> {
        let worker = &self.client.worker;
        let inbound = self.head.get(FieldName::XAmznTraceId);
        let trace_id = TraceId::new(
            inbound.map(|field| field.value.of(self.bytes)),
            worker.epoch_seconds(),
            &mut *worker.rng.borrow_mut(),
        );
        let via = Via {
            client: &self.client.address,
            port: self.client.port,
            is_trusted: listener.trusts(self.client.peer.ip().to_canonical()),
            xff: listener.attributes.xff_header_processing_mode,
            trace_id: &trace_id,
        };
        let rewritten = match rule.transforms.is_empty() {
            true => Rewritten::default(),
            false => {
                let mut target = Vec::new();
                heads::put_target(&mut target, self.bytes, self.head);
                rule.transforms
                    .apply(self.host(), &target)
                    .map_err(|_| Fault::Transform)?
            }
        };
        let mut wire = worker.wires.take();
        heads::put_request(
            &mut wire, self.bytes, self.head, &via, &rewritten, self.local,
        );
        Ok(wire)
    }

    /// What a consistent hash goes by.
    fn key(&self, key: &HashKey, source_ip: IpAddr) -> u64 {
        let by_address = || stable_hash(source_ip.to_string().as_bytes());
        match key {
            HashKey::SourceIp => by_address(),
            HashKey::Path => stable_hash(self.view(source_ip).path),
            HashKey::HttpHeader(name) => {
                let name = name.to_ascii_lowercase();
                let fields = Fields {
                    head: self.head,
                    bytes: self.bytes,
                };
                let value = fields.values(name.as_bytes()).next().map(stable_hash);
                value.unwrap_or_else(by_address)
            }
        }
    }
}

/// A request as rules see it; `local` is the Host of an HTTP/1.0 client that names none.
#[inline]
pub(crate) fn view<'a>(
    head: &'a RequestHead,
    bytes: &'a [u8],
    local: &'a str,
    source_ip: IpAddr,
    port: u16,
) -> RequestView<'a, Fields<'a>> {
    let (path, query) = match head.target_form() {
        TargetForm::Origin { path, query } | TargetForm::Absolute { path, query, .. } => {
            (path.of(bytes), query.map(|query| query.of(bytes)))
        }
        TargetForm::Asterisk | TargetForm::Authority => (&b"*"[..], None),
    };
    RequestView {
        method: head.method_span().of(bytes),
        host: head.host().map_or(local.as_bytes(), |host| host.of(bytes)),
        path: if path.is_empty() { b"/" } else { path },
        query,
        source_ip,
        headers: Fields { head, bytes },
        is_https: false,
        port,
    }
}

impl Headers for Fields<'_> {
    fn values<'a>(&'a self, name: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        let fields = self.head.fields().iter();
        fields
            .filter(move |field| field.name.of(self.bytes).eq_ignore_ascii_case(name))
            .map(|field| field.value.of(self.bytes))
    }
}

fn is_idempotent(head: &RequestHead) -> bool {
    matches!(
        head.method(),
        Method::Get | Method::Head | Method::Options | Method::Put | Method::Delete
    ) || head.get(FieldName::IdempotencyKey).is_some()
        || head.get(FieldName::XIdempotencyKey).is_some()
}
