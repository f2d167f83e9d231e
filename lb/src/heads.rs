//! Heads as they go out: what a proxy takes from a message's fields and adds to them. Pure.

use std::net::IpAddr;

use minicloud_lb_api::XffHeaderProcessingMode;

use crate::{
    compression::{self, Coding},
    http1::{BodyLength, FieldName, RequestHead, ResponseHead, TargetForm, put_decimal},
    rule::Rewritten,
    trace_id::TraceId,
};

/// What a target is told of the client's connection.
#[derive(Debug)]
pub(crate) struct Via<'a> {
    /// The socket's peer.
    pub(crate) client: &'a str,
    pub(crate) port: u16,
    /// The peer's own words about earlier hops are believed.
    pub(crate) is_trusted: bool,
    pub(crate) xff: XffHeaderProcessingMode,
    pub(crate) trace_id: &'a TraceId<'a>,
}

/// What a client's response head says beside the target's own fields.
#[derive(Debug)]
pub(crate) struct Framing {
    pub(crate) body: OutboundLength,
    pub(crate) coding: Coding,
    pub(crate) connection: ConnectionOption,
}

/// How a response's body goes to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OutboundLength {
    /// No body, and no word about one but what the target's Content-Length says.
    None,
    Length(u64),
    Chunked,
    UntilClose,
}

/// What `Connection` says to a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConnectionOption {
    /// Nothing: HTTP/1.1 keeps connections.
    Kept,
    /// An HTTP/1.0 client asked for it.
    KeepAlive,
    Close,
}

/// Writes a client's request as a target gets it: origin-form or `*`, HTTP/1.1, one Host,
/// hop-by-hop fields gone (RFC 9110 7.6.1) before ours are added, so that a client cannot
/// name ours in `Connection`. `local` is the Host of an HTTP/1.0 client that names none.
pub(crate) fn put_request(
    out: &mut Vec<u8>,
    bytes: &[u8],
    head: &RequestHead,
    via: &Via<'_>,
    rewritten: &Rewritten,
    local: &str,
) {
    out.extend_from_slice(head.method_span().of(bytes));
    out.push(b' ');
    match &rewritten.path_and_query {
        Some(target) => out.extend_from_slice(target),
        None => put_target(out, bytes, head),
    }
    out.extend_from_slice(b" HTTP/1.1\r\nHost: ");
    let host = head.host().map(|host| host.of(bytes));
    let host = rewritten.host.as_deref().or(host);
    out.extend_from_slice(host.unwrap_or(local.as_bytes()));
    out.extend_from_slice(b"\r\n");
    let mut forwarded_for = ForwardedFor::new(via);
    for field in head.fields() {
        if field.is_named_by_connection || field.is_suspicious {
            continue;
        }
        let passes = match field.id {
            id if ends_here(id) || is_ours(id) => false,
            FieldName::XForwardedFor => {
                forwarded_for.take(field.value.of(bytes));
                false
            }
            FieldName::XForwardedProto
            | FieldName::XForwardedPort
            | FieldName::XForwardedHost
            | FieldName::Forwarded => via.is_trusted,
            _ => true,
        };
        if passes {
            put_field(out, field.name.of(bytes), field.value.of(bytes));
        }
    }
    put_request_framing(out, bytes, head);
    forwarded_for.put(out);
    put_forwarded(out, head, via);
    out.extend_from_slice(b"X-Amzn-Trace-Id: ");
    via.trace_id.put(out);
    out.extend_from_slice(b"\r\n\r\n");
}

/// Fields that concern one connection only, and those that would reach past the balancer.
fn ends_here(id: FieldName) -> bool {
    matches!(
        id,
        FieldName::Connection
            | FieldName::KeepAlive
            | FieldName::ProxyConnection
            | FieldName::Te
            | FieldName::TransferEncoding
            | FieldName::Upgrade
            | FieldName::Http2Settings
            | FieldName::ProxyAuthorization
            | FieldName::ProxyAuthenticate
            // CGI turns it into HTTP_PROXY (httpoxy).
            | FieldName::Proxy
    )
}

