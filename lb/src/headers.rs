//! What a proxy does to header fields. Pure.

use bytes::BytesMut;
use hyper::{
    HeaderMap,
    header::{
        CONNECTION, CONTENT_LENGTH, HOST, HeaderName, HeaderValue, PROXY_AUTHENTICATE,
        PROXY_AUTHORIZATION, TE, TRANSFER_ENCODING, UPGRADE,
    },
};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");
/// CGI turns it into HTTP_PROXY (httpoxy).
const PROXY: HeaderName = HeaderName::from_static("proxy");

const HTTP: HeaderValue = HeaderValue::from_static("http");
const UPGRADE_VALUE: HeaderValue = HeaderValue::from_static("upgrade");
const TRAILERS: HeaderValue = HeaderValue::from_static("trailers");
const CHUNKED: HeaderValue = HeaderValue::from_static("chunked");

/// What the forwarding fields say of a client's connection; made once a connection.
#[derive(Clone, Debug)]
pub(crate) struct Forwarded {
    pub(crate) client: HeaderValue,
    pub(crate) port: HeaderValue,
}

/// Makes a client's fields fit for a target: hop-by-hop ones go first, so that a client
/// cannot name ours in `Connection` (RFC 9110 7.6.1), then ours are added.
pub(crate) fn prepare_request(
    headers: &mut HeaderMap,
    forwarded: &Forwarded,
    upgrade: Option<HeaderValue>,
    has_unsized_body: bool,
) {
    let takes_trailers = tokens(headers, &TE).any(|token| token.eq_ignore_ascii_case(b"trailers"));
    strip_hop_by_hop(headers);
    headers.remove(PROXY_AUTHORIZATION);
    headers.remove(HTTP2_SETTINGS);
    headers.remove(PROXY);
    if takes_trailers {
        headers.insert(TE, TRAILERS);
    }
    if let Some(protocol) = upgrade {
        headers.insert(CONNECTION, UPGRADE_VALUE);
        headers.insert(UPGRADE, protocol);
    }
    // Without it hyper would send a GET's body nowhere (role.rs `set_length`).
    if has_unsized_body {
        headers.insert(TRANSFER_ENCODING, CHUNKED);
    }
    append_forwarded_for(headers, &forwarded.client);
    headers.insert(X_FORWARDED_PROTO, HTTP);
    headers.insert(X_FORWARDED_PORT, forwarded.port.clone());
}

