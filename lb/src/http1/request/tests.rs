use proptest::prelude::*;

use super::*;
use crate::http1::{
    FieldFault,
    properties::{self, request_summary as summary},
    samples,
};

fn parse(text: impl AsRef<[u8]>) -> Result<Option<(RequestHead, usize)>, Refusal> {
    let mut head = RequestHead::new();
    let len = head.parse(text.as_ref(), &HeadLimits::default())?;
    Ok(len.map(|len| (head, len)))
}

fn whole(text: impl AsRef<[u8]>) -> RequestHead {
    let text = text.as_ref();
    match parse(text) {
        Ok(Some((head, len))) if len == text.len() => head,
        other => panic!("{:?} of {:?}", other, String::from_utf8_lossy(text)),
    }
}

fn refusal(text: impl AsRef<[u8]>) -> Refusal {
    match parse(&text) {
        Err(refusal) => refusal,
        other => panic!(
            "{:?} of {:?}",
            other,
            String::from_utf8_lossy(text.as_ref())
        ),
    }
}

/// A request of HTTP/1.1 with Host and these field lines.
fn with(method: &str, fields: &str) -> String {
    format!("{method} / HTTP/1.1\r\nHost: a\r\n{fields}\r\n")
}

#[test]
fn curl_is_read_as_it_speaks() {
    let text = "GET /a/b?c=d&e HTTP/1.1\r\nHost: a.test:8080\r\nUser-Agent: curl/8\r\nAccept:*/* \t\r\nX:\r\n\r\n";
    let buf = format!("{text}and more").into_bytes();
    let (head, len) = parse(&buf).unwrap().unwrap();
    assert_eq!(len, text.len());
    assert_eq!(
        (head.method(), head.method_span().of(&buf)),
        (Method::Get, &b"GET"[..])
    );
    assert_eq!(head.target().of(&buf), b"/a/b?c=d&e");
    let TargetForm::Origin { path, query } = head.target_form() else {
        panic!("{head:?}");
    };
    assert_eq!(path.of(&buf), b"/a/b");
    assert_eq!(query.unwrap().of(&buf), b"c=d&e");
    assert_eq!(head.version(), Version::Http11);
    assert_eq!(head.host().unwrap().of(&buf), b"a.test:8080");
    assert_eq!(head.body(), BodyLength::None);
    assert_eq!(
        (head.classification(), head.reason()),
        (Classification::Compliant, None)
    );
    assert!(head.keeps_alive() && !head.expects_continue() && head.upgrade().is_none());
    let fields: Vec<_> = head
        .fields()
        .iter()
        .map(|field| (field.id, field.name.of(&buf), field.value.of(&buf)))
        .collect();
    assert_eq!(
        fields,
        [
            (FieldName::Host, &b"Host"[..], &b"a.test:8080"[..]),
            (FieldName::UserAgent, b"User-Agent", b"curl/8"),
            (FieldName::Other, b"Accept", b"*/*"),
            (FieldName::Other, b"X", b""),
        ]
    );
    assert!(
        head.fields()
            .iter()
            .all(|field| !field.is_suspicious && !field.is_named_by_connection)
    );
}

