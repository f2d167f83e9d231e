use proptest::prelude::*;
use rand::{SeedableRng, rngs::SmallRng};

use super::*;
use crate::http1::{HeadLimits, samples};

const LIMITS: HeadLimits = HeadLimits {
    head: 65536,
    fields: 100,
    request_line: 16384,
    field: 16384,
};

/// The request as a target gets it, without the trace id.
fn forwarded(request: &str, change: impl FnOnce(&mut Via<'_>)) -> String {
    let mut head = RequestHead::new();
    head.parse(request.as_bytes(), &LIMITS).unwrap().unwrap();
    let trace_id = TraceId::new(None, 0, &mut SmallRng::seed_from_u64(1));
    let mut via = Via {
        client: "10.0.0.9",
        port: 8080,
        is_trusted: false,
        xff: XffHeaderProcessingMode::Append,
        trace_id: &trace_id,
    };
    change(&mut via);
    let mut out = Vec::new();
    let rewritten = Rewritten::default();
    put_request(
        &mut out,
        request.as_bytes(),
        &head,
        &via,
        &rewritten,
        "local",
    );
    let out = String::from_utf8(out).unwrap();
    let (head, trace) = out.rsplit_once("X-Amzn-Trace-Id: ").unwrap();
    assert!(trace.starts_with("Root=1-00000000-") && trace.ends_with("\r\n\r\n"));
    head.to_owned()
}

#[test]
fn request_loses_hop_by_hop_and_gains_ours() {
    let request = "POST /p?q HTTP/1.1\r\nhost: a\r\nconnection: keep-alive, X-Secret, x-forwarded-for\r\n\
        connection: host\r\nx-secret: 1\r\nx-forwarded-for: 6.6.6.6\r\nx-forwarded-proto: https\r\n\
        keep-alive: timeout=5\r\nproxy-connection: keep-alive\r\nproxy-authorization: Basic x\r\n\
        proxy: http://evil\r\ntransfer-encoding: chunked\r\nte: trailers, deflate\r\nupgrade: h2c\r\n\
        http2-settings: AAMAAABkAAQAoAAAAAIAAAAA\r\nAccept: */*\r\n\r\n";
    let expected = "POST /p?q HTTP/1.1\r\nHost: a\r\nAccept: */*\r\nTransfer-Encoding: chunked\r\n\
        TE: trailers\r\nX-Forwarded-For: 10.0.0.9\r\nX-Forwarded-Proto: http\r\n\
        X-Forwarded-Port: 8080\r\n";
    assert_eq!(forwarded(request, |_| ()), expected);
}

#[test]
fn forwarding_fields_are_believed_from_trusted_peers_only() {
    let request = "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 1.1.1.1\r\nX-Forwarded-Proto: https\r\n\
        X-Forwarded-Port: 443\r\nX-Forwarded-Host: b\r\nForwarded: for=1.1.1.1\r\n\
        X-Forwarded-For: 2.2.2.2, 3.3.3.3\r\n\r\n";
    let distrusted = forwarded(request, |_| ());
    assert_eq!(
        distrusted,
        "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 10.0.0.9\r\nX-Forwarded-Proto: http\r\n\
         X-Forwarded-Port: 8080\r\n"
    );
    let trusted = forwarded(request, |via| via.is_trusted = true);
    assert_eq!(
        trusted,
        "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Port: 443\r\n\
         X-Forwarded-Host: b\r\nForwarded: for=1.1.1.1\r\n\
         X-Forwarded-For: 1.1.1.1, 2.2.2.2, 3.3.3.3, 10.0.0.9\r\n"
    );
}

#[test]
fn forwarded_for_modes_apply() {
    use XffHeaderProcessingMode::{Preserve, Remove};
    let request = "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 1.1.1.1\r\n\r\n";
    for (mode, is_trusted, expected) in [
        (Preserve, true, Some("1.1.1.1")),
        (Preserve, false, Some("10.0.0.9")),
        (Remove, true, None),
    ] {
        let out = forwarded(request, |via| {
            via.xff = mode;
            via.is_trusted = is_trusted;
        });
        let found = out.split("X-Forwarded-For: ").nth(1);
        assert_eq!(
            found.map(|rest| rest.split("\r\n").next().unwrap()),
            expected
        );
    }
}

#[test]
fn client_address_is_the_last_untrusted_hop() {
    let trusted = |address: IpAddr| address.to_string().starts_with("10.");
    let cases = [
        ("", "10.0.0.1", "10.0.0.1"),
        ("1.1.1.1, 2.2.2.2", "10.0.0.1", "2.2.2.2"),
        ("1.1.1.1, 10.0.0.2", "10.0.0.1", "1.1.1.1"),
        ("1.1.1.1", "9.9.9.9", "9.9.9.9"),
        ("garbage, 10.0.0.2", "10.0.0.1", "10.0.0.2"),
    ];
    for (told, peer, expected) in cases {
        let request = format!("GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: {told}\r\n\r\n");
        let mut head = RequestHead::new();
        head.parse(request.as_bytes(), &LIMITS).unwrap().unwrap();
        let found = client_address(request.as_bytes(), &head, peer.parse().unwrap(), trusted);
        assert_eq!(found.to_string(), expected, "{told} from {peer}");
    }
}

#[test]
fn upgrade_survives_when_asked() {
    let out = forwarded(
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        |_| (),
    );
    assert!(
        out.contains("\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"),
        "{out}"
    );
}

#[test]
fn target_takes_origin_form() {
    for (target, expected) in [
        ("http://b:81/p?q=1", "GET /p?q=1 HTTP/1.1\r\nHost: b:81\r\n"),
        ("http://b?q", "GET /?q HTTP/1.1\r\nHost: b\r\n"),
        ("/p", "GET /p HTTP/1.1\r\nHost: a\r\n"),
    ] {
        let out = forwarded(&format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"), |_| ());
        assert!(out.starts_with(expected), "{out}");
    }
    let old = forwarded("GET / HTTP/1.0\r\n\r\n", |_| ());
    assert!(
        old.starts_with("GET / HTTP/1.1\r\nHost: local\r\n"),
        "{old}"
    );
}

#[test]
fn response_loses_hop_by_hop_in_this_direction_too() {
    let response = "HTTP/1.1 203 Odd Words\r\nConnection: X-Internal, close\r\nX-Internal: 1\r\n\
        Keep-Alive: timeout=5\r\nProxy-Authenticate: Basic\r\nContent-Length: 2\r\nETag: e\r\n\r\n";
    let mut head = ResponseHead::new();
    head.parse(response.as_bytes(), &LIMITS, false)
        .unwrap()
        .unwrap();
    let cases = [
        (
            OutboundLength::Length(2),
            ConnectionOption::Kept,
            "Content-Length: 2\r\n",
        ),
        (
            OutboundLength::Chunked,
            ConnectionOption::Kept,
            "Transfer-Encoding: chunked\r\n",
        ),
        (
            OutboundLength::UntilClose,
            ConnectionOption::Close,
            "Connection: close\r\n",
        ),
        (
            OutboundLength::None,
            ConnectionOption::KeepAlive,
            "Content-Length: 2\r\nConnection: keep-alive\r\n",
        ),
    ];
    for (body, connection, expected) in cases {
        let mut out = Vec::new();
        put_response(
            &mut out,
            response.as_bytes(),
            &head,
            &Framing {
                body,
                coding: Coding::AsIs,
                connection,
            },
        );
        let out = String::from_utf8(out).unwrap();
        assert_eq!(
            out,
            format!("HTTP/1.1 203 Odd Words\r\nETag: e\r\n{expected}")
        );
    }
}

proptest! {
    #![proptest_config(samples::config())]

    #[test]
    fn targets_read_what_was_read(bytes in samples::request_heads()) {
        properties::request(&bytes);
    }

    #[test]
    fn clients_read_what_was_read(bytes in samples::response_heads(), to_head: bool) {
        properties::response(&bytes, to_head);
    }
}
