//! What of a client's request may be forwarded, and how. Pure.

use hyper::{
    HeaderMap, Method, Request, Uri, Version,
    header::{CONTENT_LENGTH, EXPECT, HOST, HeaderName, HeaderValue, TRANSFER_ENCODING, UPGRADE},
    http::uri::{Parts, PathAndQuery},
};

use crate::{fault::Fault, headers};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const X_IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("x-idempotency-key");

/// What the proxy needs to know of a request before its fields are changed.
#[derive(Debug)]
pub(crate) struct Traits {
    /// The protocol that the client wants to switch to.
    pub(crate) upgrade: Option<HeaderValue>,
    /// Sending it twice does what sending it once does (RFC 9110 9.2.2).
    pub(crate) is_idempotent: bool,
    pub(crate) length: Option<u64>,
}

/// Checks a request and brings it into the one form that targets get: origin-form (or `*`),
/// one Host, no Expect. `local` is the Host of an HTTP/1.0 client that names none.
pub(crate) fn normalize<B>(
    request: &mut Request<B>,
    has_body: bool,
    local: &HeaderValue,
) -> Result<Traits, Fault> {
    if matches!(*request.method(), Method::CONNECT | Method::TRACE) {
        return Err(Fault::MethodNotAllowed);
    }
    check_transfer_encoding(request.headers())?;
    take_expect(request.headers_mut())?;
    settle_host(request, local)?;
    Ok(Traits {
        upgrade: if has_body { None } else { upgrade(request) },
        is_idempotent: is_idempotent(request),
        length: content_length(request.headers()),
    })
}

/// hyper reads stacked codings leniently; a target may read them otherwise.
fn check_transfer_encoding(headers: &HeaderMap) -> Result<(), Fault> {
    let mut codings = headers.get_all(TRANSFER_ENCODING).into_iter();
    let Some(coding) = codings.next() else {
        return Ok(());
    };
    let is_chunked = |value: &[u8]| value.eq_ignore_ascii_case(b"chunked");
    if codings.next().is_none() && is_chunked(coding.as_bytes()) {
        return Ok(());
    }
    let is_known = |token: &[u8]| is_chunked(token) || token.eq_ignore_ascii_case(b"identity");
    match headers::tokens(headers, &TRANSFER_ENCODING).all(is_known) {
        true => Err(Fault::BadRequest("Transfer-Encoding is not one `chunked`")),
        false => Err(Fault::TransferCoding),
    }
}

/// The balancer itself says "100 Continue", once a target takes the body: hyper's client
/// would not wait for the target's.
fn take_expect(headers: &mut HeaderMap) -> Result<(), Fault> {
    match headers.remove(EXPECT) {
        Some(expect) if !expect.as_bytes().eq_ignore_ascii_case(b"100-continue") => {
            Err(Fault::ExpectationFailed)
        }
        _ => Ok(()),
    }
}

/// RFC 9112 3.2: one valid Host, which an absolute-form target overrides.
fn settle_host<B>(request: &mut Request<B>, local: &HeaderValue) -> Result<(), Fault> {
    let mut hosts = request.headers().get_all(HOST).into_iter();
    match (hosts.next(), hosts.next(), request.version()) {
        (_, Some(_), _) => return Err(Fault::BadRequest("more than one Host field")),
        (Some(host), None, _) if !is_valid_host(host.as_bytes()) => {
            return Err(Fault::BadRequest("the Host field is not valid"));
        }
        (None, None, Version::HTTP_11) => return Err(Fault::BadRequest("no Host field")),
        (None, None, _) => {
            request.headers_mut().insert(HOST, local.clone());
        }
        (Some(_), None, _) => {}
    }
    settle_target(request)
}

fn settle_target<B>(request: &mut Request<B>) -> Result<(), Fault> {
    let uri = request.uri();
    let Some(authority) = uri.authority() else {
        let is_asterisk = uri.path() == "*";
        return match !is_asterisk || request.method() == Method::OPTIONS {
            true => Ok(()),
            false => Err(Fault::BadRequest("only OPTIONS may ask for *")),
        };
    };
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err(Fault::BadRequest(
            "the request target's form is not allowed",
        ));
    }
    let host = HeaderValue::from_str(authority.as_str()).ok();
    let host = host.filter(|host| is_valid_host(host.as_bytes()));
    let host = host.ok_or(Fault::BadRequest("the request target's host is not valid"))?;
    let mut parts = Parts::default();
    let path = uri.path_and_query().cloned();
    parts.path_and_query = Some(path.unwrap_or_else(|| PathAndQuery::from_static("/")));
    *request.uri_mut() =
        Uri::from_parts(parts).map_err(|_| Fault::BadRequest("the request target is not valid"))?;
    request.headers_mut().insert(HOST, host);
    Ok(())
}

/// `uri-host [":" port]`, without the userinfo, commas and blanks that others read otherwise.
fn is_valid_host(host: &[u8]) -> bool {
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+;=%".contains(byte);
    let is_address = |byte: &u8| byte.is_ascii_hexdigit() || b":.".contains(byte);
    let (name, port) = match host {
        [b'[', rest @ ..] => match rest.iter().position(|&byte| byte == b']') {
            Some(end) if end > 0 && rest[..end].iter().all(is_address) => {
                (&b"ip"[..], &rest[end + 1..])
            }
            _ => return false,
        },
        _ => host.split_at(
            host.iter()
                .position(|&byte| byte == b':')
                .unwrap_or(host.len()),
        ),
    };
    let port_is_valid = match port {
        [] => true,
        [b':', digits @ ..] => digits.len() <= 5 && digits.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    !name.is_empty() && name.iter().all(is_name) && port_is_valid
}

/// h2c is refused by not passing it on: the target would speak HTTP/2 past the proxy.
fn upgrade<B>(request: &Request<B>) -> Option<HeaderValue> {
    let headers = request.headers();
    let wanted = request.method() == Method::GET
        && request.version() == Version::HTTP_11
        && headers::connection_names(headers, "upgrade");
    let protocol = headers.get(UPGRADE).filter(|_| wanted)?;
    let h2c = headers::tokens(headers, &UPGRADE).any(|token| token.eq_ignore_ascii_case(b"h2c"));
    (!h2c).then(|| protocol.clone())
}

fn is_idempotent<B>(request: &Request<B>) -> bool {
    let by_method = matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS | Method::PUT | Method::DELETE
    );
    let headers = request.headers();
    by_method || headers.contains_key(IDEMPOTENCY_KEY) || headers.contains_key(X_IDEMPOTENCY_KEY)
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

#[cfg(test)]
mod tests;
