use memchr::{memchr, memmem};

use super::{Method, Refusal, Span, syntax::is_name_byte};

/// The form of a request target (RFC 9112 3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TargetForm {
    /// `query` is without its `?`.
    Origin { path: Span, query: Option<Span> },
    /// `scheme` is `http` or `https` in any case. An empty `path` means `/`.
    Absolute {
        scheme: Span,
        authority: Span,
        path: Span,
        query: Option<Span>,
    },
    /// OPTIONS only.
    Asterisk,
    /// CONNECT only; the target is not looked at.
    Authority,
}

impl TargetForm {
    /// `span` names a request target whose bytes may all stand in one.
    pub(super) fn parse(buf: &[u8], span: Span, method: Method) -> Result<Self, Refusal> {
        let target = span.of(buf);
        match (target, method) {
            (_, Method::Connect) => Ok(Self::Authority),
            ([b'/', ..], _) => {
                let (path, query) = split_query(target, span);
                Ok(Self::Origin { path, query })
            }
            (b"*", Method::Options) => Ok(Self::Asterisk),
            _ => Self::absolute(target, span),
        }
    }

    fn absolute(target: &[u8], span: Span) -> Result<Self, Refusal> {
        let scheme_end = memmem::find(target, b"://").ok_or(Refusal::TargetForm)?;
        let (scheme, rest) = target.split_at(scheme_end);
        if !scheme.eq_ignore_ascii_case(b"http") && !scheme.eq_ignore_ascii_case(b"https") {
            return Err(Refusal::TargetForm);
        }
        let rest = &rest[3..];
        let is_delimiter = |byte: &u8| matches!(byte, b'/' | b'?');
        let authority_end = rest.iter().position(is_delimiter).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at(authority_end);
        if !is_valid_host(authority) {
            return Err(Refusal::TargetHost);
        }
        let (path, query) = split_query(rest, span.part(target, rest));
        Ok(Self::Absolute {
            scheme: span.part(target, scheme),
            authority: span.part(target, authority),
            path,
            query,
        })
    }
}

/// `text` is what `span` names.
fn split_query(text: &[u8], span: Span) -> (Span, Option<Span>) {
    match memchr(b'?', text) {
        Some(mark) => {
            let start = span.start();
            let query = Span::new(start + mark + 1, span.end());
            (Span::new(start, start + mark), Some(query))
        }
        None => (span, None),
    }
}

/// `uri-host [":" port]`, without the userinfo, commas and blanks that others read otherwise.
pub(super) fn is_valid_host(host: &[u8]) -> bool {
    let (name_is_valid, port) = match host {
        [b'[', rest @ ..] => match memchr(b']', rest) {
            Some(end) => (is_address(&rest[..end]), &rest[end + 1..]),
            None => return false,
        },
        _ => {
            let (name, port) = host.split_at(memchr(b':', host).unwrap_or(host.len()));
            (is_name(name), port)
        }
    };
    let port_is_valid = match port {
        [] => true,
        [b':', digits @ ..] => digits.len() <= 5 && digits.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    name_is_valid && port_is_valid
}

fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|&byte| is_name_byte(byte))
}

fn is_address(address: &[u8]) -> bool {
    let is_part = |byte: &u8| byte.is_ascii_hexdigit() || b":.".contains(byte);
    !address.is_empty() && address.iter().all(is_part)
}
