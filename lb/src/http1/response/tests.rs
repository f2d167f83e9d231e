use proptest::prelude::*;

use super::*;
use crate::http1::{properties, samples};

fn parse(text: impl AsRef<[u8]>, to_head: bool) -> Result<Option<ResponseHead>, ResponseFault> {
    let text = text.as_ref();
    let mut head = ResponseHead::new();
    let len = head.parse(text, &HeadLimits::default(), to_head)?;
    assert!(len.is_none_or(|len| len == text.len()), "{text:?}");
    Ok(len.map(|_| head))
}

fn whole(text: impl AsRef<[u8]>) -> ResponseHead {
    parse(&text, false).unwrap().expect("a whole head")
}

fn fault(text: impl AsRef<[u8]>) -> ResponseFault {
    parse(text, false).expect_err("a fault")
}

fn with(status: u16, fields: &str) -> String {
    format!("HTTP/1.1 {status} Reason\r\n{fields}\r\n")
}

#[test]
fn status_line_is_read() {
    let cases = [
        ("HTTP/1.1 200 OK\r\n\r\n", Version::Http11, 200, "OK"),
        (
            "HTTP/1.0 404 Not \u{fc}ber \r\n\r\n",
            Version::Http10,
            404,
            "Not \u{fc}ber ",
        ),
        ("HTTP/1.1 599 \r\n\r\n", Version::Http11, 599, ""),
        ("HTTP/1.1 100\r\n\r\n", Version::Http11, 100, ""),
    ];
    for (text, version, status, reason) in cases {
        let head = whole(text);
        assert_eq!(
            (head.version(), head.status()),
            (version, status),
            "{text:?}"
        );
        assert_eq!(head.reason().of(text.as_bytes()), reason.as_bytes());
    }
}

#[test]
fn invalid_status_lines_are_faults() {
    for line in [
        "",
        "HTTP/1.1",
        "HTTP/1.1 ",
        "HTTP/1.1 20",
        "HTTP/1.1 2000",
        "HTTP/1.1 2OO OK",
        "HTTP/1.1 200OK",
        "HTTP/1.1  200 OK",
        "HTTP/1.1 000 No",
        "HTTP/1.1 099 No",
        "HTTP/1.1 600 No",
        "HTTP/1.1 999 No",
        "HTTP/1.1 +20 OK",
        "HTTP/1.2 200 OK",
        "HTTP/2.0 200 OK",
        "HTTP/2 200",
        "http/1.1 200 OK",
        "ICY 200 OK",
        "HTTP/1.1 200 O\rK",
        "HTTP/1.1 200 O\0K",
        "HTTP/1.1\t200 OK",
        " HTTP/1.1 200 OK",
        "\0\x01garbage",
    ] {
        assert_eq!(
            fault(format!("{line}\r\n\r\n")),
            ResponseFault::StatusLine,
            "{line:?}"
        );
    }
}

#[test]
fn invalid_fields_are_faults() {
    let cases = [
        ("X: a\rSet-Cookie: b\r\n", FieldFault::Value),
        ("X: a\0\r\n", FieldFault::Value),
        ("X: a\r\n b\r\n", FieldFault::Folded),
        ("X : a\r\n", FieldFault::BlankBeforeColon),
        ("X\r\n", FieldFault::NoColon),
        (": a\r\n", FieldFault::NoName),
        ("(: a\r\n", FieldFault::Name),
    ];
    for (fields, expected) in cases {
        assert_eq!(
            fault(with(200, fields)),
            ResponseFault::Field(expected),
            "{fields:?}"
        );
    }
}

#[test]
fn invalid_framing_is_a_fault() {
    let cases = [
        ("Content-Length: x\r\n", ResponseFault::ContentLength),
        ("Content-Length: -1\r\n", ResponseFault::ContentLength),
        ("Content-Length: \r\n", ResponseFault::ContentLength),
        ("Content-Length: 5,\r\n", ResponseFault::ContentLength),
        (
            "Content-Length: 5, 6\r\n",
            ResponseFault::DifferingContentLengths,
        ),
        (
            "Content-Length: 1\r\nContent-Length: 2\r\n",
            ResponseFault::DifferingContentLengths,
        ),
        (
            "Transfer-Encoding: gzip, chunked\r\n",
            ResponseFault::TransferEncoding,
        ),
        (
            "Transfer-Encoding: identity\r\n",
            ResponseFault::TransferEncoding,
        ),
        (
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            ResponseFault::TransferEncoding,
        ),
    ];
    for (fields, expected) in cases {
        for status in [200, 204, 304] {
            assert_eq!(fault(with(status, fields)), expected, "{fields:?}");
        }
    }
    let old = "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(fault(old), ResponseFault::TransferEncoding);
}

