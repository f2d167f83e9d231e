//! What the balancer answers by itself: one function maps each fault to its status.

use std::time::Duration;

use crate::{
    fault::Fault,
    heads::{ConnectionOption, put_connection, put_status_line},
    http1::put_decimal,
    upstream::ConnectError,
};

/// A response of the balancer's own.
#[derive(Debug)]
pub(crate) struct Reply<'a> {
    pub(crate) status: u16,
    pub(crate) content_type: &'a str,
    /// Whole field lines, each with its CRLF.
    pub(crate) fields: &'a str,
    pub(crate) body: &'a [u8],
}

/// ALB's status for a client that left before its response.
pub(crate) const CLIENT_GONE: u16 = 460;

/// ALB's status for a fault.
pub(crate) fn status(fault: &Fault) -> u16 {
    match fault {
        Fault::Refused(refusal) => refusal.status(),
        Fault::Ambiguous(_) | Fault::Chunk(_) => 400,
        Fault::MethodNotAllowed => 405,
        Fault::RequestTimeout => 408,
        Fault::BodyTooLarge => 413,
        Fault::ClientGone => CLIENT_GONE,
        Fault::RateLimited(_) => 429,
        Fault::Redirect | Fault::Transform => 500,
        Fault::NoRoute | Fault::NoTarget(_) | Fault::QueueFull(_) | Fault::QueueTimeout(_) => 503,
        Fault::Connect(ConnectError::Timeout(_)) | Fault::TargetTimeout => 504,
        Fault::Connect(_)
        | Fault::BadResponse(_)
        | Fault::UnusableResponse(_)
        | Fault::UnaskedSwitch
        | Fault::TargetCut => 502,
    }
}

/// Fields that a fault's response has beside the usual ones.
pub(crate) fn fields(fault: &Fault) -> String {
    match fault {
        Fault::MethodNotAllowed => {
            "Allow: GET, HEAD, POST, PUT, DELETE, PATCH, OPTIONS\r\n".to_owned()
        }
        Fault::NoRoute => retry_after(Duration::ZERO),
        Fault::NoTarget(wait)
        | Fault::QueueFull(wait)
        | Fault::QueueTimeout(wait)
        | Fault::RateLimited(wait) => retry_after(*wait),
        _ => String::new(),
    }
}

/// Whole seconds, one at least: less is now.
fn retry_after(wait: Duration) -> String {
    let seconds = (wait + Duration::from_millis(999)).as_secs().max(1);
    format!("Retry-After: {seconds}\r\n")
}

/// Whether what follows on the connection may not be what the client meant.
pub(crate) fn ends_connection(fault: &Fault) -> bool {
    let status = status(fault);
    (status < 500 && status != 429) || matches!(status, 501 | 505)
}

/// The short text that tells a client of `fault`.
pub(crate) fn text(fault: &Fault) -> String {
    let status = status(fault);
    format!("{status} {}: {fault}\n", reason_phrase(status))
}

/// Writes a response; its body is left out in one to HEAD.
pub(crate) fn put(
    out: &mut Vec<u8>,
    reply: &Reply<'_>,
    connection: ConnectionOption,
    to_head: bool,
) {
    put_status_line(out, reply.status, reason_phrase(reply.status).as_bytes());
    if !reply.content_type.is_empty() {
        out.extend_from_slice(b"Content-Type: ");
        out.extend_from_slice(reply.content_type.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"Content-Length: ");
    put_decimal(out, reply.body.len() as u64);
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(reply.fields.as_bytes());
    put_connection(out, connection);
    out.extend_from_slice(b"\r\n");
    if !to_head {
        out.extend_from_slice(reply.body);
    }
}

fn reason_phrase(status: u16) -> &'static str {
    match status {
        460 => "Client Closed Request",
        463 => "Too Many X-Forwarded-For Addresses",
        _ => http::StatusCode::from_u16(status)
            .ok()
            .and_then(|status| status.canonical_reason())
            .unwrap_or("Unknown"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_have_albs_statuses() {
        let refused = || ConnectError::Io(std::io::ErrorKind::ConnectionRefused.into());
        let cases = [
            (Fault::Ambiguous("x"), 400),
            (Fault::MethodNotAllowed, 405),
            (Fault::RequestTimeout, 408),
            (Fault::BodyTooLarge, 413),
            (Fault::ClientGone, 460),
            (Fault::Connect(refused()), 502),
            (Fault::BadResponse("x"), 502),
            (Fault::NoTarget(Duration::from_millis(1500)), 503),
            (Fault::RateLimited(Duration::ZERO), 429),
            (Fault::NoRoute, 503),
            (Fault::TargetTimeout, 504),
        ];
        for (fault, code) in cases {
            assert_eq!(status(&fault), code, "{fault:?}");
            assert!(text(&fault).starts_with(&code.to_string()));
            assert_eq!(
                fields(&fault).contains("Retry-After"),
                matches!(code, 429 | 503)
            );
            assert_eq!(ends_connection(&fault), code < 500 && code != 429);
        }
    }

    #[test]
    fn head_gets_no_body() {
        let reply = Reply {
            status: 200,
            content_type: "text/plain",
            fields: "X: y\r\n",
            body: b"hello",
        };
        let mut out = Vec::new();
        put(&mut out, &reply, ConnectionOption::Close, true);
        let expected = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\
                        X: y\r\nConnection: close\r\n\r\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
