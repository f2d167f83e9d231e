//! What the balancer answers by itself: one function maps each fault to its status.

use bytes::Bytes;
use hyper::{
    Response, StatusCode,
    header::{ALLOW, CONNECTION, CONTENT_TYPE, HeaderValue, RETRY_AFTER},
};

use crate::{fault::Fault, upstream::ConnectError};

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const CLOSE: HeaderValue = HeaderValue::from_static("close");
const METHODS: HeaderValue =
    HeaderValue::from_static("GET, HEAD, POST, PUT, DELETE, PATCH, OPTIONS");
/// New targets are checked ten times a second, so soon is honest.
const SOON: HeaderValue = HeaderValue::from_static("1");

/// ALB's status for a fault.
pub(crate) fn status(fault: &Fault) -> StatusCode {
    match fault {
        Fault::BadRequest(_) => StatusCode::BAD_REQUEST,
        Fault::ClientGone => StatusCode::from_u16(460).unwrap_or(StatusCode::BAD_REQUEST),
        Fault::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        Fault::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
        Fault::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Fault::ExpectationFailed => StatusCode::EXPECTATION_FAILED,
        Fault::TransferCoding => StatusCode::NOT_IMPLEMENTED,
        Fault::NoRoute | Fault::NoTarget => StatusCode::SERVICE_UNAVAILABLE,
        Fault::Connect(ConnectError::Timeout(_)) | Fault::TargetTimeout => {
            StatusCode::GATEWAY_TIMEOUT
        }
        Fault::Connect(_) | Fault::BadResponse(_) | Fault::UnusableResponse(_) => {
            StatusCode::BAD_GATEWAY
        }
    }
}

/// The response that tells a client of `fault`, as a head and a short text.
pub(crate) fn response(fault: &Fault) -> Response<Bytes> {
    let status = status(fault);
    let text = format!(
        "{} {}: {fault}\n",
        status.as_str(),
        status.canonical_reason().unwrap_or("Client Closed Request")
    );
    let mut response = Response::new(Bytes::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, TEXT);
    match fault {
        Fault::MethodNotAllowed => {
            headers.insert(ALLOW, METHODS);
        }
        Fault::NoRoute | Fault::NoTarget => {
            headers.insert(RETRY_AFTER, SOON);
        }
        _ => {}
    }
    if status.is_client_error() || status == StatusCode::NOT_IMPLEMENTED {
        // What follows on the connection may not be what the client meant.
        headers.insert(CONNECTION, CLOSE);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_have_albs_statuses() {
        let refused = || ConnectError::Io(std::io::ErrorKind::ConnectionRefused.into());
        let cases = [
            (Fault::BadRequest("x"), 400),
            (Fault::MethodNotAllowed, 405),
            (Fault::RequestTimeout, 408),
            (Fault::BodyTooLarge, 413),
            (Fault::ExpectationFailed, 417),
            (Fault::ClientGone, 460),
            (Fault::TransferCoding, 501),
            (Fault::Connect(refused()), 502),
            (Fault::UnusableResponse("x"), 502),
            (Fault::NoTarget, 503),
            (Fault::NoRoute, 503),
            (Fault::TargetTimeout, 504),
        ];
        for (fault, code) in cases {
            let response = response(&fault);
            assert_eq!(response.status(), code, "{fault:?}");
            assert!(response.body().starts_with(code.to_string().as_bytes()));
            assert_eq!(response.headers().contains_key(RETRY_AFTER), code == 503);
            assert_eq!(
                response.headers().contains_key(CONNECTION),
                code < 500 || code == 501
            );
        }
    }
}
