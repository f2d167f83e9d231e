//! What holds for any bytes; checked by property tests and by fuzzing.

use super::{
    ChunkFault, ChunkedDecoder, Field, HeadLimits, LAST_CHUNK, Piece, RequestHead, ResponseHead,
    put_chunk_head,
};

/// So small that they are met.
const TIGHT: HeadLimits = HeadLimits {
    head: 160,
    fields: 5,
    request_line: 40,
    field: 50,
};
/// A request that comes in reads which end at `ends` is the one that comes in one read.
pub(crate) fn request(text: &[u8], ends: &[usize]) {
    for limits in [TIGHT, HeadLimits::default()] {
        let (mut whole, mut split) = (RequestHead::new(), RequestHead::new());
        let expected = whole.parse(text, &limits);
        let outcome = in_reads(ends, |end| split.parse(&text[..end], &limits));
        assert_eq!(outcome, expected);
        if let Ok(Some(len)) = expected {
            let text = &text[..len];
            assert_eq!(request_summary(&split, text), request_summary(&whole, text));
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
    let fields = fields(head.fields(), buf);
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
    let fields = fields(head.fields(), buf);
    format!("{:?}", (line, framing, connection, head.fields(), fields))
}

fn fields(list: &[Field], buf: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    list.iter()
        .map(|field| (field.name.of(buf).to_vec(), field.value.of(buf).to_vec()))
        .collect()
}
