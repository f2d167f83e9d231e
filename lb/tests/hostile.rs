//! Answers that are made to be read in two ways, each with a second answer smuggled in behind
//! it. Nobody ever gets that one: not the client that asked, not the next one.

use std::sync::Arc;

use crate::harness::{Client, Lb, Target, get, wait_for};

const POISON: &str = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison";

/// What the client gets.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    /// The balancer's own 502.
    Refused,
    /// A clean answer with this status and body.
    Whole(u16, &'static str),
    /// An answer that breaks off, and can be seen to.
    Cut,
}
use Fate::{Cut, Refused, Whole};

struct Fixture {
    _target: Target,
    lb: Lb,
    number: std::cell::Cell<usize>,
}

impl Fixture {
    /// The target answers `/attack/N` with the answer of that number, all else honestly.
    async fn start(answers: &[Vec<u8>]) -> Self {
        let answers: Arc<[Vec<u8>]> = answers.into();
        let target = Target::scripted(move |mut conn, mut head| {
            let answers = Arc::clone(&answers);
            async move {
                loop {
                    let path = head.split(' ').nth(1)?.to_owned();
                    match path.strip_prefix("/attack/") {
                        Some(number) => {
                            let number: usize = number.parse().unwrap();
                            conn.write(&answers[number]).await?;
                            if answers[number].ends_with(b"poison") {
                                // What comes here now would be answered with it.
                                conn.until_closed().await;
                            }
                            return Some(());
                        }
                        None => conn.answer(200, &format!("honest {path}")).await?,
                    }
                    head = conn.head().await?;
                }
            }
        })
        .await;
        let lb = Lb::start(&[&target]).await;
        // Answers that fail must not make the only target look bad to its judges.
        lb.apply(|snapshot| snapshot.target_groups[0].attributes.anomaly_mitigation = false)
            .await;
        Self {
            _target: target,
            lb,
            number: Default::default(),
        }
    }

    /// Asks for the next answer, with canaries behind it and beside it.
    async fn try_next(&self, method: &str, fate: Fate) {
        let number = self.number.replace(self.number.get() + 1);
        let mut client = self.lb.connect().await;
        let attack = format!("{method} /attack/{number} HTTP/1.1\r\nHost: a\r\n\r\n");
        client.send(attack + &get("/canary")).await;
        let reply = final_reply(&mut client, method != "HEAD").await;
        match (fate, reply) {
            (Cut, None) => {}
            (Refused, Some(reply)) => assert_eq!(reply.status, 502, "{number} {reply:?}"),
            (Whole(status, body), Some(reply)) => {
                let seen = (reply.status, reply.text());
                assert_eq!(seen, (status, body), "{number}");
            }
            (fate, reply) => panic!("{number} {fate:?} {reply:?}"),
        }
        if let Some(canary) = client.try_reply(true).await {
            assert_eq!(canary.text(), "honest /canary", "{number}");
        }
        assert_eq!(
            self.lb.get("/next").await.text(),
            "honest /next",
            "{number}"
        );
        drop(client);
        self.lb.until_idle().await;
    }
}

async fn final_reply(client: &mut Client, has_body: bool) -> Option<crate::harness::Reply> {
    loop {
        let reply = client.try_reply(has_body).await?;
        if reply.status >= 200 {
            return Some(reply);
        }
    }
}

async fn try_all(answers: &[(&str, Fate)]) {
    let poisoned = |(answer, _): &(&str, Fate)| [answer.as_bytes(), POISON.as_bytes()].concat();
    let fixture = Fixture::start(&answers.iter().map(poisoned).collect::<Vec<_>>()).await;
    for (_, fate) in answers {
        fixture.try_next("GET", *fate).await;
    }
}

#[tokio::test]
async fn second_answer_behind_the_first_goes_nowhere() {
    try_all(&[
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", Whole(200, "ok")),
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", Whole(200, "")),
        ("HTTP/1.1 204 No\r\n\r\n", Whole(204, "")),
        ("HTTP/1.1 304 No\r\n\r\n", Whole(304, "")),
        ("HTTP/1.1 304 No\r\nContent-Length: 90\r\n\r\n", Whole(304, "")),
        ("HTTP/1.1 204 No\r\nContent-Length: 2\r\n\r\nok", Whole(204, "")),
        (
            "HTTP/1.1 204 No\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            Whole(204, ""),
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            Whole(200, "ok"),
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\n\r\n",
            Whole(200, ""),
        ),
        ("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok", Whole(200, "ok")),
        (
            "HTTP/1.1 103 Hints\r\nContent-Length: 2\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
            Whole(200, "ok"),
        ),
    ])
    .await;
}