#[test]
fn body_is_framed_by_status_then_fields() {
    let (none, close, chunked) = (
        BodyLength::None,
        BodyLength::UntilClose,
        BodyLength::Chunked,
    );
    let cases = [
        (200, "", close, None, false),
        (
            200,
            "Content-Length: 5\r\n",
            BodyLength::Length(5),
            Some(5),
            false,
        ),
        (
            200,
            "Content-Length: 5, 5\r\n",
            BodyLength::Length(5),
            Some(5),
            true,
        ),
        (
            200,
            "Content-Length: 5\r\nContent-Length: 5\r\n",
            BodyLength::Length(5),
            Some(5),
            true,
        ),
        (200, "Transfer-Encoding: Chunked\r\n", chunked, None, false),
        (
            200,
            "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
            chunked,
            None,
            true,
        ),
        (500, "Content_Length: 5\r\n", close, None, true),
        (
            200,
            "Content-Length: 5\r\nTransfer_Encoding: chunked\r\n",
            BodyLength::Length(5),
            Some(5),
            true,
        ),
        (304, "Content-Length: 5\r\n", none, Some(5), false),
        (304, "Transfer-Encoding: chunked\r\n", none, None, false),
        (204, "", none, None, false),
        (204, "Content-Length: 0\r\n", none, None, false),
        (204, "Content-Length: 5\r\n", none, None, true),
        (204, "Transfer-Encoding: chunked\r\n", none, None, true),
        (101, "", none, None, false),
        (103, "Content-Length: 5\r\n", none, None, true),
        (200, "X: y\n", close, None, true),
    ];
    for (status, fields, body, length, is_doubtful) in cases {
        let head = whole(with(status, fields));
        assert_eq!(
            (head.body(), head.content_length()),
            (body, length),
            "{status} {fields:?}"
        );
        assert_eq!(head.is_doubtful(), is_doubtful, "{status} {fields:?}");
    }
    for (fields, length) in [
        ("Content-Length: 5\r\n", Some(5)),
        ("Transfer-Encoding: chunked\r\n", None),
        ("", None),
    ] {
        let head = parse(with(200, fields), true).unwrap().unwrap();
        assert_eq!(
            (head.body(), head.content_length()),
            (none, length),
            "{fields:?}"
        );
        assert!(!head.is_doubtful());
    }
    assert!(whole("HTTP/1.1 200 OK\n\r\n").is_doubtful());
    assert!(whole("HTTP/1.1 200 OK\r\n\n").is_doubtful());
}

#[test]
fn connections_are_kept_as_targets_say() {
    let sized = "Content-Length: 0\r\n";
    let cases = [
        ("1.1", sized, "", true),
        ("1.1", sized, "Connection: close\r\n", false),
        ("1.1", "", "", false),
        ("1.0", sized, "", false),
        ("1.0", sized, "Connection: keep-alive\r\n", true),
        ("1.0", sized, "Connection: keep-alive, close\r\n", false),
        ("1.0", "", "Connection: keep-alive\r\n", false),
    ];
    for (version, length, fields, expected) in cases {
        let head = whole(format!("HTTP/{version} 200 OK\r\n{length}{fields}\r\n"));
        assert_eq!(
            head.keeps_alive(),
            expected,
            "{version} {length:?} {fields:?}"
        );
    }
}

#[test]
fn keep_alive_timeout_is_read() {
    let cases = [
        ("timeout=5", Some(5)),
        ("max=100, Timeout=7", Some(7)),
        ("timeout=0", Some(0)),
        ("timeout=", None),
        ("timeout=-1", None),
        ("timeout=99999999999999999999", None),
        ("xtimeout=5", None),
        ("\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}", None),
        ("", None),
    ];
    for (value, seconds) in cases {
        let head = whole(with(200, &format!("Keep-Alive: {value}\r\n")));
        assert_eq!(
            head.keep_alive_timeout(),
            seconds.map(Duration::from_secs),
            "{value}"
        );
    }
}

#[test]
fn connection_names_fields_of_responses() {
    let head = whole(with(
        200,
        "Connection: x-internal, close\r\nX-Internal: 1\r\nETag: e\r\nContent-Length: 0\r\n",
    ));
    let named: Vec<_> = head
        .fields()
        .iter()
        .map(|field| field.is_named_by_connection)
        .collect();
    assert_eq!(named, [false, true, false, false]);
}

#[test]
fn switch_names_one_protocol() {
    let fields = "Connection: upgrade\r\nUpgrade: websocket\r\n";
    let text = with(101, fields);
    assert_eq!(
        whole(&text).upgrade().unwrap().of(text.as_bytes()),
        b"websocket"
    );
    assert_eq!(whole(with(200, fields)).upgrade(), None);
    assert_eq!(whole(with(101, "Upgrade: websocket\r\n")).upgrade(), None);
    assert_eq!(
        whole(with(101, &format!("{fields}Upgrade: x\r\n"))).upgrade(),
        None
    );
}

#[test]
fn long_heads_are_faults() {
    let long = "x".repeat(17 << 10);
    assert_eq!(
        fault(format!("HTTP/1.1 200 {long}")),
        ResponseFault::StatusLineTooLong
    );
    assert_eq!(
        fault(with(200, &format!("X: {long}"))),
        ResponseFault::FieldTooLong
    );
    let fields = format!("X: {}\r\n", &long[..16000]).repeat(5);
    assert_eq!(fault(with(200, &fields)), ResponseFault::HeadTooLong);
    let many = "X: y\r\n".repeat(101);
    assert_eq!(
        fault(with(200, &many)),
        ResponseFault::Field(FieldFault::Many)
    );
}

#[test]
fn interim_responses_are_heads_of_their_own() {
    let buf = b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let mut head = ResponseHead::new();
    let limits = HeadLimits::default();
    let first = head.parse(buf, &limits, false).unwrap().unwrap();
    assert_eq!((head.status(), head.fields().len()), (103, 1));
    let rest = &buf[first..];
    assert_eq!(head.parse(rest, &limits, false), Ok(Some(rest.len() - 2)));
    assert_eq!(
        (head.status(), head.body(), head.fields().len()),
        (200, BodyLength::Length(2), 1)
    );
}

proptest! {
    #![proptest_config(samples::config())]

    #[test]
    fn splits_change_nothing(
        text in samples::response_heads(),
        cuts in samples::cuts(),
        to_head: bool,
    ) {
        properties::response(&text, &samples::ends(&cuts, text.len()), to_head);
    }

    #[test]
    fn any_bytes_are_survived(text in proptest::collection::vec(any::<u8>(), 0..200)) {
        let text = [b"HTTP/1.1 200 OK\r\n", &text[..]].concat();
        properties::response(&text, &[text.len()], false);
    }
}
