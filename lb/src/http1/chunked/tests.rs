use proptest::prelude::*;

use super::*;
use crate::http1::{
    LAST_CHUNK,
    properties::{self, Body, read_chunked as read},
    put_chunk_head, samples,
};

fn whole(text: impl AsRef<[u8]>) -> Result<Body, ChunkFault> {
    let text = text.as_ref();
    read(text, &[text.len()])
}

#[test]
fn data_is_found_where_it_lies() {
    let text = b"5\r\nhello\r\n0A;name=\"v\";x\r\n, wor\r\nld!\r\n00 \t\r\n\r\nGET /";
    let body = whole(text).unwrap();
    assert_eq!(body.data, b"hello, wor\r\nld!");
    assert_eq!(body.end, Some(text.len() - 5));
    assert_eq!(body.trailers, b"");
}

#[test]
fn chunks_without_one_reading_are_faults() {
    let cases: &[(&[u8], ChunkFault)] = &[
        (b"zz\r\n", ChunkFault::Size),
        (b"\r\n", ChunkFault::Size),
        (b";a\r\n", ChunkFault::Size),
        (b" 3\r\n", ChunkFault::Size),
        (b"-1\r\n", ChunkFault::Size),
        (b"+1\r\n", ChunkFault::Size),
        (b"0x3\r\nabc\r\n", ChunkFault::Size),
        (b"1_0\r\n", ChunkFault::Size),
        (b"3 3\r\n", ChunkFault::Size),
        (b"3\0\r\n", ChunkFault::Size),
        (b"ffffffffffffffff0\r\n", ChunkFault::Size),
        (b"00000000000000003\r\nabc\r\n", ChunkFault::Size),
        (b"3\nabc\r\n", ChunkFault::LineEnd),
        (b"3\r\rabc\r\n", ChunkFault::LineEnd),
        (b"3\rabc\r\n", ChunkFault::LineEnd),
        (b"3;a\nabc\r\n", ChunkFault::LineEnd),
        (b"3;a\r;b\r\nabc\r\n", ChunkFault::LineEnd),
        (b"3 \nabc\r\n", ChunkFault::LineEnd),
        (b"3;\0\r\nabc\r\n", ChunkFault::Extension),
        (b"3\r\nabc\n", ChunkFault::LineEnd),
        (b"3\r\nabc0\r\n\r\n", ChunkFault::LineEnd),
        (b"3\r\nabc\r0", ChunkFault::LineEnd),
        (b"3\r\nab\r\n0\r\n\r\n", ChunkFault::LineEnd),
        (b"0\n\n", ChunkFault::LineEnd),
        (b"0\r\n\n", ChunkFault::LineEnd),
        (b"0\r\nX: y\n\r\n", ChunkFault::LineEnd),
        (
            b"0\r\nGET / HTTP/1.1\r\n\r\n",
            ChunkFault::Trailer(FieldFault::Name),
        ),
        (
            b"0\r\nX : y\r\n\r\n",
            ChunkFault::Trailer(FieldFault::BlankBeforeColon),
        ),
        (
            b"0\r\n folded\r\n\r\n",
            ChunkFault::Trailer(FieldFault::Folded),
        ),
        (
            b"0\r\nX: \0\r\n\r\n",
            ChunkFault::Trailer(FieldFault::Value),
        ),
    ];
    for (text, expected) in cases {
        let name = String::from_utf8_lossy(text);
        assert_eq!(whole(text), Err(*expected), "{name:?}");
    }
}

#[test]
fn largest_size_is_read() {
    let mut decoder = ChunkedDecoder::new();
    let text = b"FFFFffffFFFFffff\r\nab";
    assert_eq!(decoder.decode(text), Ok(Piece::Data { start: 18, end: 20 }));
    assert_eq!(decoder.remaining(), u64::MAX - 2);
}

