//! What holds for any bytes; checked by property tests and by fuzzing.

use super::{
    BodyLength, ChunkFault, ChunkedDecoder, Field, FieldName, HeadLimits, LAST_CHUNK, Method,
    Piece, Reason, RequestHead, ResponseHead, Span, TargetForm, put_chunk_head, put_decimal,
};

/// So small that they are met.
const TIGHT: HeadLimits = HeadLimits {
    head: 160,
    fields: 5,
    request_line: 40,
    field: 50,
};
/// So large that what was within others is within these once it is written anew.
const WIDE: HeadLimits = HeadLimits {
    head: 1 << 20,
    fields: 1000,
    request_line: 1 << 18,
    field: 1 << 18,
};

/// A request that comes in reads which end at `ends` is the one that comes in one read; what
/// is forwarded of it is read as it was.
pub(crate) fn request(text: &[u8], ends: &[usize]) {
    for limits in [TIGHT, HeadLimits::default()] {
        let (mut whole, mut split) = (RequestHead::new(), RequestHead::new());
        let expected = whole.parse(text, &limits);
        let outcome = in_reads(ends, |end| split.parse(&text[..end], &limits));
        assert_eq!(outcome, expected);
        if let Ok(Some(len)) = expected {
            let text = &text[..len];
            assert_eq!(request_summary(&split, text), request_summary(&whole, text));
            forwards_alike(&whole, text);
        }
    }
}

/// As [`request`], for a response.
pub(crate) fn response(text: &[u8], ends: &[usize], to_head_request: bool) {
    for limits in [TIGHT, HeadLimits::default()] {
        let (mut whole, mut split) = (ResponseHead::new(), ResponseHead::new());
        let expected = whole.parse(text, &limits, to_head_request);
        let outcome = in_reads(ends, |end| {
            split.parse(&text[..end], &limits, to_head_request)
        });
        assert_eq!(outcome, expected);
        if let Ok(Some(len)) = expected {
            let text = &text[..len];
            assert_eq!(
                response_summary(&split, text),
                response_summary(&whole, text)
            );
            returns_alike(&whole, text, to_head_request);
        }
    }
}

/// A chunked body's data, its trailers, and where it ended.
#[derive(Debug, PartialEq)]
pub(crate) struct Body {
    pub(crate) data: Vec<u8>,
    pub(crate) trailers: Vec<u8>,
    pub(crate) end: Option<usize>,
}

/// As [`request`], for a chunked body.
pub(crate) fn chunked(text: &[u8], ends: &[usize]) {
    let whole = read_chunked(text, &[text.len()]);
    assert_eq!(read_chunked(text, ends), whole);
    let Ok(Body {
        data,
        trailers,
        end: Some(_),
    }) = whole
    else {
        return;
    };
    let mut again = Vec::new();
    if !data.is_empty() {
        put_chunk_head(&mut again, data.len() as u64);
        again.extend_from_slice(&data);
        again.extend_from_slice(b"\r\n");
    }
    again.extend_from_slice(&LAST_CHUNK[..3]);
    again.extend_from_slice(&trailers);
    again.extend_from_slice(b"\r\n");
    let end = Some(again.len());
    let expected = Body {
        data,
        trailers,
        end,
    };
    assert_eq!(read_chunked(&again, &[again.len()]), Ok(expected));
}

pub(crate) fn read_chunked(text: &[u8], ends: &[usize]) -> Result<Body, ChunkFault> {
    let mut decoder = ChunkedDecoder::new();
    let (mut data, mut at) = (Vec::new(), 0);
    for &end in ends {
        loop {
            match decoder.decode(&text[at..end])? {
                Piece::More { consumed } => {
                    at += consumed;
                    assert_eq!(at, end, "all is consumed");
                    break;
                }
                Piece::Data { start, end } => {
                    assert!(start < end, "there is data");
                    data.extend_from_slice(&text[at..][start..end]);
                    at += end;
                }
                Piece::End { consumed } => {
                    let trailers = decoder.trailers().to_vec();
                    let end = Some(at + consumed);
                    return Ok(Body {
                        data,
                        trailers,
                        end,
                    });
                }
            }
        }
    }
    let trailers = Vec::new();
    Ok(Body {
        data,
        trailers,
        end: None,
    })
}

/// The first outcome that is one, or the last.
fn in_reads<E>(
    ends: &[usize],
    mut parse: impl FnMut(usize) -> Result<Option<usize>, E>,
) -> Result<Option<usize>, E> {
    for &end in ends {
        match parse(end) {
            Ok(None) => {}
            outcome => return outcome,
        }
    }
    Ok(None)
}

/// All that a head says, for comparing.
pub(crate) fn request_summary(head: &RequestHead, buf: &[u8]) -> String {
    let line = (
        head.method(),
        head.method_span(),
        head.target(),
        head.version(),
    );
    let target = (head.target_form(), head.host(), head.upgrade());
    let framing = (head.body(), head.reason(), head.keeps_alive());
    let wishes = (head.expects_continue(), head.takes_trailers());
    let fields = fields(head.fields(), buf, |_| true);
    format!(
        "{:?}",
        (line, target, framing, wishes, head.fields(), fields)
    )
}