/// Fields of a request that are written anew. `Expect` is answered here.
fn is_ours(id: FieldName) -> bool {
    matches!(
        id,
        FieldName::Host | FieldName::ContentLength | FieldName::Expect | FieldName::XAmznTraceId
    )
}

/// Writes the request target in origin-form, or `*`.
pub(crate) fn put_target(out: &mut Vec<u8>, bytes: &[u8], head: &RequestHead) {
    match head.target_form() {
        TargetForm::Absolute { path, query, .. } => {
            match path.is_empty() {
                true => out.push(b'/'),
                false => out.extend_from_slice(path.of(bytes)),
            }
            if let Some(query) = query {
                out.push(b'?');
                out.extend_from_slice(query.of(bytes));
            }
        }
        _ => out.extend_from_slice(head.target().of(bytes)),
    }
}

fn put_request_framing(out: &mut Vec<u8>, bytes: &[u8], head: &RequestHead) {
    match head.body() {
        BodyLength::Length(length) => {
            out.extend_from_slice(b"Content-Length: ");
            put_decimal(out, length);
            out.extend_from_slice(b"\r\n");
        }
        BodyLength::Chunked => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
        BodyLength::None | BodyLength::UntilClose => {}
    }
    if head.takes_trailers() {
        out.extend_from_slice(b"TE: trailers\r\n");
    }
    if let Some(protocol) = head.upgrade() {
        put_upgrade(out, protocol.of(bytes));
    }
}

fn put_upgrade(out: &mut Vec<u8>, protocol: &[u8]) {
    out.extend_from_slice(b"Connection: upgrade\r\n");
    put_field(out, b"Upgrade", protocol);
}

fn put_forwarded(out: &mut Vec<u8>, head: &RequestHead, via: &Via<'_>) {
    let is_kept = |name| via.is_trusted && head.get(name).is_some();
    if !is_kept(FieldName::XForwardedProto) {
        out.extend_from_slice(b"X-Forwarded-Proto: http\r\n");
    }
    if !is_kept(FieldName::XForwardedPort) {
        out.extend_from_slice(b"X-Forwarded-Port: ");
        put_decimal(out, via.port.into());
        out.extend_from_slice(b"\r\n");
    }
}

fn put_field(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.reserve(name.len() + value.len() + 4);
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// `X-Forwarded-For`, joined into one field.
struct ForwardedFor<'a> {
    via: &'a Via<'a>,
    earlier: Vec<u8>,
}

impl<'a> ForwardedFor<'a> {
    fn new(via: &'a Via<'a>) -> Self {
        Self {
            via,
            earlier: Vec::new(),
        }
    }

    fn take(&mut self, value: &[u8]) {
        let is_kept = self.via.is_trusted && self.via.xff != XffHeaderProcessingMode::Remove;
        if is_kept && !value.is_empty() {
            if !self.earlier.is_empty() {
                self.earlier.extend_from_slice(b", ");
            }
            self.earlier.extend_from_slice(value);
        }
    }

    fn put(self, out: &mut Vec<u8>) {
        let adds = match self.via.xff {
            XffHeaderProcessingMode::Append => true,
            XffHeaderProcessingMode::Preserve => self.earlier.is_empty(),
            XffHeaderProcessingMode::Remove => return,
        };
        out.extend_from_slice(b"X-Forwarded-For: ");
        out.extend_from_slice(&self.earlier);
        if adds {
            if !self.earlier.is_empty() {
                out.extend_from_slice(b", ");
            }
            out.extend_from_slice(self.via.client.as_bytes());
        }
        out.extend_from_slice(b"\r\n");
    }
}

/// The client's address as a trusted peer tells it: the last one in `X-Forwarded-For` that is
/// not itself trusted.
pub(crate) fn client_address(
    bytes: &[u8],
    head: &RequestHead,
    peer: IpAddr,
    is_trusted: impl Fn(IpAddr) -> bool,
) -> IpAddr {
    let told = head
        .fields()
        .iter()
        .rev()
        .filter(|field| field.id == FieldName::XForwardedFor && !field.is_named_by_connection)
        .flat_map(|field| field.value.of(bytes).rsplit(|&byte| byte == b','))
        .map(|address| std::str::from_utf8(address).ok()?.trim().parse().ok());
    let mut client = peer;
    for address in told {
        let Some(address) = address.filter(|_| is_trusted(client)) else {
            break;
        };
        client = address;
    }
    client
}