#[tokio::test]
async fn answers_with_two_lengths_are_read_once_or_refused() {
    let chunked = "2\r\nok\r\n0\r\n\r\n";
    let both = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: 99\r\nTransfer-Encoding: chunked\r\n\r\n{chunked}"
    );
    let coded = |fields: &str| format!("HTTP/1.1 200 OK\r\n{fields}\r\n{chunked}");
    let sized = |fields: &str| format!("HTTP/1.1 200 OK\r\n{fields}\r\nok");
    let cases: Vec<(String, Fate)> = vec![
        (both, Whole(200, "ok")),
        (
            coded("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
            Refused,
        ),
        (coded("Transfer-Encoding: identity, chunked\r\n"), Refused),
        (coded("Transfer-Encoding: gzip, chunked\r\n"), Refused),
        (coded("Transfer-Encoding: xchunked\r\n"), Refused),
        (coded("Transfer-Encoding: \r\n"), Refused),
        (coded("Transfer-Encoding : chunked\r\n"), Refused),
        (coded("Transfer-Encoding:\r\n chunked\r\n"), Refused),
        (sized("Content-Length: 2, 2\r\n"), Whole(200, "ok")),
        (
            sized("Content-Length: 2\r\nContent-Length: 2\r\n"),
            Whole(200, "ok"),
        ),
        (sized("Content-Length: 2, 3\r\n"), Refused),
        (sized("Content-Length: 2\r\nContent-Length: 3\r\n"), Refused),
        (sized("Content-Length: +2\r\n"), Refused),
        (sized("Content-Length: -2\r\n"), Refused),
        (sized("Content-Length: 0x2\r\n"), Refused),
        (sized("Content-Length:\r\n"), Refused),
        (sized("Content-Length: 18446744073709551618\r\n"), Refused),
        (
            sized("Content-Length: 2\r\nTransfer_Encoding: chunked\r\n"),
            Whole(200, "ok"),
        ),
        (
            "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n".into(),
            Refused,
        ),
    ];
    let cases: Vec<_> = cases
        .iter()
        .map(|(text, fate)| (text.as_str(), *fate))
        .collect();
    try_all(&cases).await;
}

#[tokio::test]
async fn answers_without_one_reading_are_refused() {
    let with = |field: &str| format!("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n{field}\r\n\r\nok");
    let mut cases: Vec<String> = [
        "X: a\rSet-Cookie: b",
        "X: a\0",
        "X: a\r\n b",
        " X: a",
        "X : a",
        "X",
        ": a",
        "(: a",
        "\u{e9}: a",
    ]
    .map(with)
    .into();
    cases.push(with(&format!("X: {}", "x".repeat(20 << 10))));
    cases.push(with(&format!("X: {}\r\n", "x".repeat(15 << 10)).repeat(5)));
    cases.push(with(&"X: y\r\n".repeat(101)));
    cases.extend(
        [
            "HTTP/1.1 000 No",
            "HTTP/1.1 099 No",
            "HTTP/1.1 999 No",
            "HTTP/1.1 2000 No",
            "HTTP/1.1 2x0 No",
            "HTTP/1.1  200 No",
            "HTTP/1.1",
            "HTTP/1.2 200 OK",
            "HTTP/2.0 200 OK",
            "HTTP/2 200",
            "http/1.1 200 OK",
            "ICY 200 OK",
            "<html>",
            "HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: websocket",
            "HTTP/1.1 101 Switching",
        ]
        .map(|line| format!("{line}\r\nContent-Length: 2\r\n\r\nok")),
    );
    let cases: Vec<_> = cases.iter().map(|text| (text.as_str(), Refused)).collect();
    try_all(&cases).await;
}