/// Makes a target's fields fit for a client.
pub(crate) fn prepare_response(headers: &mut HeaderMap, body_length: Option<u64>) {
    // RFC 9112 6.3: with a Transfer-Encoding, a Content-Length means nothing.
    if headers.contains_key(TRANSFER_ENCODING) {
        headers.remove(CONTENT_LENGTH);
    } else if !has_plain_length(headers) {
        headers.remove(CONTENT_LENGTH);
        if let Some(length) = body_length {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
    }
    strip_hop_by_hop(headers);
    headers.remove(PROXY_AUTHENTICATE);
}

/// Makes a target's 101 fit for a client.
pub(crate) fn prepare_switch(headers: &mut HeaderMap, protocol: HeaderValue) {
    headers.remove(CONTENT_LENGTH);
    strip_hop_by_hop(headers);
    headers.insert(CONNECTION, UPGRADE_VALUE);
    headers.insert(UPGRADE, protocol);
}

/// Whether `Connection` names `token`.
pub(crate) fn connection_names(headers: &HeaderMap, token: &str) -> bool {
    tokens(headers, &CONNECTION).any(|named| named.eq_ignore_ascii_case(token.as_bytes()))
}

/// The comma-separated members of all fields called `name`.
pub(crate) fn tokens<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> impl Iterator<Item = &'a [u8]> + use<'a> {
    let values = headers.get_all(name).into_iter();
    values
        .flat_map(|value| value.as_bytes().split(|&byte| byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|token| !token.is_empty())
}

fn strip_hop_by_hop(headers: &mut HeaderMap) {
    strip_named_by_connection(headers);
    headers.remove(CONNECTION);
    headers.remove(KEEP_ALIVE);
    headers.remove(PROXY_CONNECTION);
    headers.remove(TE);
    headers.remove(TRANSFER_ENCODING);
    headers.remove(UPGRADE);
}

fn strip_named_by_connection(headers: &mut HeaderMap) {
    let is_usual = |token: &[u8]| {
        [&b"keep-alive"[..], b"close", b"upgrade", b"te"]
            .iter()
            .any(|usual| token.eq_ignore_ascii_case(usual))
    };
    // Those that frame or route the message are not the sender's to hide.
    let is_needed = |name: &HeaderName| *name == HOST || *name == CONTENT_LENGTH;
    let named: Vec<HeaderName> = tokens(headers, &CONNECTION)
        .filter(|token| !is_usual(token))
        .filter_map(|token| HeaderName::from_bytes(token).ok())
        .filter(|name| !is_needed(name))
        .collect();
    for name in named {
        headers.remove(name);
    }
}

/// ALB's "append" mode: what came is kept, the peer is added at the end.
fn append_forwarded_for(headers: &mut HeaderMap, client: &HeaderValue) {
    let mut joined = BytesMut::new();
    for value in headers.get_all(X_FORWARDED_FOR) {
        joined.extend_from_slice(value.as_bytes());
        joined.extend_from_slice(b", ");
    }
    joined.extend_from_slice(client.as_bytes());
    let joined = match joined.len() == client.len() {
        true => client.clone(),
        false => HeaderValue::from_maybe_shared(joined.freeze()).unwrap_or_else(|_| client.clone()),
    };
    headers.insert(X_FORWARDED_FOR, joined);
}

/// Whether Content-Length is absent or one plain number.
fn has_plain_length(headers: &HeaderMap) -> bool {
    let mut lengths = headers.get_all(CONTENT_LENGTH).into_iter();
    let is_plain = |value: &HeaderValue| value.as_bytes().iter().all(u8::is_ascii_digit);
    lengths.next().is_none_or(is_plain) && lengths.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    fn forwarded() -> Forwarded {
        Forwarded {
            client: HeaderValue::from_static("10.0.0.9"),
            port: HeaderValue::from_static("8080"),
        }
    }

    #[test]
    fn request_loses_hop_by_hop_and_gains_ours() {
        let mut map = headers(&[
            ("host", "a"),
            ("connection", "keep-alive, X-Secret, x-forwarded-for"),
            ("connection", "host"),
            ("x-secret", "1"),
            ("x-forwarded-for", "6.6.6.6"),
            ("x-forwarded-proto", "https"),
            ("keep-alive", "timeout=5"),
            ("proxy-connection", "keep-alive"),
            ("proxy-authorization", "Basic x"),
            ("proxy", "http://evil"),
            ("transfer-encoding", "chunked"),
            ("te", "trailers, deflate"),
            ("upgrade", "h2c"),
            ("http2-settings", "AAMAAABkAAQAoAAAAAIAAAAA"),
            ("accept", "*/*"),
        ]);
        prepare_request(&mut map, &forwarded(), None, true);
        let expected = headers(&[
            ("host", "a"),
            ("te", "trailers"),
            ("accept", "*/*"),
            ("transfer-encoding", "chunked"),
            ("x-forwarded-for", "10.0.0.9"),
            ("x-forwarded-proto", "http"),
            ("x-forwarded-port", "8080"),
        ]);
        assert_eq!(map, expected);
    }

    #[test]
    fn forwarded_for_is_appended() {
        let mut map = headers(&[
            ("x-forwarded-for", "1.1.1.1"),
            ("x-forwarded-for", "2.2.2.2, 3.3.3.3"),
        ]);
        prepare_request(&mut map, &forwarded(), None, false);
        assert_eq!(
            map["x-forwarded-for"],
            "1.1.1.1, 2.2.2.2, 3.3.3.3, 10.0.0.9"
        );
        assert_eq!(map.get_all("x-forwarded-for").iter().count(), 1);
    }

    #[test]
    fn upgrade_survives_when_asked() {
        let mut map = headers(&[("connection", "Upgrade"), ("upgrade", "websocket")]);
        prepare_request(
            &mut map,
            &forwarded(),
            Some(HeaderValue::from_static("websocket")),
            false,
        );
        assert_eq!(map["connection"], "upgrade");
        assert_eq!(map["upgrade"], "websocket");
    }

    #[test]
    fn response_loses_hop_by_hop_and_doubtful_lengths() {
        let named = [
            ("connection", "x-internal, close"),
            ("x-internal", "1"),
            ("keep-alive", "timeout=5"),
            ("etag", "e"),
        ];
        let mut map = headers(&named);
        prepare_response(&mut map, None);
        assert_eq!(map, headers(&[("etag", "e")]));

        let mut both = headers(&[("transfer-encoding", "chunked"), ("content-length", "5")]);
        prepare_response(&mut both, None);
        assert!(both.is_empty());

        for doubtful in [
            vec![("content-length", "5"), ("content-length", "5")],
            vec![("content-length", "5, 5")],
        ] {
            let mut map = headers(&doubtful);
            prepare_response(&mut map, Some(5));
            assert_eq!(map, headers(&[("content-length", "5")]));
        }
    }
}