/// Writes a target's response head as the client gets it, without the empty line, so that
/// more fields can follow. What `Connection` names ends here in this direction as well.
pub(crate) fn put_response(
    out: &mut Vec<u8>,
    bytes: &[u8],
    head: &ResponseHead,
    framing: &Framing,
) {
    put_status_line(out, head.status(), head.reason().of(bytes));
    put_end_to_end(out, bytes, head, framing.coding);
    put_coding(out, bytes, head, framing.coding);
    let length = match framing.body {
        OutboundLength::Length(length) => Some(length),
        // Of a body that HEAD and 304 leave out; nobody knows how long it would be compressed.
        OutboundLength::None => {
            let length = head.content_length();
            length.filter(|_| matches!(framing.coding, Coding::AsIs | Coding::Varies))
        }
        OutboundLength::Chunked => {
            out.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
            None
        }
        OutboundLength::UntilClose => None,
    };
    if let Some(length) = length {
        out.extend_from_slice(b"Content-Length: ");
        put_decimal(out, length);
        out.extend_from_slice(b"\r\n");
    }
    put_connection(out, framing.connection);
}

/// Writes a 101.
pub(crate) fn put_switch(out: &mut Vec<u8>, bytes: &[u8], head: &ResponseHead, protocol: &[u8]) {
    put_status_line(out, head.status(), head.reason().of(bytes));
    put_end_to_end(out, bytes, head, Coding::AsIs);
    put_upgrade(out, protocol);
    out.extend_from_slice(b"\r\n");
}

/// Writes an interim response (1xx other than 101).
pub(crate) fn put_interim(out: &mut Vec<u8>, bytes: &[u8], head: &ResponseHead) {
    put_status_line(out, head.status(), head.reason().of(bytes));
    put_end_to_end(out, bytes, head, Coding::AsIs);
    out.extend_from_slice(b"\r\n");
}

fn put_end_to_end(out: &mut Vec<u8>, bytes: &[u8], head: &ResponseHead, coding: Coding) {
    let is_changed = matches!(coding, Coding::Gzip | Coding::Revalidated);
    for field in head.fields() {
        let is_framing = field.id == FieldName::ContentLength;
        let ends_here = ends_here(field.id) || field.is_named_by_connection;
        if ends_here || is_framing || field.is_suspicious {
            continue;
        }
        let value = field.value.of(bytes);
        match field.id {
            // The bytes are not those that the tag stands for (RFC 9110 8.8.1).
            FieldName::Etag if is_changed && value.starts_with(b"\"") => {
                put_field(out, field.name.of(bytes), &[b"W/", value].concat());
            }
            // Of what was not compressed.
            FieldName::AcceptRanges if is_changed => {}
            _ => put_field(out, field.name.of(bytes), value),
        }
    }
}

fn put_coding(out: &mut Vec<u8>, bytes: &[u8], head: &ResponseHead, coding: Coding) {
    if coding == Coding::Gzip {
        out.extend_from_slice(b"Content-Encoding: gzip\r\n");
    }
    if coding != Coding::AsIs && !compression::says_varies(head, bytes) {
        out.extend_from_slice(b"Vary: Accept-Encoding\r\n");
    }
}

/// RFC 9112 4: the blank before an empty reason stays.
pub(crate) fn put_status_line(out: &mut Vec<u8>, status: u16, reason: &[u8]) {
    out.extend_from_slice(b"HTTP/1.1 ");
    put_decimal(out, status.into());
    out.push(b' ');
    out.extend_from_slice(reason);
    out.extend_from_slice(b"\r\n");
}

pub(crate) fn put_connection(out: &mut Vec<u8>, option: ConnectionOption) {
    match option {
        ConnectionOption::Kept => {}
        ConnectionOption::KeepAlive => out.extend_from_slice(b"Connection: keep-alive\r\n"),
        ConnectionOption::Close => out.extend_from_slice(b"Connection: close\r\n"),
    }
}

#[cfg(any(test, fuzzing))]
pub(crate) mod properties;
#[cfg(test)]
mod tests;