#[tokio::test]
async fn broken_bodies_are_seen_to_break() {
    let chunked =
        |body: &str| format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
    let bodies = [
        "2\nok\r\n0\r\n\r\n",
        "2\r\nok\n0\r\n\r\n",
        "2\r\nokk\r\n0\r\n\r\n",
        "0x2\r\nok\r\n0\r\n\r\n",
        "+2\r\nok\r\n0\r\n\r\n",
        "2_\r\nok\r\n0\r\n\r\n",
        "\r\nok\r\n0\r\n\r\n",
        "10000000000000002\r\nok\r\n0\r\n\r\n",
        "2;x\nok\r\n0\r\n\r\n",
        "2\r\nok\r\n0\r\nHTTP/1.1 200 OK\r\n\r\n",
        "2\r\nok\r\n0\r\n: x\r\n\r\n",
        "2\r\nok\r\n0\r\nX: y\r\n z\r\n\r\n",
    ]
    .map(chunked);
    let cases: Vec<_> = bodies.iter().map(|text| (text.as_str(), Cut)).collect();
    try_all(&cases).await;
}

/// The target closes where it should go on: nothing of it is presented as whole.
#[tokio::test]
async fn ends_within_an_answer_are_no_ends() {
    let cases = [
        ("", Refused),
        ("HTTP/1.1 200", Refused),
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n", Refused),
        ("HTTP/1.1 103 Hints\r\n\r\n", Refused),
        ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 2", Refused),
        ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok", Cut),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", Cut),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\no",
            Cut,
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n",
            Cut,
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n",
            Cut,
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX: y\r\n",
            Cut,
        ),
        // This one does end with its connection.
        ("HTTP/1.1 200 OK\r\n\r\nok", Whole(200, "ok")),
        ("HTTP/1.0 200 OK\r\n\r\nok", Whole(200, "ok")),
        (
            "HTTP/1.1 200 OK\r\nContent_Length: 1\r\n\r\nok",
            Whole(200, "ok"),
        ),
    ];
    let answers: Vec<_> = cases
        .iter()
        .map(|(text, _)| text.as_bytes().to_vec())
        .collect();
    let fixture = Fixture::start(&answers).await;
    for (_, fate) in cases {
        fixture.try_next("GET", fate).await;
    }
}

#[tokio::test]
async fn body_that_head_did_not_ask_for_goes_nowhere() {
    let answers = [
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        "HTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\nok",
    ];
    let poisoned = answers.map(|answer| [answer.as_bytes(), POISON.as_bytes()].concat());
    let fixture = Fixture::start(&poisoned).await;
    for status in [200, 200, 404] {
        fixture.try_next("HEAD", Whole(status, "")).await;
    }
}

/// CL.0 at the target: it takes a body for a request and answers that too, a moment later.
#[tokio::test]
async fn answer_nobody_asked_for_ends_an_idle_connection() {
    let target = Target::scripted(|mut conn, mut head| async move {
        if !head.starts_with("POST") {
            return conn.answer(200, "honest").await;
        }
        loop {
            let reply = if head.starts_with("GET /smuggled") {
                "poison"
            } else {
                "first"
            };
            conn.answer(200, reply).await?;
            head = conn.head().await?;
        }
    })
    .await;
    let lb = Lb::start(&[&target]).await;
    let inner = "GET /smuggled HTTP/1.1\r\nHost: b\r\n\r\n";
    let attack = format!(
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{inner}",
        inner.len()
    );
    let mut client = lb.connect().await;
    client.send(attack).await;
    assert_eq!(client.reply().await.text(), "first");
    wait_for("the target has answered twice", || target.requests() == 2).await;
    for _ in 0..10 {
        assert_eq!(lb.get("/").await.text(), "honest");
    }
}

#[tokio::test]
async fn interim_answers_are_bounded() {
    let target = Target::scripted(|mut conn, head| async move {
        let hint = format!("HTTP/1.1 103 Hints\r\nLink: {}\r\n\r\n", "x".repeat(1000));
        let count = if head.contains("/few") {
            10
        } else {
            usize::MAX
        };
        for _ in 0..count {
            conn.write(&hint).await?;
        }
        conn.answer(200, "at last").await
    })
    .await;
    let lb = Lb::start(&[&target]).await;
    let few = async {
        let mut client = lb.connect().await;
        client.send(&get("/few")).await;
        final_reply(&mut client, true).await.unwrap()
    };
    assert_eq!(few.await.text(), "at last");
    let mut client = lb.connect().await;
    client.send(&get("/endless")).await;
    let reply = final_reply(&mut client, true).await.unwrap();
    assert_eq!(reply.status, 502);
    lb.until_idle().await;
}
