//! Requests that are made to be read in two ways, each with an innocent one pipelined behind
//! it: a canary. It is answered for what it is or not at all, never as a part of the attack.

use minicloud_lb_api::DesyncMitigationMode;

use crate::harness::{Lb, Received, Record, Reply, Target};

const CANARY: &str = "GET /canary HTTP/1.1\r\nHost: canary\r\n\r\n";

/// What becomes of a request and of the canary behind it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    /// Answered by the balancer, which then closes; the target sees no whole request.
    Refused(u16),
    /// Forwarded in one clean reading with this body; both connections then end.
    Last(&'static str),
    /// The same, and the canary is served after it.
    Served(&'static str),
}
use Fate::{Last, Refused, Served};

struct Fixture {
    record: Record,
    _target: Target,
    lb: Lb,
}

impl Fixture {
    async fn start(mode: DesyncMitigationMode) -> Self {
        let record = Record::default();
        let target = record.target().await;
        let lb = Lb::start(&[&target]).await;
        lb.apply(|snapshot| snapshot.listeners[0].attributes.desync_mitigation_mode = mode)
            .await;
        Self {
            record,
            _target: target,
            lb,
        }
    }

    /// Sends `attack` and the canary in one go; returns what the target has of the attack.
    async fn try_attack(&self, attack: &[u8], fate: Fate) -> Option<Received> {
        let name = String::from_utf8_lossy(attack).into_owned();
        let mut client = self.lb.connect().await;
        client.send([attack, CANARY.as_bytes()].concat()).await;
        let reply = final_reply(&mut client).await;
        let is_canary_answered = match fate {
            Served(_) => {
                let canary = client.reply().await;
                assert_eq!(
                    (canary.status, canary.text()),
                    (200, "GET /canary HTTP/1.1"),
                    "{name:?}"
                );
                true
            }
            _ => {
                assert!(client.is_closed().await, "{name:?}: {reply:?}");
                false
            }
        };
        drop(client);
        self.lb.until_idle().await;
        let (bytes, mut requests) = self.record.take();
        let seen = String::from_utf8_lossy(&bytes);
        assert_eq!(
            seen.matches("canary HTTP/1.1").count(),
            usize::from(is_canary_answered),
            "{name:?} arrived as {seen:?}"
        );
        if is_canary_answered {
            let canary = requests.pop().expect("the canary arrived");
            assert_eq!(canary.line(), "GET /canary HTTP/1.1", "{name:?}");
            assert!(canary.body.is_empty(), "{name:?}");
        }
        match fate {
            Refused(status) => {
                assert_eq!(reply.status, status, "{name:?}");
                assert!(requests.is_empty(), "{name:?} arrived as {seen:?}");
                None
            }
            Last(body) | Served(body) => {
                assert_eq!(reply.status, 200, "{name:?}");
                assert_eq!(requests.len(), 1, "{name:?} arrived as {seen:?}");
                let request = requests.remove(0);
                assert_eq!(reply.text(), request.line(), "{name:?}");
                assert_eq!(String::from_utf8_lossy(&request.body), body, "{name:?}");
                Some(request)
            }
        }
    }

    async fn try_all(&self, attacks: &[(&[u8], Fate)]) {
        for (attack, fate) in attacks {
            self.try_attack(attack, *fate).await;
        }
    }

    async fn try_fields(&self, method: &str, attacks: &[(&str, &str, Fate)]) {
        for (fields, body, fate) in attacks {
            let attack = format!("{method} /attack HTTP/1.1\r\nHost: a\r\n{fields}\r\n{body}");
            self.try_attack(attack.as_bytes(), *fate).await;
        }
    }
}

async fn final_reply(client: &mut crate::harness::Client) -> Reply {
    loop {
        let reply = client.reply().await;
        if reply.status != 100 {
            return reply;
        }
    }
}

async fn defensive() -> Fixture {
    Fixture::start(DesyncMitigationMode::Defensive).await
}

#[tokio::test]
async fn length_beside_coding_reaches_no_canary() {
    let lengths = "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n";
    let codings = "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n";
    let inner = "2d\r\nPOST /inner HTTP/1.1\r\nContent-Length: 15\r\n\r\nx\r\n0\r\n\r\n";
    let inner_body = "POST /inner HTTP/1.1\r\nContent-Length: 15\r\n\r\nx";
    let both = [
        // CL.TE: who goes by the length leaves the `G` in front of the canary.
        (lengths, "0\r\n\r\nG", Last("")),
        // TE.CL: who goes by the length takes the chunk for a request.
        (codings, inner, Last(inner_body)),
        // TE.TE: one of the two is hidden from somebody.
        (
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            "0\r\n\r\n",
            Refused(400),
        ),
        (
            "Transfer-Encoding: chunked\r\nTransfer-encoding: x\r\n",
            "0\r\n\r\n",
            Refused(501),
        ),
        (
            "Transfer-Encoding: identity, chunked\r\n",
            "0\r\n\r\n",
            Refused(400),
        ),
        (
            "Transfer-Encoding: chunked, identity\r\n",
            "0\r\n\r\n",
            Refused(400),
        ),
        ("Transfer-Encoding: identity\r\n", "", Refused(400)),
        (
            "Transfer-Encoding: gzip, chunked\r\n",
            "0\r\n\r\n",
            Refused(501),
        ),
        ("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n", Refused(501)),
        ("Transfer-Encoding:\r\n", "0\r\n\r\n", Refused(400)),
        ("Transfer-Encoding : chunked\r\n", "0\r\n\r\n", Refused(400)),
        (
            "Transfer-Encoding\t: chunked\r\n",
            "0\r\n\r\n",
            Refused(400),
        ),
        (" Transfer-Encoding: chunked\r\n", "0\r\n\r\n", Refused(400)),
        (
            "Transfer-Encoding:\r\n chunked\r\n",
            "0\r\n\r\n",
            Refused(400),
        ),
        ("X: y\r\n Transfer-Encoding: chunked\r\n", "", Refused(400)),
        (
            "Transfer-Encoding: \x0bchunked\r\n",
            "0\r\n\r\n",
            Refused(400),
        ),
        (
            "Transfer-Encoding: chunked\r\nContent-Length: x\r\n",
            "0\r\n\r\n",
            Refused(400),
        ),
        // A look-alike is dropped: what is left has one reading.
        ("Transfer_Encoding: chunked\r\n", "", Last("")),
        (
            "Transfer_Encoding: chunked\r\nContent-Length: 5\r\n",
            "0\r\n\r\n",
            Refused(400),
        ),
    ];
    defensive().await.try_fields("POST", &both).await;
}

#[tokio::test]
async fn lengths_are_one_number_or_refused() {
    let padded = format!(
        "Content-Length0{}:\r\nContent-Length: 5\r\n",
        "a".repeat(300)
    );
    let lengths = [
        (
            "Content-Length: 3\r\nContent-Length: 3\r\n",
            "abc",
            Last("abc"),
        ),
        (
            "Content-Length: 3\r\nContent-Length: 4\r\n",
            "abcd",
            Refused(400),
        ),
        ("Content-Length: 3, 3\r\n", "abc", Refused(400)),
        ("Content-Length: +3\r\n", "abc", Refused(400)),
        ("Content-Length: -3\r\n", "abc", Refused(400)),
        ("Content-Length: 0x3\r\n", "abc", Refused(400)),
        ("Content-Length: 3 0\r\n", "abc", Refused(400)),
        ("Content-Length: 1_0\r\n", "abc", Refused(400)),
        ("Content-Length: 3;x\r\n", "abc", Refused(400)),
        // CVE-2023-40225
        ("Content-Length:\r\n", "abc", Refused(400)),
        (
            "Content-Length: 3\r\nContent-Length:\r\n",
            "abc",
            Refused(400),
        ),
        (
            "Content-Length: 18446744073709551619\r\n",
            "abc",
            Refused(400),
        ),
        ("Content-Length : 3\r\n", "abc", Refused(400)),
        ("Content_Length: 3\r\n", "", Last("")),
        // CVE-2021-40346: a name so long that its length overflows a byte.
        (&padded, "hello", Served("hello")),
        ("Content-Length: 03\r\n", "abc", Served("abc")),
        // CL.0: the body is a request for who does not expect one.
        (
            "Content-Length: 35\r\n",
            "GET /smuggled HTTP/1.1\r\nHost: b\r\n\r\n",
            Served("GET /smuggled HTTP/1.1\r\nHost: b\r\n\r\n"),
        ),
    ];
    defensive().await.try_fields("POST", &lengths).await;
}

#[tokio::test]
async fn bodies_of_get_end_both_connections() {
    let bodies = [
        ("Content-Length: 3\r\n", "abc", Last("abc")),
        (
            "Transfer-Encoding: chunked\r\n",
            "3\r\nabc\r\n0\r\n\r\n",
            Last("abc"),
        ),
        ("Content-Length: 0\r\n", "", Served("")),
    ];
    defensive().await.try_fields("GET", &bodies).await;
}

#[tokio::test]
async fn chunks_have_one_reading_or_none() {
    let long = format!("1;{}\r\nx\r\n0\r\n\r\n", "e".repeat(20 << 10));
    let trailers = format!("0\r\nX: {}\r\n\r\n", "t".repeat(20 << 10));
    let bodies: Vec<(&str, Fate)> = vec![
        ("3\r\nabc\r\n0\r\n\r\n", Served("abc")),
        ("003\r\nabc\r\n00\r\n\r\n", Served("abc")),
        ("3;name=value\r\nabc\r\n0;x\r\n\r\n", Served("abc")),
        ("3;name=\"va;lue\"\r\nabc\r\n0\r\n\r\n", Served("abc")),
        ("3\nabc\r\n0\r\n\r\n", Refused(400)),
        ("3\r\nabc\n0\r\n\r\n", Refused(400)),
        ("3;x\nabc\r\n0\r\n\r\n", Refused(400)),
        ("3;x\rabc\r\n0\r\n\r\n", Refused(400)),
        ("3\r\nabcd\r\n0\r\n\r\n", Refused(400)),
        ("0x3\r\nabc\r\n0\r\n\r\n", Refused(400)),
        ("+3\r\nabc\r\n0\r\n\r\n", Refused(400)),
        ("-3\r\nabc\r\n0\r\n\r\n", Refused(400)),
        ("0_3\r\nabc\r\n0\r\n\r\n", Refused(400)),
        (" 3\r\nabc\r\n0\r\n\r\n", Refused(400)),
        ("3 x\r\nabc\r\n0\r\n\r\n", Refused(400)),
        ("\r\nabc\r\n0\r\n\r\n", Refused(400)),
        (";x\r\nabc\r\n0\r\n\r\n", Refused(400)),
        ("10000000000000003\r\nabc\r\n0\r\n\r\n", Refused(400)),
        ("fffffffffffffffff\r\nabc\r\n0\r\n\r\n", Refused(400)),
        (&long, Refused(400)),
        // Trailers that look like requests, or would frame one.
        ("0\r\nGET /smuggled HTTP/1.1\r\n\r\n", Refused(400)),
        ("0\r\n: x\r\n\r\n", Refused(400)),
        ("0\r\nX: y\n\r\n", Refused(400)),
        ("0\r\nX: y\r\n z\r\n\r\n", Refused(400)),
        (&trailers, Refused(400)),
        (
            "0\r\nContent-Length: 50\r\nHost: evil\r\nX: y\r\n\r\n",
            Served(""),
        ),
        ("0\r\nTransfer-Encoding: chunked\r\n\r\n", Served("")),
    ];
    let fixture = defensive().await;
    for (body, fate) in bodies {
        let attack =
            format!("POST /attack HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
        let seen = fixture.try_attack(attack.as_bytes(), fate).await;
        let hosts = seen.map(|seen| seen.head.matches("Host:").count());
        assert!(hosts.is_none_or(|hosts| hosts == 1), "{body:?}");
    }
}

#[tokio::test]
async fn request_lines_and_hosts_have_one_reading() {
    let attacks: &[(&[u8], Fate)] = &[
        (b"GET /attack\r\n\r\n", Refused(400)),
        (b"GET /attack HTTP/0.9\r\nHost: a\r\n\r\n", Refused(505)),
        (b"GET /attack HTTP/1.2\r\nHost: a\r\n\r\n", Refused(400)),
        (b"GET /attack HTTP/2.0\r\nHost: a\r\n\r\n", Refused(505)),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Refused(505)),
        (b"GET  /attack HTTP/1.1\r\nHost: a\r\n\r\n", Refused(400)),
        (b"GET /attack  HTTP/1.1\r\nHost: a\r\n\r\n", Refused(400)),
        (b"GET /at tack HTTP/1.1\r\nHost: a\r\n\r\n", Refused(400)),
        (b"GET /a\x01 HTTP/1.1\r\nHost: a\r\n\r\n", Refused(400)),
        (b"GET /a\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n", Refused(400)),
        (b"GET /a#frag HTTP/1.1\r\nHost: a\r\n\r\n", Refused(400)),
        (b"GET a HTTP/1.1\r\nHost: a\r\n\r\n", Refused(400)),
        (b"GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n", Refused(400)),
        (b"GET * HTTP/1.1\r\nHost: a\r\n\r\n", Refused(400)),
        (b"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n", Refused(405)),
        (b"TRACE /a HTTP/1.1\r\nHost: a\r\n\r\n", Refused(405)),
        (b"GET /attack HTTP/1.1\r\n\r\n", Refused(400)),
        (
            b"GET /a HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
            Refused(400),
        ),
        (
            b"GET /a HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n",
            Refused(400),
        ),
        (b"GET /a HTTP/1.1\r\nHost: a, b\r\n\r\n", Refused(400)),
        (b"GET /a HTTP/1.1\r\nHost: a/b\r\n\r\n", Refused(400)),
        (b"GET /a HTTP/1.1\r\nHost: u@a\r\n\r\n", Refused(400)),
        (b"GET /a HTTP/1.1\r\nHost:\r\n\r\n", Refused(400)),
        (b"GET http://u@x/ HTTP/1.1\r\nHost: a\r\n\r\n", Refused(400)),
        // CVE-2023-25725
        (
            b"GET /a HTTP/1.1\r\nHost: a\r\n: x\r\nX: y\r\n\r\n",
            Refused(400),
        ),
        (
            b"GET /a HTTP/1.1\r\nHost: a\r\n(X): y\r\n\r\n",
            Refused(400),
        ),
        (
            b"GET /a HTTP/1.1\r\nHost: a\r\n\xe9: y\r\n\r\n",
            Refused(400),
        ),
        (
            b"GET /a HTTP/1.1\r\nHost: a\r\nX\0: y\r\n\r\n",
            Refused(400),
        ),
        (b"GET /a HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n", Refused(400)),
        (
            b"GET /a HTTP/1.1\r\nHost: a\r\nX: a\rY: b\r\n\r\n",
            Refused(400),
        ),
        (b"GET /a HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n", Refused(400)),
        (
            b"GET /a HTTP/1.1\r\nHost: a\r\nX: y\r\n z\r\n\r\n",
            Refused(400),
        ),
        (
            b"POST /a HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            Refused(400),
        ),
        (b"GET /a HTTP/1.0\r\nHost: a\r\n\r\n", Last("")),
        // Bare line feeds have one reading, so defensive serves them; see the modes below.
        (b"GET /a HTTP/1.1\nHost: a\n\n", Served("")),
        (
            b"GET /a HTTP/1.1\r\nHost: a\r\nX: y\nZ: z\r\n\r\n",
            Served(""),
        ),
        (b"\r\nGET /a HTTP/1.1\r\nHost: a\r\n\r\n", Served("")),
    ];
    defensive().await.try_all(attacks).await;
}

#[tokio::test]
async fn absolute_form_and_odd_paths_arrive_as_they_are_routed() {
    let fixture = defensive().await;
    let cases = [
        (
            "http://real:81/p?q",
            "GET /p?q HTTP/1.1",
            "Host: real:81\r\n",
        ),
        ("http://real", "GET / HTTP/1.1", "Host: real\r\n"),
        (
            "/a/../b//c/%2F%2e",
            "GET /a/../b//c/%2F%2e HTTP/1.1",
            "Host: a\r\n",
        ),
        ("//x/y", "GET //x/y HTTP/1.1", "Host: a\r\n"),
    ];
    for (target, line, host) in cases {
        let attack = format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
        let seen = fixture
            .try_attack(attack.as_bytes(), Served(""))
            .await
            .unwrap();
        assert_eq!(seen.line(), line);
        assert!(seen.head.contains(host), "{seen:?}");
    }
}

#[tokio::test]
async fn nothing_is_tunnelled_before_a_switch() {
    let fixture = defensive().await;
    let websocket = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
    let h2c = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n";
    let upgrades = [
        ("GET", websocket, "", Served(""), true),
        ("GET", h2c, "", Served(""), false),
        (
            "GET",
            "Connection: Upgrade\r\nUpgrade: h2c, websocket\r\n",
            "",
            Served(""),
            false,
        ),
        ("GET", "Upgrade: websocket\r\n", "", Served(""), false),
        (
            "POST",
            "Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 3\r\n",
            "abc",
            Served("abc"),
            false,
        ),
        (
            "GET",
            "Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 3\r\n",
            "abc",
            Last("abc"),
            false,
        ),
    ];
    for (method, fields, body, fate, asks) in upgrades {
        let attack = format!("{method} /attack HTTP/1.1\r\nHost: a\r\n{fields}\r\n{body}");
        let seen = fixture.try_attack(attack.as_bytes(), fate).await.unwrap();
        assert_eq!(seen.head.contains("Upgrade: websocket"), asks, "{seen:?}");
        assert!(
            !seen.head.contains("h2c") && !seen.head.contains("HTTP2"),
            "{seen:?}"
        );
    }
}

#[tokio::test]
async fn expectations_do_not_shift_the_canary() {
    let expectations = [
        (
            "Expect: 100-continue\r\nContent-Length: 4\r\n",
            "body",
            Served("body"),
        ),
        (
            "Expect: 100-Continue\r\nTransfer-Encoding: chunked\r\n",
            "4\r\nbody\r\n0\r\n\r\n",
            Served("body"),
        ),
        (
            "Expect: 100-continue, y\r\nContent-Length: 4\r\n",
            "body",
            Refused(417),
        ),
        ("Expect: y\r\nContent-Length: 4\r\n", "body", Refused(417)),
        ("Expect:\r\nContent-Length: 4\r\n", "body", Refused(417)),
        // Nothing is expected of a request without a body.
        ("Expect: 100-continue\r\n", "", Served("")),
        (
            "Expect: 100-continue\r\nContent-Length: 0\r\n",
            "",
            Served(""),
        ),
    ];
    let fixture = defensive().await;
    fixture.try_fields("POST", &expectations).await;
}

/// CVE-2022-31813, CVE-2024-45410: `Connection` names what the balancer or the target rely on.
#[tokio::test]
async fn connection_cannot_hide_what_frames_routes_or_tells_the_client() {
    let fixture = defensive().await;
    let attack = "POST /attack HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nCookie: c\r\n\
        X-Forwarded-For: 6.6.6.6\r\nForwarded: for=6.6.6.6\r\nX-Forwarded-Host: evil\r\n\
        Proxy: evil\r\nProxy-Authorization: secret\r\n\
        Connection: Host, Content-Length, X-Forwarded-For, X-Forwarded-Proto, X-Forwarded-Port, \
        X-Amzn-Trace-Id, Cookie, keep-alive\r\n\r\nbody";
    let seen = fixture
        .try_attack(attack.as_bytes(), Served("body"))
        .await
        .unwrap();
    for there in [
        "Host: a\r\n",
        "Content-Length: 4\r\n",
        "X-Forwarded-For: 127.0.0.1\r\n",
        "X-Forwarded-Proto: http\r\n",
        "X-Forwarded-Port: ",
        "X-Amzn-Trace-Id: Root=1-",
    ] {
        assert_eq!(seen.head.matches(there).count(), 1, "{there:?} in {seen:?}");
    }
    for gone in ["evil", "6.6.6.6", "secret", "Cookie", "Connection"] {
        assert!(!seen.head.contains(gone), "{gone:?} in {seen:?}");
    }
}

#[tokio::test]
async fn modes_are_as_strict_as_they_say() {
    use DesyncMitigationMode::{Defensive, Monitor, Strictest};
    let post = |fields: &str, body: &str| {
        format!("POST /attack HTTP/1.1\r\nHost: a\r\n{fields}\r\n{body}")
    };
    let compliant = post("Content-Length: 3\r\n", "abc");
    let acceptable = "GET /attack HTTP/1.1\nHost: a\r\n\r\n".to_owned();
    let ambiguous = post("Content-Length: 3\r\nContent-Length: 3\r\n", "abc");
    let both = post(
        "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
        "0\r\n\r\n",
    );
    let severe = post("Transfer_Encoding: chunked\r\nContent-Length: 3\r\n", "abc");
    let none = post("Content-Length: 3\r\nContent-Length: 4\r\n", "abcd");
    let cases = [
        (&compliant, [Served("abc"), Served("abc"), Served("abc")]),
        (&acceptable, [Served(""), Served(""), Refused(400)]),
        (&ambiguous, [Served("abc"), Last("abc"), Refused(400)]),
        // RFC 9112 6.1: the connection ends whatever the mode.
        (&both, [Last(""), Last(""), Refused(400)]),
        (&severe, [Served("abc"), Refused(400), Refused(400)]),
        (&none, [Refused(400), Refused(400), Refused(400)]),
    ];
    for (index, mode) in [Monitor, Defensive, Strictest].into_iter().enumerate() {
        let fixture = Fixture::start(mode).await;
        for (attack, fates) in &cases {
            fixture.try_attack(attack.as_bytes(), fates[index]).await;
        }
    }
}
