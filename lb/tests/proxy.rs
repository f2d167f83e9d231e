//! What is forwarded, and how.

use crate::harness::{Client, Lb, Target, get, target::field};

/// A target that answers with the request it got, head and body.
async fn mirror() -> Target {
    Target::scripted(|mut conn, mut head| async move {
        loop {
            let body = conn.read_body(&head).await?;
            let seen = format!("{head}{}", String::from_utf8(body).unwrap());
            conn.answer(200, &seen).await?;
            head = conn.head().await?;
        }
    })
    .await
}

async fn ask(lb: &Lb, request: &str) -> String {
    let mut client = lb.connect().await;
    client.send(request).await;
    let reply = client.reply().await;
    assert_eq!(reply.status, 200, "{request} {}", reply.text());
    reply.text().to_owned()
}

#[tokio::test]
async fn request_is_answered_by_a_target() {
    let target = Target::plain().await;
    let lb = Lb::start(&[&target]).await;
    let mut client = lb.connect().await;
    for _ in 0..3 {
        client.send(&get("/")).await;
        let reply = client.reply().await;
        assert_eq!(
            (reply.status, reply.text()),
            (200, target.address.to_string().as_str())
        );
    }
    lb.until_idle().await;
    assert_eq!(
        lb.metric(r#"minicloud_lb_requests_total{code="200",group="web",method="GET"}"#),
        3
    );
    lb.until_target(&target, |target| target.request_count == 3)
        .await;
    assert_eq!(target.connections(), 1, "the connection is kept");
    lb.lb.shutdown().await;
}

#[tokio::test]
async fn targets_take_turns() {
    let (a, b) = (Target::plain().await, Target::plain().await);
    let lb = Lb::start(&[&a, &b]).await;
    for _ in 0..10 {
        assert_eq!(lb.get("/").await.status, 200);
    }
    assert_eq!((a.requests(), b.requests()), (5, 5));
}

#[tokio::test]
async fn hop_by_hop_fields_are_replaced() {
    let target = mirror().await;
    let lb = Lb::start(&[&target]).await;
    let seen = ask(
        &lb,
        "GET /p?q=1 HTTP/1.1\r\nHost: shop.example\r\nConnection: X-Secret, X-Forwarded-For\r\n\
         X-Secret: 1\r\nX-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\nProxy: evil\r\n\
         Keep-Alive: 5\r\nUpgrade: h2c\r\nTE: trailers\r\nAccept: */*\r\n\r\n",
    )
    .await;
    assert!(seen.starts_with("GET /p?q=1 HTTP/1.1\r\n"), "{seen}");
    assert_eq!(field(&seen, "host"), Some("shop.example"));
    assert_eq!(field(&seen, "x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(field(&seen, "x-forwarded-proto"), Some("http"));
    assert_eq!(
        field(&seen, "x-forwarded-port"),
        Some(lb.port.to_string().as_str())
    );
    assert_eq!(field(&seen, "te"), Some("trailers"));
    assert_eq!(field(&seen, "accept"), Some("*/*"));
    for gone in [
        "x-secret",
        "proxy",
        "keep-alive",
        "upgrade",
        "connection",
        "via",
    ] {
        assert_eq!(field(&seen, gone), None, "{gone}");
    }
    lb.until_idle().await;
}

#[tokio::test]
async fn response_loses_hop_by_hop_fields() {
    let target = Target::scripted(|mut conn, _| async move {
        conn.write(
            "HTTP/1.1 203 Odd Words\r\nConnection: X-Internal, close\r\nX-Internal: 1\r\n\
             Keep-Alive: timeout=5\r\nServer: mine\r\nContent-Length: 2\r\n\r\nok",
        )
        .await
    })
    .await;
    let lb = Lb::start(&[&target]).await;
    let reply = lb.get("/").await;
    assert_eq!((reply.status, reply.text()), (203, "ok"));
    assert_eq!(reply.headers["server"], "mine");
    for gone in ["x-internal", "keep-alive", "connection"] {
        assert!(!reply.headers.contains_key(gone), "{gone}");
    }
    lb.until_idle().await;
}

#[tokio::test]
async fn bodies_pass_with_either_framing() {
    let target = mirror().await;
    let lb = Lb::start(&[&target]).await;
    let sized = ask(
        &lb,
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
    )
    .await;
    assert!(sized.ends_with("\r\n\r\nhello"), "{sized}");
    for method in ["POST", "GET", "DELETE"] {
        let chunked = format!(
            "{method} / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"
        );
        let seen = ask(&lb, &chunked).await;
        assert!(seen.ends_with("\r\n\r\nhello"), "{method}: {seen}");
        assert_eq!(field(&seen, "transfer-encoding"), Some("chunked"));
    }
    lb.until_idle().await;
}

#[tokio::test]
async fn bodiless_responses_keep_their_length() {
    let target = Target::scripted(|mut conn, mut head| async move {
        loop {
            let status = if head.contains("/304") {
                "304 Not Modified"
            } else {
                "200 OK"
            };
            conn.write(format!(
                "HTTP/1.1 {status}\r\nContent-Length: 12345\r\n\r\n"
            ))
            .await?;
            head = conn.head().await?;
        }
    })
    .await;
    let lb = Lb::start(&[&target]).await;
    let mut client = lb.connect().await;
    client.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let reply = client.try_reply(false).await.unwrap();
    assert_eq!(reply.headers["content-length"], "12345");
    client.send(&get("/304")).await;
    assert_eq!(client.reply().await.status, 304);
    lb.until_idle().await;
    assert_eq!(target.connections(), 1);
}

#[tokio::test]
async fn old_clients_are_served() {
    let target = Target::scripted(|mut conn, head| async move {
        assert!(head.starts_with("GET / HTTP/1.1\r\n"), "{head}");
        conn.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n")
            .await
    })
    .await;
    let lb = Lb::start(&[&target]).await;
    let mut client = lb.connect().await;
    client.send("GET / HTTP/1.0\r\n\r\n").await;
    let reply = client.reply().await;
    assert_eq!(
        (reply.version.as_str(), reply.status, reply.text()),
        ("HTTP/1.1", 200, "ok")
    );
    assert!(!reply.headers.contains_key("transfer-encoding"));
    assert!(client.is_closed().await);
    lb.until_idle().await;
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let target = mirror().await;
    let lb = Lb::start(&[&target]).await;
    let mut client = lb.connect().await;
    let requests: String = (0..20).map(|number| get(&format!("/{number}"))).collect();
    client.send(requests).await;
    for number in 0..20 {
        let reply = client.reply().await;
        assert!(
            reply.text().starts_with(&format!("GET /{number} ")),
            "{}",
            reply.text()
        );
    }
    lb.until_idle().await;
}

#[tokio::test]
async fn client_is_told_to_continue_once() {
    let target = mirror().await;
    let lb = Lb::start(&[&target]).await;
    let mut client = lb.connect().await;
    client
        .send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
        .await;
    assert_eq!(client.head().await.unwrap().status, 100);
    client.send("hello").await;
    let reply = client.reply().await;
    assert_eq!(reply.status, 200);
    assert!(reply.text().ends_with("hello"));
    assert_eq!(field(reply.text(), "expect"), None);
    lb.until_idle().await;
}

#[tokio::test]
async fn interim_responses_are_passed_on() {
    let target = Target::scripted(|mut conn, _| async move {
        conn.write("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n")
            .await?;
        conn.answer(200, "ok").await
    })
    .await;
    let lb = Lb::start(&[&target]).await;
    let mut client = lb.connect().await;
    client.send(&get("/")).await;
    let hints = client.head().await.unwrap();
    assert_eq!(
        (hints.status, hints.headers["link"].as_str()),
        (103, "</a>")
    );
    assert_eq!(client.reply().await.text(), "ok");
    let mut old = lb.connect().await;
    old.send("GET / HTTP/1.0\r\n\r\n").await;
    assert_eq!(old.reply().await.text(), "ok", "HTTP/1.0 knows none");
    lb.until_idle().await;
}

#[tokio::test]
async fn trailers_pass() {
    let target = Target::scripted(|mut conn, _| async move {
        conn.write(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n\
             2\r\nok\r\n0\r\nX-Sum: 42\r\n\r\n",
        )
        .await
    })
    .await;
    let lb = Lb::start(&[&target]).await;
    let mut client = lb.connect().await;
    client
        .send("GET / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: TE, close\r\n\r\n")
        .await;
    let raw = String::from_utf8(client.rest().await).unwrap();
    assert!(
        raw.to_ascii_lowercase()
            .contains("\r\n0\r\nx-sum: 42\r\n\r\n"),
        "{raw}"
    );
    lb.until_idle().await;
}

#[tokio::test]
async fn absolute_form_overrides_host() {
    let target = mirror().await;
    let lb = Lb::start(&[&target]).await;
    let seen = ask(
        &lb,
        "GET http://real.example:81/p HTTP/1.1\r\nHost: other\r\n\r\n",
    )
    .await;
    assert!(seen.starts_with("GET /p HTTP/1.1\r\n"), "{seen}");
    assert_eq!(field(&seen, "host"), Some("real.example:81"));
    let seen = ask(&lb, "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(seen.starts_with("OPTIONS * HTTP/1.1\r\n"), "{seen}");
}

/// 192 MiB each way through small buffers: whoever is slow holds the other back.
#[tokio::test]
async fn large_bodies_are_streamed_in_bounded_memory() {
    const SIZE: usize = 192 << 20;
    let target = Target::scripted(|mut conn, _| async move {
        conn.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n"))
            .await?;
        let chunk = vec![b'x'; 1 << 20];
        for _ in 0..SIZE / chunk.len() {
            let received = conn.take(chunk.len()).await?;
            assert!(received.iter().all(|&byte| byte == b'y'));
            conn.write(&chunk).await?;
        }
        Some(())
    })
    .await;
    let lb = Lb::start(&[&target]).await;
    let Client { stream, .. } = lb.connect().await;
    let (mut reading, mut writing) = stream.into_split();
    let upload = tokio::spawn(async move {
        use tokio::io::AsyncWriteExt;
        let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {SIZE}\r\n\r\n");
        writing.write_all(head.as_bytes()).await.unwrap();
        let chunk = vec![b'y'; 1 << 20];
        for _ in 0..SIZE / chunk.len() {
            writing.write_all(&chunk).await.unwrap();
        }
        writing
    });
    let mut received = 0;
    let mut most_resident = 0;
    let mut buffer = vec![0; 1 << 16];
    while received < SIZE {
        use tokio::io::AsyncReadExt;
        received += reading.read(&mut buffer).await.unwrap();
        most_resident = most_resident.max(resident_mib());
    }
    upload.await.unwrap();
    lb.until_idle().await;
    println!("most resident: {most_resident} MiB");
    // The whole test binary, other tests included, which take up to 100; gathering one body
    // would add 192.
    assert!(most_resident < 180, "{most_resident} MiB");
}

fn resident_mib() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096 / (1 << 20)
}