pub(crate) fn response_summary(head: &ResponseHead, buf: &[u8]) -> String {
    let line = (head.version(), head.status(), head.reason());
    let framing = (head.body(), head.content_length(), head.is_doubtful());
    let connection = (
        head.keeps_alive(),
        head.keep_alive_timeout(),
        head.upgrade(),
    );
    let fields = fields(head.fields(), buf, |_| true);
    format!("{:?}", (line, framing, connection, head.fields(), fields))
}

fn fields(list: &[Field], buf: &[u8], is_wanted: fn(&Field) -> bool) -> Vec<(Vec<u8>, Vec<u8>)> {
    let wanted = list.iter().filter(|field| is_wanted(field));
    wanted
        .map(|field| (field.name.of(buf).to_vec(), field.value.of(buf).to_vec()))
        .collect()
}

fn is_end_to_end(field: &Field) -> bool {
    let is_hop_by_hop = matches!(
        field.id,
        FieldName::Host
            | FieldName::ContentLength
            | FieldName::TransferEncoding
            | FieldName::Connection
            | FieldName::KeepAlive
            | FieldName::ProxyConnection
            | FieldName::Te
            | FieldName::Upgrade
            | FieldName::Expect
    );
    !is_hop_by_hop && !field.is_suspicious && !field.is_named_by_connection
}

fn forwards_alike(head: &RequestHead, buf: &[u8]) {
    let Some(target) = origin_form(head.target_form(), buf) else {
        return;
    };
    let host = head.host().map_or(&b"local"[..], |host| host.of(buf));
    let mut out = [head.method_span().of(buf), b" ", &target, b" HTTP/1.1\r\n"].concat();
    put_field(&mut out, b"Host", host);
    put_framing(&mut out, head.body());
    let end_to_end = fields(head.fields(), buf, is_end_to_end);
    for (name, value) in &end_to_end {
        put_field(&mut out, name, value);
    }
    if let Some(protocol) = head.upgrade() {
        put_field(&mut out, b"Connection", b"upgrade");
        put_field(&mut out, b"Upgrade", protocol.of(buf));
    }
    out.extend_from_slice(b"\r\n");

    let mut again = RequestHead::new();
    assert_eq!(again.parse(&out, &WIDE), Ok(Some(out.len())));
    assert_eq!(again.method(), head.method());
    assert_eq!(again.target().of(&out), target);
    assert_eq!(again.host().map(|span| span.of(&out)), Some(host));
    assert_eq!(again.body(), head.body());
    assert!(again.keeps_alive());
    assert_eq!(fields(again.fields(), &out, is_end_to_end), end_to_end);
    let text = |span: Option<Span>, buf: &[u8]| span.map(|span| span.of(buf).to_vec());
    assert_eq!(text(again.upgrade(), &out), text(head.upgrade(), buf));
    // A body of GET or HEAD is passed on; nothing else that is less than compliant is.
    let is_bodiless = matches!(head.method(), Method::Get | Method::Head);
    assert!(match again.reason() {
        None => true,
        Some(
            Reason::GetHeadZeroContentLength
            | Reason::UndefinedContentLengthSemantics
            | Reason::UndefinedTransferEncodingSemantics,
        ) => is_bodiless,
        Some(_) => false,
    });
}

fn origin_form(form: TargetForm, buf: &[u8]) -> Option<Vec<u8>> {
    let (path, query) = match form {
        TargetForm::Origin { path, query } | TargetForm::Absolute { path, query, .. } => {
            (path, query)
        }
        TargetForm::Asterisk => return Some(b"*".to_vec()),
        TargetForm::Authority => return None,
    };
    let path = match path.is_empty() {
        true => b"/",
        false => path.of(buf),
    };
    let query = query.map_or(Vec::new(), |query| [b"?", query.of(buf)].concat());
    Some([path, &query].concat())
}

fn returns_alike(head: &ResponseHead, buf: &[u8], to_head_request: bool) {
    let mut out = b"HTTP/1.1 ".to_vec();
    put_decimal(&mut out, head.status().into());
    out.extend_from_slice(b" ");
    out.extend_from_slice(head.reason().of(buf));
    out.extend_from_slice(b"\r\n");
    match head.content_length() {
        Some(length) => put_framing(&mut out, BodyLength::Length(length)),
        None => put_framing(&mut out, head.body()),
    }
    let end_to_end = fields(head.fields(), buf, is_end_to_end);
    for (name, value) in &end_to_end {
        put_field(&mut out, name, value);
    }
    out.extend_from_slice(b"\r\n");

    let mut again = ResponseHead::new();
    assert_eq!(
        again.parse(&out, &WIDE, to_head_request),
        Ok(Some(out.len()))
    );
    assert_eq!(again.status(), head.status());
    assert_eq!(again.reason().of(&out), head.reason().of(buf));
    assert_eq!(again.body(), head.body());
    assert_eq!(again.content_length(), head.content_length());
    assert_eq!(fields(again.fields(), &out, is_end_to_end), end_to_end);
    assert!(!again.is_doubtful());
}

fn put_framing(out: &mut Vec<u8>, body: BodyLength) {
    match body {
        BodyLength::None | BodyLength::UntilClose => {}
        BodyLength::Length(length) => {
            out.extend_from_slice(b"Content-Length: ");
            put_decimal(out, length);
            out.extend_from_slice(b"\r\n");
        }
        BodyLength::Chunked => put_field(out, b"Transfer-Encoding", b"chunked"),
    }
}

fn put_field(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    for part in [name, b": ", value, b"\r\n"] {
        out.extend_from_slice(part);
    }
}