#[test]
fn request_lines_without_one_reading_are_refused() {
    let cases: &[(&[u8], Refusal)] = &[
        (b"GET /\r\n\r\n", Refusal::Version),
        (b"GET\r\n\r\n", Refusal::Version),
        (b"GET \r\n\r\n", Refusal::Version),
        (b"GET / HTTP/1.1x\r\n\r\n", Refusal::Version),
        (b"GET / http/1.1\r\n\r\n", Refusal::Version),
        (b"GET / HTTP/11\r\n\r\n", Refusal::Version),
        (b"GET / HTTP/1.10\r\n\r\n", Refusal::Version),
        (b"GET / HTTP/+1.1\r\n\r\n", Refusal::Version),
        (b"GET / HTTP/1.2\r\n\r\n", Refusal::MinorVersion),
        (b"GET / HTTP/2.0\r\n\r\n", Refusal::MajorVersion),
        (b"GET / HTTP/0.9\r\n\r\n", Refusal::MajorVersion),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Refusal::MajorVersion),
        (b"GET  / HTTP/1.1\r\n\r\n", Refusal::BlankInTarget),
        (b"GET /  HTTP/1.1\r\n\r\n", Refusal::BlankInTarget),
        (b"GET / HTTP/1.1 \r\n\r\n", Refusal::BlankInTarget),
        (b"GET /a b HTTP/1.1\r\n\r\n", Refusal::BlankInTarget),
        (b"GET /\tHTTP/1.1\r\n\r\n", Refusal::BlankInTarget),
        (b"GET\t/ HTTP/1.1\r\n\r\n", Refusal::Method),
        (b" GET / HTTP/1.1\r\n\r\n", Refusal::Method),
        (b"G(T / HTTP/1.1\r\n\r\n", Refusal::Method),
        (b"G\xc3\x8aT / HTTP/1.1\r\n\r\n", Refusal::Method),
        (b"\rGET / HTTP/1.1\r\n\r\n", Refusal::Method),
        (b"GET /\0 HTTP/1.1\r\n\r\n", Refusal::Target),
        (b"GET /\r HTTP/1.1\r\n\r\n", Refusal::Target),
        (b"GET /\x7f HTTP/1.1\r\n\r\n", Refusal::Target),
        (b"GET /#frag HTTP/1.1\r\n\r\n", Refusal::Target),
        (b"GET /\xc3\xa9 HTTP/1.1\r\n\r\n", Refusal::Target),
        (b"GET * HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::TargetForm),
        (
            b"OPTIONS ** HTTP/1.1\r\nHost: a\r\n\r\n",
            Refusal::TargetForm,
        ),
        (b"GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::TargetForm),
        (b"GET a HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::TargetForm),
        (b"GET ?q HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::TargetForm),
        (
            b"GET file:///etc HTTP/1.1\r\nHost: a\r\n\r\n",
            Refusal::TargetForm,
        ),
        (
            b"GET http:/a HTTP/1.1\r\nHost: a\r\n\r\n",
            Refusal::TargetForm,
        ),
        (
            b"GET http:///p HTTP/1.1\r\nHost: a\r\n\r\n",
            Refusal::TargetHost,
        ),
        (
            b"GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n",
            Refusal::TargetHost,
        ),
        (
            b"GET http://a,b/ HTTP/1.1\r\nHost: a\r\n\r\n",
            Refusal::TargetHost,
        ),
        (
            b"GET http://a:x/ HTTP/1.1\r\nHost: a\r\n\r\n",
            Refusal::TargetHost,
        ),
        (b"\r\n\r\n\r\nGET / HTTP/1.1\r\n\r\n", Refusal::EmptyLines),
    ];
    for (text, expected) in cases {
        assert_eq!(
            refusal(text),
            *expected,
            "{:?}",
            String::from_utf8_lossy(text)
        );
    }
}

#[test]
fn first_byte_of_a_handshake_is_refused() {
    assert_eq!(refusal(b"\x16"), Refusal::Method);
    assert_eq!(refusal(b"\r\n\x16"), Refusal::Method);
    for start in ["", "\r", "\r\n", "G", "!"] {
        assert!(matches!(parse(start), Ok(None)), "{start:?}");
    }
}

#[test]
fn fields_without_one_reading_are_refused() {
    let cases: &[(&[u8], FieldFault)] = &[
        (b"X : y\r\n", FieldFault::BlankBeforeColon),
        (b"X\t: y\r\n", FieldFault::BlankBeforeColon),
        (
            b"Transfer-Encoding : chunked\r\n",
            FieldFault::BlankBeforeColon,
        ),
        (b" X: y\r\n", FieldFault::Folded),
        (b"X: y\r\n\tz\r\n", FieldFault::Folded),
        (b"X: y\r\n Content-Length: 5\r\n", FieldFault::Folded),
        (b" \r\n", FieldFault::Folded),
        (b": y\r\n", FieldFault::NoName),
        (b":\r\n", FieldFault::NoName),
        (b"X\r\n", FieldFault::NoColon),
        (b"X y: z\r\n", FieldFault::Name),
        (b"X\0: y\r\n", FieldFault::Name),
        (b"X\r: y\r\n", FieldFault::Name),
        (b"\x0bX: y\r\n", FieldFault::Name),
        (b"(X): y\r\n", FieldFault::Name),
        (b"\xc3\xa9: y\r\n", FieldFault::Name),
        (b"Tran\xc5\xbffer-Encoding: chunked\r\n", FieldFault::Name),
        (b"X: \0\r\n", FieldFault::Value),
        (b"X: a\rb\r\n", FieldFault::Value),
        (b"X: a\r\r\n", FieldFault::Value),
        (b"X: \x7f\r\n", FieldFault::Value),
        (b"X: \x1f\r\n", FieldFault::Value),
        (b"Transfer-Encoding: \x0bchunked\r\n", FieldFault::Value),
    ];
    for (fields, expected) in cases {
        let text = [b"GET / HTTP/1.1\r\nHost: a\r\n", *fields, b"\r\n"].concat();
        let name = String::from_utf8_lossy(fields);
        assert_eq!(refusal(text), Refusal::Field(*expected), "{name:?}");
    }
}

#[test]
fn framing_without_one_reading_is_refused() {
    let cases = [
        ("Content-Length: 3, 3\r\n", Refusal::ContentLength),
        ("Content-Length: 3,3\r\n", Refusal::ContentLength),
        ("Content-Length: +3\r\n", Refusal::ContentLength),
        ("Content-Length: -0\r\n", Refusal::ContentLength),
        ("Content-Length: 0x3\r\n", Refusal::ContentLength),
        ("Content-Length: 3 3\r\n", Refusal::ContentLength),
        ("Content-Length: 3_0\r\n", Refusal::ContentLength),
        ("Content-Length: 3.0\r\n", Refusal::ContentLength),
        ("Content-Length: 3;\r\n", Refusal::ContentLength),
        ("Content-Length:\r\n", Refusal::ContentLength),
        ("Content-Length: \u{663}\r\n", Refusal::ContentLength),
        (
            "Content-Length: 9223372036854775808\r\n",
            Refusal::ContentLength,
        ),
        (
            "Content-Length: 18446744073709551619\r\n",
            Refusal::ContentLength,
        ),
        (
            "Content-Length: 3\r\nContent-Length: 4\r\n",
            Refusal::DifferingContentLengths,
        ),
        (
            "Content-Length: 3\r\ncontent-length: x\r\n",
            Refusal::ContentLength,
        ),
        (
            "Content-Length: x\r\nTransfer-Encoding: chunked\r\n",
            Refusal::ContentLength,
        ),
        (
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            Refusal::ManyChunked,
        ),
        (
            "Transfer-Encoding: chunked, chunked\r\n",
            Refusal::ManyChunked,
        ),
        (
            "Transfer-Encoding: chunked\r\nTransfer-Encoding:\r\n",
            Refusal::NotChunked,
        ),
        (
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
            Refusal::NotChunked,
        ),
        ("Transfer-Encoding: identity\r\n", Refusal::NotChunked),
        (
            "Transfer-Encoding: identity, chunked\r\n",
            Refusal::NotChunked,
        ),
        ("Transfer-Encoding:\r\n", Refusal::NotChunked),
        ("Transfer-Encoding: chunked,\r\n", Refusal::NotChunked),
        (
            "Transfer-Encoding: gzip, chunked\r\n",
            Refusal::TransferCoding,
        ),
        (
            "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n",
            Refusal::TransferCoding,
        ),
        ("Transfer-Encoding: xchunked\r\n", Refusal::TransferCoding),
        (
            "Transfer-Encoding: chunked;q=1\r\n",
            Refusal::TransferCoding,
        ),
        (
            "Transfer-Encoding: \"chunked\"\r\n",
            Refusal::TransferCoding,
        ),
        ("Host: b\r\n", Refusal::ManyHosts),
        ("hOST: a\r\n", Refusal::ManyHosts),
    ];
    for (fields, expected) in cases {
        assert_eq!(refusal(with("POST", fields)), expected, "{fields:?}");
    }
    let old = "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(refusal(old), Refusal::TransferEncodingInHttp10);
}

#[test]
fn hosts_are_one_and_valid() {
    let get = |host: &str| format!("GET / HTTP/1.1\r\n{host}\r\n");
    assert_eq!(refusal(get("")), Refusal::NoHost);
    assert_eq!(refusal("GET http://a/ HTTP/1.1\r\n\r\n"), Refusal::NoHost);
    assert!(whole("GET / HTTP/1.0\r\n\r\n").host().is_none());
    for host in [
        "", "a b", "a,b", "u@a", "a/b", "a:b", "a:1:2", "a:123456", "[", "[]", "[::1", "[x]",
        "[::1]x", "a\\b", "a?b", "\u{e9}",
    ] {
        assert_eq!(
            refusal(get(&format!("Host: {host}\r\n"))),
            Refusal::Host,
            "{host}"
        );
    }
    for host in [
        "a",
        "A.example",
        "a:",
        "a:80",
        "10.0.0.1:8080",
        "[::1]",
        "[::ffff:10.0.0.1]:80",
        "a_b",
        "%41",
    ] {
        let text = get(&format!("Host: {host}\r\n"));
        let found = whole(&text).host().unwrap();
        assert_eq!(found.of(text.as_bytes()), host.as_bytes());
    }
}

#[test]
fn absolute_target_says_the_host() {
    let cases: [(&str, &str, &str, &str, Option<&str>); 5] = [
        ("http://x/p?q", "http", "x", "/p", Some("q")),
        ("HTTPS://x:1/p", "HTTPS", "x:1", "/p", None),
        ("http://x", "http", "x", "", None),
        ("http://[::1]?a?b", "http", "[::1]", "", Some("a?b")),
        ("http://x/http://y/", "http", "x", "/http://y/", None),
    ];
    for (target, scheme, authority, path, query) in cases {
        let text = format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n").into_bytes();
        let head = whole(&text);
        let TargetForm::Absolute {
            scheme: s,
            authority: a,
            path: p,
            query: q,
        } = head.target_form()
        else {
            panic!("{target}");
        };
        let words = [s, a, p].map(|span| span.of(&text));
        assert_eq!(
            words,
            [scheme, authority, path].map(str::as_bytes),
            "{target}"
        );
        assert_eq!(
            q.map(|span| span.of(&text)),
            query.map(str::as_bytes),
            "{target}"
        );
        assert_eq!(head.host().unwrap().of(&text), authority.as_bytes());
    }
}

#[test]
fn other_forms_depend_on_the_method() {
    assert_eq!(
        whole(with("OPTIONS", "").replace(" / ", " * ")).target_form(),
        TargetForm::Asterisk
    );
    let connect = whole("CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(
        (connect.method(), connect.target_form()),
        (Method::Connect, TargetForm::Authority)
    );
    assert_eq!(whole(with("TRACE", "")).method(), Method::Trace);
    assert_eq!(whole(with("get", "")).method(), Method::Other);
    let odd = whole(with("GET", "").replace(" / ", " //a/../%2F|\"{}\\^` "));
    assert_eq!(odd.classification(), Classification::Compliant);
}

#[test]
fn deviations_are_classified() {
    let cases = [
        (
            "POST",
            "Content-Length: 3\r\nContent-Length: 3\r\n",
            Reason::DuplicateContentLength,
            BodyLength::Length(3),
        ),
        (
            "POST",
            "Content-Length: 3\r\nContent-Length: 03\r\n",
            Reason::DuplicateContentLength,
            BodyLength::Length(3),
        ),
        (
            "POST",
            "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
            Reason::BothTeClPresent,
            BodyLength::Chunked,
        ),
        (
            "POST",
            "Transfer-Encoding: Chunked\r\nContent-Length: 3\r\n",
            Reason::BothTeClPresent,
            BodyLength::Chunked,
        ),
        (
            "GET",
            "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n",
            Reason::BothTeClPresent,
            BodyLength::Chunked,
        ),
        (
            "POST",
            "Transfer_Encoding: chunked\r\n",
            Reason::SuspiciousHeader,
            BodyLength::None,
        ),
        (
            "POST",
            "Transfer-Encoding: chunked\r\nTransfer_Encoding: chunked\r\n",
            Reason::SuspiciousHeader,
            BodyLength::Chunked,
        ),
        (
            "POST",
            "Content-Length: 3\r\nContent.Length: 4\r\n",
            Reason::SuspiciousHeader,
            BodyLength::Length(3),
        ),
        (
            "POST",
            "Content-Length: 3\r\nTransfer_Encoding: chunked\r\n",
            Reason::SuspiciousTeClPresent,
            BodyLength::Length(3),
        ),
        (
            "POST",
            "Transfer-Encoding: chunked\r\nContent_Length: 3\r\n",
            Reason::SuspiciousTeClPresent,
            BodyLength::Chunked,
        ),
        (
            "GET",
            "Content-Length: 0\r\n",
            Reason::GetHeadZeroContentLength,
            BodyLength::Length(0),
        ),
        (
            "HEAD",
            "Content-Length: 1\r\n",
            Reason::UndefinedContentLengthSemantics,
            BodyLength::Length(1),
        ),
        (
            "GET",
            "Transfer-Encoding: chunked\r\n",
            Reason::UndefinedTransferEncodingSemantics,
            BodyLength::Chunked,
        ),
        (
            "GET",
            "X: y\n",
            Reason::NonCompliantHeader,
            BodyLength::None,
        ),
    ];
    for (method, fields, reason, body) in cases {
        let head = whole(with(method, fields));
        assert_eq!(
            (head.reason(), head.body()),
            (Some(reason), body),
            "{fields:?}"
        );
        assert_eq!(head.classification(), reason.classification());
    }
    for bare in [
        "GET / HTTP/1.1\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\n",
        "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        assert_eq!(
            whole(bare).reason(),
            Some(Reason::NonCompliantHeader),
            "{bare:?}"
        );
    }
}

#[test]
fn sound_requests_are_compliant() {
    let cases = [
        ("POST", "Content-Length: 3\r\n", BodyLength::Length(3)),
        (
            "POST",
            "content-length:9223372036854775807 \r\n",
            BodyLength::Length(i64::MAX as u64),
        ),
        (
            "POST",
            "TRANSFER-ENCODING:\tCHUNKED\r\n",
            BodyLength::Chunked,
        ),
        ("POST", "", BodyLength::None),
        ("DELETE", "Content-Length: 0\r\n", BodyLength::Length(0)),
        (
            "GET",
            "X: \u{e9}\t\"q\"\r\nX-Content-Length: 5\r\nContent-Lengths: 4\r\n",
            BodyLength::None,
        ),
    ];
    for (method, fields, body) in cases {
        let head = whole(with(method, fields));
        assert_eq!((head.reason(), head.body()), (None, body), "{fields:?}");
    }
    assert_eq!(whole(format!("\r\n\r\n{}", with("GET", ""))).reason(), None);
}

#[test]
fn look_alikes_are_marked() {
    for name in [
        "Transfer_Encoding",
        "transfer.encoding",
        "TransferEncoding",
        "Content_Length",
        "-content-length'",
        "Content--Length",
        "Content0Length",
        "contents-length",
        "X_Forwarded_For",
        "x-forwarded_proto",
        "X_Forwarded-Port",
        "XForwardedHost",
    ] {
        let head = whole(with("GET", &format!("{name}: 1\r\nX: y\r\n")));
        let marked: Vec<_> = head
            .fields()
            .iter()
            .map(|field| field.is_suspicious)
            .collect();
        assert_eq!(marked, [false, true, false], "{name}");
    }
    let ours = whole(with("GET", "X_Forwarded_For: 1\r\nX_Y: z\r\n"));
    assert_eq!(ours.reason(), None);
    assert!(!ours.fields()[2].is_suspicious);
}

#[test]
fn connection_names_fields_anywhere() {
    let fields = "X-A: 1\r\nConnection: x-a, te, X-Forwarded-For ,\r\nCookie: c\r\nx-b: 2\r\nContent-Length: 3\r\nconnection: X-B,host,content-length,cookie,,b ad\r\nTE: trailers\r\nX-Forwarded-For: 1.1.1.1\r\nX-C: 3\r\n";
    let head = whole(with("POST", fields));
    let named: Vec<_> = head
        .fields()
        .iter()
        .map(|field| field.is_named_by_connection)
        .collect();
    let (yes, no) = (true, false);
    //               Host X-A  Conn Cookie X-B len Conn TE XFF X-C
    assert_eq!(named, [no, yes, no, yes, yes, no, no, yes, yes, no]);
    assert!(head.takes_trailers());
    let many = (0..33)
        .map(|number| format!("x{number},"))
        .collect::<String>();
    let text = with("GET", &format!("Connection: {many}\r\n"));
    assert_eq!(refusal(text), Refusal::Field(FieldFault::ManyOptions));
}

#[test]
fn connections_are_kept_as_clients_say() {
    let cases = [
        ("1.1", "", true),
        ("1.1", "Connection: close\r\n", false),
        ("1.1", "Connection: x, Close\r\n", false),
        (
            "1.1",
            "Connection: keep-alive\r\nConnection: close\r\n",
            false,
        ),
        (
            "1.1",
            "Connection: closed\r\nProxy-Connection: close\r\n",
            true,
        ),
        ("1.0", "", false),
        ("1.0", "Connection: Keep-Alive\r\n", true),
        ("1.0", "Connection: keep-alive, close\r\n", false),
        (
            "1.1",
            "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
            false,
        ),
    ];
    for (version, fields, expected) in cases {
        let head = whole(format!("POST / HTTP/{version}\r\nHost: a\r\n{fields}\r\n"));
        assert_eq!(head.keeps_alive(), expected, "{version} {fields:?}");
    }
}

#[test]
fn only_one_expectation_is_known() {
    assert!(whole(with("POST", "Expect: 100-Continue\r\n")).expects_continue());
    assert!(!whole("POST / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n").expects_continue());
    for other in [
        "miracles",
        "",
        "100-continue, miracles",
        "100-continue;a=b",
        "x100-continue",
    ] {
        let text = with("POST", &format!("Expect: {other}\r\n"));
        assert_eq!(refusal(text), Refusal::Expectation, "{other}");
    }
}

#[test]
fn upgrades_are_plain_or_none() {
    let text = with("GET", "Connection: x, UPGRADE\r\nUpgrade: websocket\r\n");
    assert_eq!(
        whole(&text).upgrade().unwrap().of(text.as_bytes()),
        b"websocket"
    );
    for refused in [
        with("GET", "Upgrade: websocket\r\n"),
        with("GET", "Connection: upgrade\r\n"),
        with("GET", "Connection: upgrade\r\nUpgrade:\r\n"),
        with("GET", "Connection: upgrade\r\nUpgrade: h2c\r\n"),
        with("GET", "Connection: upgrade\r\nUpgrade: websocket, H2C\r\n"),
        with(
            "GET",
            "Connection: upgrade\r\nUpgrade: websocket\r\nUpgrade: h2c\r\n",
        ),
        with("POST", "Connection: upgrade\r\nUpgrade: websocket\r\n"),
        with(
            "GET",
            "Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 3\r\n",
        ),
        with(
            "GET",
            "Connection: upgrade\r\nUpgrade: websocket\r\nTransfer-Encoding: chunked\r\n",
        ),
        text.replace("1.1", "1.0"),
    ] {
        assert_eq!(whole(&refused).upgrade(), None, "{refused:?}");
    }
}

#[test]
fn addresses_forwarded_for_are_counted() {
    let addresses = |count: usize| vec!["10.0.0.1"; count].join(", ");
    whole(with(
        "GET",
        &format!("X-Forwarded-For: {}\r\n", addresses(30)),
    ));
    let one = format!("X-Forwarded-For: {}\r\n", addresses(31));
    let two = format!(
        "X-Forwarded-For: {}\r\nX-Forwarded-For: x\r\n",
        addresses(30)
    );
    for fields in [one, two] {
        assert_eq!(refusal(with("GET", &fields)), Refusal::ManyAddresses);
    }
}

#[test]
fn limits_hold_to_the_byte() {
    let limits = HeadLimits {
        head: 198,
        fields: 3,
        request_line: 40,
        field: 50,
    };
    let outcome = |text: &str| RequestHead::new().parse(text.as_bytes(), &limits);
    let line = |len: usize| format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(len - 14));
    assert_eq!(outcome(&line(40)), Ok(Some(line(40).len())));
    assert_eq!(outcome(&line(41)), Err(Refusal::RequestLineTooLong));
    assert_eq!(outcome(&line(41)[..41]), Ok(None));
    assert_eq!(outcome(&line(60)[..42]), Err(Refusal::RequestLineTooLong));

    let field = |len: usize| with("GET", &format!("X:{}\r\n", "y".repeat(len - 2)));
    assert_eq!(outcome(&field(50)), Ok(Some(field(50).len())));
    assert_eq!(outcome(&field(51)), Err(Refusal::FieldTooLong));
    assert_eq!(
        outcome(&field(51).replace("\r\n\r\n", "\n\n")),
        Err(Refusal::FieldTooLong)
    );

    let fields = |count: usize| with("GET", &"X:y\r\n".repeat(count - 1));
    assert_eq!(outcome(&fields(3)), Ok(Some(fields(3).len())));
    assert_eq!(outcome(&fields(4)), Err(Refusal::Field(FieldFault::Many)));

    let head = |len: usize| {
        let start = format!(
            "GET / HTTP/1.1\r\n{}",
            format!("X:{}\r\n", "y".repeat(48)).repeat(2)
        );
        let host = len - start.len() - "Host: \r\n\r\n".len();
        format!("{start}Host: {}\r\n\r\n", "a".repeat(host))
    };
    let limits = HeadLimits {
        head: 160,
        ..limits
    };
    let outcome = |text: &str| RequestHead::new().parse(text.as_bytes(), &limits);
    assert_eq!(outcome(&head(160)), Ok(Some(160)));
    assert_eq!(outcome(&head(161)), Err(Refusal::HeadTooLong));
    assert_eq!(outcome(&head(161)[..159]), Ok(None));
}

#[test]
fn refusals_have_their_statuses() {
    let status = |text: String| refusal(text).status();
    let long = "x".repeat(17 << 10);
    assert_eq!(status(format!("GET /{long} HTTP/1.1\r\n\r\n")), 414);
    assert_eq!(status(with("GET", &format!("X: {long}\r\n"))), 400);
    assert_eq!(
        status(with("GET", &format!("X: {}\r\n", &long[..16000]).repeat(5))),
        400
    );
    assert_eq!(status(with("GET", &"X: y\r\n".repeat(100))), 431);
    assert_eq!(status(with("GET", "Expect: miracles\r\n")), 417);
    assert_eq!(status(with("GET", "Transfer-Encoding: gzip\r\n")), 501);
    assert_eq!(status("GET / HTTP/2.0\r\n\r\n".into()), 505);
    assert_eq!(status("GET / HTTP/1.2\r\n\r\n".into()), 400);
    assert_eq!(
        status(with(
            "GET",
            &format!("X-Forwarded-For: {}\r\n", ",".repeat(30))
        )),
        463
    );
    assert_eq!(
        refusal(with("GET", "Content-Length: x\r\n")).reason(),
        Some(Reason::BadContentLength)
    );
    assert_eq!(
        refusal("GET / HTTP/1.2\r\n\r\n").classification(),
        Some(Classification::Severe)
    );
    assert_eq!(refusal(with("GET", "Expect: x\r\n")).classification(), None);
}

#[test]
fn next_request_starts_afresh() {
    let first = with(
        "POST",
        "Content-Length: 3\r\nConnection: close, x\r\nX: y\r\nExpect: 100-continue\r\nTE: trailers\r\nTransfer_Encoding: x\r\n",
    );
    let second = with("GET", "X: y\r\n");
    let mut head = RequestHead::new();
    let limits = HeadLimits::default();
    assert_eq!(head.parse(first.as_bytes(), &limits), Ok(Some(first.len())));
    for _ in 0..2 {
        assert_eq!(
            head.parse(second.as_bytes(), &limits),
            Ok(Some(second.len()))
        );
        assert_eq!(
            summary(&head, second.as_bytes()),
            summary(&whole(&second), second.as_bytes())
        );
        assert_eq!(head.parse(b"\x16", &limits), Err(Refusal::Method));
    }
}

proptest! {
    #![proptest_config(samples::config())]

    #[test]
    fn splits_change_nothing(text in samples::request_heads(), cuts in samples::cuts()) {
        properties::request(&text, &samples::ends(&cuts, text.len()));
    }

    #[test]
    fn any_bytes_are_survived(text in proptest::collection::vec(any::<u8>(), 0..200)) {
        properties::request(&text, &[text.len()]);
    }
}