#[test]
fn data_may_pass_unseen() {
    let mut decoder = ChunkedDecoder::new();
    assert_eq!(decoder.remaining(), 0);
    assert_eq!(decoder.decode(b"8\r\n"), Ok(Piece::More { consumed: 3 }));
    assert_eq!(decoder.remaining(), 8);
    decoder.pass(5);
    assert_eq!(decoder.remaining(), 3);
    assert_eq!(
        decoder.decode(b"abc\r\n"),
        Ok(Piece::Data { start: 0, end: 3 })
    );
    assert_eq!(decoder.decode(b"\r\n3\r"), Ok(Piece::More { consumed: 4 }));
    assert_eq!(decoder.remaining(), 0, "its line end is still to come");
    assert_eq!(decoder.decode(b"\n"), Ok(Piece::More { consumed: 1 }));
    decoder.pass(3);
    assert_eq!(
        decoder.decode(b"\r\n0\r\n\r\n"),
        Ok(Piece::End { consumed: 7 })
    );
    assert_eq!(decoder.decode(b"more"), Ok(Piece::End { consumed: 0 }));
}

#[test]
fn trailers_are_normalised_and_sifted() {
    let text = "0\r\nX-Sum:\t abc \r\ngrpc-status: 0\r\nEmpty:\r\nETag: \"e\"\r\n\
        Transfer-Encoding: chunked\r\ncontent-length: 5\r\nTransfer_Encoding: x\r\nHost: b\r\nConnection: close\r\n\
        Authorization: Basic x\r\nproxy-authorization: x\r\nSet-Cookie: a=b\r\nCookie: a=b\r\nX-Forwarded-For: 1.1.1.1\r\n\
        Content-Type: text/html\r\nContent-Encoding: gzip\r\nContent-Range: x\r\nCache-Control: no-store\r\nExpect: x\r\n\
        Trailer: X\r\nTE: x\r\nUpgrade: x\r\nLocation: /\r\nDate: x\r\nMax-Forwards: 0\r\nIf-Match: x\r\n\r\n";
    let body = whole(text).unwrap();
    assert_eq!(
        body.trailers,
        b"X-Sum: abc\r\ngrpc-status: 0\r\nEmpty: \r\nETag: \"e\"\r\n"
    );
    assert_eq!(body.end, Some(text.len()));
}

#[test]
fn extensions_and_trailers_are_bounded() {
    let extended = |len: usize| format!("1;{}\r\na\r\n", "x".repeat(len - 1));
    let at_limit = extended(MAX_EXTENSIONS / 2).repeat(2);
    assert_eq!(whole(&at_limit).unwrap().data, b"aa");
    assert_eq!(
        whole(format!("{at_limit}1;\r\n")),
        Err(ChunkFault::LongExtensions)
    );
    assert_eq!(
        whole(format!("1{}", " ".repeat(20 << 10))),
        Err(ChunkFault::LongExtensions)
    );

    let trailer = |len: usize| format!("0\r\nHost: {}\r\n", "x".repeat(len - 7));
    assert!(whole(trailer(16 << 10)).is_ok());
    assert_eq!(
        whole(trailer((16 << 10) + 1)),
        Err(ChunkFault::LongTrailers)
    );
    let endless = format!("0\r\n{}", "X:y\r\n".repeat(5000));
    assert_eq!(whole(endless), Err(ChunkFault::LongTrailers));
}

proptest! {
    #![proptest_config(samples::config())]

    #[test]
    fn what_is_encoded_is_decoded(
        chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..300), 0..8),
        cuts in samples::cuts(),
    ) {
        let mut text = Vec::new();
        for chunk in &chunks {
            put_chunk_head(&mut text, chunk.len() as u64);
            text.extend_from_slice(chunk);
            text.extend_from_slice(b"\r\n");
        }
        text.extend_from_slice(LAST_CHUNK);
        let body = read(&text, &samples::ends(&cuts, text.len())).unwrap();
        prop_assert_eq!(body.data, chunks.concat());
        prop_assert_eq!(body.end, Some(text.len()));
    }

    #[test]
    fn splits_change_nothing(text in samples::chunked_bodies(), cuts in samples::cuts()) {
        properties::chunked(&text, &samples::ends(&cuts, text.len()));
    }

    #[test]
    fn any_bytes_are_survived(text in proptest::collection::vec(any::<u8>(), 0..200)) {
        properties::chunked(&text, &[text.len()]);
    }
}
