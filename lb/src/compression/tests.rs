use super::*;
use crate::http1::HeadLimits;

const LIMITS: HeadLimits = HeadLimits {
    head: 65536,
    fields: 100,
    request_line: 16384,
    field: 16384,
};

fn wish(takes_gzip: bool) -> Wish {
    Wish {
        min_bytes: 1000,
        level: 5,
        takes_gzip,
    }
}

fn judged(wish: Wish, response: &str, to_head: bool, is_framed: bool) -> Coding {
    let mut head = ResponseHead::new();
    let parsed = head.parse(response.as_bytes(), &LIMITS, to_head);
    assert_eq!(parsed, Ok(Some(response.len())), "{response}");
    wish.judge(&head, response.as_bytes(), is_framed)
}

fn coding(status: u16, fields: &str) -> Coding {
    let response = format!("HTTP/1.1 {status} S\r\n{fields}\r\n");
    judged(wish(true), &response, false, true)
}

#[test]
fn gzip_is_preferred_as_weights_say() {
    let cases: [(&[&str], bool); 27] = [
        (&[], false),
        (&[""], false),
        (&["gzip"], true),
        (&["GZip"], true),
        (&["x-gzip"], true),
        (&["deflate, gzip, br"], true),
        (&["deflate", "br ,gzip"], true),
        (&["deflate, br, zstd"], false),
        (&["gzipped"], false),
        (&["gzip;q=0"], false),
        (&["gzip;q=0.000"], false),
        (&["gzip ; q=0.001"], true),
        (&["gzip;Q=1"], true),
        (&["gzip;q=0, *"], false),
        (&["*"], true),
        (&["*;q=0"], false),
        (&["br, *;q=0.1"], true),
        (&["identity"], false),
        (&["identity, gzip"], true),
        (&["identity;q=0, gzip;q=0.1"], true),
        (&["identity;q=0"], false),
        (&["identity;q=0, *"], true),
        (&["identity, gzip;q=0.5"], false),
        (&["gzip;q=0.5, *"], false),
        (&["gzip;q=2"], false),
        (&["gzip;q=0.1234"], false),
        (&["gzip;level=9"], false),
    ];
    for (fields, expected) in cases {
        let fields = fields.iter().map(|field| field.as_bytes());
        let text: Vec<_> = fields.clone().map(str::from_utf8).collect();
        assert_eq!(prefers_gzip(fields), expected, "{text:?}");
    }
}

#[test]
fn weights_are_read_to_a_thousandth() {
    for (text, expected) in [
        ("0", Some(0)),
        ("0.", Some(0)),
        ("1", Some(1000)),
        ("1.000", Some(1000)),
        ("0.5", Some(500)),
        ("0.05", Some(50)),
        ("0.123", Some(123)),
        ("1.001", Some(1000)),
        ("", None),
        (".5", None),
        ("0.x", None),
        ("0.1x", None),
        ("-1", None),
        ("0,5", None),
    ] {
        assert_eq!(thousandths(text.as_bytes()), expected, "{text:?}");
    }
}

#[test]
fn text_is_compressed_and_images_are_not() {
    for kind in [
        "text/html; charset=utf-8",
        "TEXT/PLAIN",
        "text/event-stream",
        "application/json",
        "application/json;v=1",
        "application/problem+json",
        "application/javascript ; x",
        "application/wasm",
        "application/xhtml+xml",
        "image/svg+xml",
    ] {
        let fields = format!("Content-Type: {kind}\r\n");
        assert_eq!(coding(200, &fields), Coding::Gzip, "{kind}");
    }
    for kind in [
        "image/png",
        "video/mp4",
        "application/zip",
        "application/octet-stream",
        "application/jsonx",
        "+jso",
        "text",
        "",
    ] {
        let fields = format!("Content-Type: {kind}\r\n");
        assert_eq!(coding(200, &fields), Coding::AsIs, "{kind}");
    }
    assert_eq!(coding(200, ""), Coding::AsIs, "of no type");
}

#[test]
fn short_coded_partial_and_protected_responses_are_left_alone() {
    const TEXT: &str = "Content-Type: text/css\r\n";
    for (status, fields, expected) in [
        (200, "Content-Length: 999\r\n", Coding::AsIs),
        (200, "Content-Length: 1000\r\n", Coding::Gzip),
        (200, "Transfer-Encoding: chunked\r\n", Coding::Gzip),
        (200, "Content-Encoding: br\r\n", Coding::AsIs),
        (200, "Content-Encoding: identity\r\n", Coding::AsIs),
        (200, "Content-Range: bytes 0-1/2\r\n", Coding::AsIs),
        (200, "Content-Digest: sha-256=:x:\r\n", Coding::AsIs),
        (200, "Content-MD5: x\r\n", Coding::AsIs),
        (200, "Cache-Control: no-cache\r\n", Coding::Gzip),
        (200, "Cache-Control: public, No-Transform\r\n", Coding::AsIs),
        (
            200,
            "Cache-Control: public\r\nCache-Control: no-transform\r\n",
            Coding::AsIs,
        ),
        (201, "", Coding::Gzip),
        (204, "", Coding::AsIs),
        (205, "", Coding::AsIs),
        (206, "", Coding::AsIs),
        (302, "", Coding::AsIs),
        (304, "", Coding::Revalidated),
        (404, "", Coding::AsIs),
        (500, "", Coding::AsIs),
    ] {
        assert_eq!(
            coding(status, &format!("{TEXT}{fields}")),
            expected,
            "{status} {fields}"
        );
    }
    assert_eq!(
        coding(304, ""),
        Coding::Revalidated,
        "of a type the client knows"
    );
    assert_eq!(coding(304, "Content-Type: image/png\r\n"), Coding::AsIs);
    let all = Wish {
        min_bytes: 0,
        ..wish(true)
    };
    let empty = "HTTP/1.1 200 S\r\nContent-Type: text/css\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(judged(all, empty, false, true), Coding::AsIs, "nothing");
}

#[test]
fn head_is_judged_as_get() {
    for length in ["Content-Length: 999\r\n", "Content-Length: 5000\r\n", ""] {
        let response = format!("HTTP/1.1 200 S\r\nContent-Type: text/css\r\n{length}\r\n");
        assert_eq!(
            judged(wish(true), &response, true, true),
            judged(wish(true), &response, false, true),
            "{length}"
        );
    }
}

#[test]
fn response_varies_for_those_who_get_it_plain() {
    let response = "HTTP/1.1 200 S\r\nContent-Type: text/css\r\n\r\n";
    assert_eq!(judged(wish(false), response, false, true), Coding::Varies);
    assert_eq!(
        judged(wish(true), response, false, false),
        Coding::Varies,
        "HTTP/1.0"
    );
    let small = "HTTP/1.1 200 S\r\nContent-Type: text/css\r\nContent-Length: 9\r\n\r\n";
    assert_eq!(judged(wish(false), small, false, true), Coding::AsIs);
}
