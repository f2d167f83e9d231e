//! What is forwarded is read by others as it was read here: with any bytes, checked by
//! property tests and by fuzzing.

use minicloud_lb_api::XffHeaderProcessingMode;
use rand::{SeedableRng, rngs::SmallRng};

use super::{
    Coding, ConnectionOption, Framing, OutboundLength, Rewritten, Via, put_request, put_response,
};
use crate::{
    http1::{
        BodyLength, Field, FieldName, HeadLimits, Method, Reason, RequestHead, ResponseHead, Span,
    },
    trace_id::TraceId,
};

/// What is within these is within [`WIDE`] once it is written anew.
const LIMITS: HeadLimits = HeadLimits {
    head: 64 << 10,
    fields: 100,
    request_line: 16 << 10,
    field: 16 << 10,
};
const WIDE: HeadLimits = HeadLimits {
    head: 1 << 20,
    fields: 1000,
    request_line: 1 << 18,
    field: 1 << 18,
};

/// A request that is read has the same method, host, framing, upgrade and other fields when it
/// is forwarded, and is then compliant but for a body that GET or HEAD may not have.
pub(crate) fn request(bytes: &[u8]) {
    let mut head = RequestHead::new();
    let Ok(Some(len)) = head.parse(bytes, &LIMITS) else {
        return;
    };
    let bytes = &bytes[..len];
    if head.method() == Method::Connect {
        return;
    }
    let out = forward(&head, bytes);
    let mut again = RequestHead::new();
    assert_eq!(again.parse(&out, &WIDE), Ok(Some(out.len())));
    assert_eq!(again.method_span().of(&out), head.method_span().of(bytes));
    let host = head.host().map_or(&b"local"[..], |host| host.of(bytes));
    assert_eq!(text(again.host(), &out), Some(host));
    assert_eq!(again.body(), head.body());
    assert_eq!(again.takes_trailers(), head.takes_trailers());
    assert_eq!(text(again.upgrade(), &out), text(head.upgrade(), bytes));
    assert_eq!(others(again.fields(), &out), others(head.fields(), bytes));
    assert!(again.keeps_alive());
    let is_bodiless = matches!(head.method(), Method::Get | Method::Head);
    match again.reason() {
        None => {}
        Some(
            Reason::GetHeadZeroContentLength
            | Reason::UndefinedContentLengthSemantics
            | Reason::UndefinedTransferEncodingSemantics,
        ) => assert!(is_bodiless),
        Some(reason) => panic!("{reason:?}"),
    }
}

/// A response that is read has the same status, reason, framing and other fields when it is
/// passed on, and is then not doubtful.
pub(crate) fn response(bytes: &[u8], to_head_request: bool) {
    let mut head = ResponseHead::new();
    let Ok(Some(len)) = head.parse(bytes, &LIMITS, to_head_request) else {
        return;
    };
    let bytes = &bytes[..len];
    let framing = Framing {
        body: match head.body() {
            BodyLength::None => OutboundLength::None,
            BodyLength::Length(length) => OutboundLength::Length(length),
            BodyLength::Chunked => OutboundLength::Chunked,
            BodyLength::UntilClose => OutboundLength::UntilClose,
        },
        coding: Coding::AsIs,
        connection: ConnectionOption::Kept,
    };
    let mut out = Vec::new();
    put_response(&mut out, bytes, &head, &framing);
    out.extend_from_slice(b"\r\n");

    let mut again = ResponseHead::new();
    let parsed = again.parse(&out, &WIDE, to_head_request);
    assert_eq!(parsed, Ok(Some(out.len())));
    assert_eq!(again.status(), head.status());
    assert_eq!(again.reason().of(&out), head.reason().of(bytes));
    assert_eq!(again.body(), head.body());
    assert_eq!(again.content_length(), head.content_length());
    assert_eq!(others(again.fields(), &out), others(head.fields(), bytes));
    assert!(!again.is_doubtful());
}

fn forward(head: &RequestHead, bytes: &[u8]) -> Vec<u8> {
    let inbound = head.get(FieldName::XAmznTraceId);
    let inbound = inbound.map(|field| field.value.of(bytes));
    let trace_id = TraceId::new(inbound, 0, &mut SmallRng::seed_from_u64(0));
    let via = Via {
        client: "10.0.0.9",
        port: 80,
        is_trusted: false,
        xff: XffHeaderProcessingMode::Append,
        trace_id: &trace_id,
    };
    let mut out = Vec::new();
    let rewritten = Rewritten::default();
    put_request(&mut out, bytes, head, &via, &rewritten, "local");
    out
}

fn text(span: Option<Span>, bytes: &[u8]) -> Option<&[u8]> {
    span.map(|span| span.of(bytes))
}

/// The fields that mean nothing to a proxy and reach the other side.
fn others<'a>(fields: &[Field], bytes: &'a [u8]) -> Vec<(&'a [u8], &'a [u8])> {
    let is_other = |field: &&Field| {
        field.id == FieldName::Other && !field.is_suspicious && !field.is_named_by_connection
    };
    let others = fields.iter().filter(is_other);
    others
        .map(|field| (field.name.of(bytes), field.value.of(bytes)))
        .collect()
}
