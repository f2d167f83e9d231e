//! Bad input from either side: the right status, nothing leaked.

use std::time::Duration;

use minicloud_lb::{Config, Limits, Timeouts};

use crate::harness::{Lb, Target, config, get, wait_for};

/// The status of the reply to raw bytes, and whether the connection then ends.
async fn refused(lb: &Lb, bytes: impl AsRef<[u8]>) -> u16 {
    let mut client = lb.connect().await;
    client.send(bytes).await;
    let reply = client.reply().await;
    assert!(client.is_closed().await, "{reply:?}");
    lb.until_idle().await;
    reply.status
}

#[tokio::test]
async fn ambiguous_requests_are_refused() {
    let target = Target::plain().await;
    let lb = Lb::start(&[&target]).await;
    let cases: &[(&str, u16)] = &[
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400),
        ("GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n", 405),
        ("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", 405),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n",
            400,
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
            501,
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3, 3\r\n\r\nabc",
            400,
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
            400,
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\na",
            400,
        ),
        (
            "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
        ),
        ("GET / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nExpect: miracles\r\n\r\n", 417),
        ("GET / HTTP/3.7\r\nHost: a\r\n\r\n", 505),
        ("\x16\x03\x01\x02\x00\x01\r\n\r\n", 400),
    ];
    for (request, status) in cases {
        assert_eq!(refused(&lb, request).await, *status, "{request:?}");
    }
    assert_eq!(target.requests(), 0, "nothing of it reached the target");
}

#[tokio::test]
async fn oversize_heads_are_refused() {
    let target = Target::plain().await;
    let lb = Lb::start(&[&target]).await;
    let long = format!(
        "GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n",
        "x".repeat(70 << 10)
    );
    assert_eq!(refused(&lb, long).await, 400);
    let many = format!(
        "GET / HTTP/1.1\r\nHost: a\r\n{}\r\n",
        "X: y\r\n".repeat(101)
    );
    assert_eq!(refused(&lb, many).await, 431);
    assert_eq!(
        lb.metric(r#"minicloud_lb_rejected_heads_total{code="431"}"#),
        1
    );
    assert_eq!(target.requests(), 0);
}

#[tokio::test]
async fn bad_chunks_are_refused() {
    let target = Target::plain().await;
    let lb = Lb::start(&[&target]).await;
    for chunk in [
        "zz\r\n",
        "0x3\r\nabc\r\n0\r\n\r\n",
        "-1\r\n",
        "3\nabc\n",
        "ffffffffffffffffff\r\n",
    ] {
        let request =
            format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}");
        assert_eq!(refused(&lb, request).await, 400, "{chunk:?}");
    }
    assert_eq!(lb.get("/").await.status, 200);
    lb.until_idle().await;
}

#[tokio::test]
async fn body_over_the_limit_is_refused() {
    let target = Target::plain().await;
    let limits = Limits {
        body: Some(10),
        ..Limits::default()
    };
    let lb = Lb::start_with(Config { limits, ..config() }, &[&target]).await;
    let sized = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\nhello world";
    assert_eq!(refused(&lb, sized).await, 413);
    let chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nb\r\nhello world\r\n0\r\n\r\n";
    assert_eq!(refused(&lb, chunked).await, 413);
}

#[tokio::test]
async fn client_that_leaves_frees_the_target() {
    let target = Target::scripted(|mut conn, head| async move {
        if head.contains("/stream") {
            conn.write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome")
                .await?;
        }
        conn.until_closed().await;
        conn.state
            .requests
            .fetch_add(100, std::sync::atomic::Ordering::SeqCst);
        Some(())
    })
    .await;
    let lb = Lb::start(&[&target]).await;
    let leaving = [
        "GET /wait HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /stream HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nsome",
        "POST /body HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n",
    ];
    for (number, request) in leaving.into_iter().enumerate() {
        let mut client = lb.connect().await;
        client.send(request).await;
        wait_for("the request is at the target", || {
            target.requests() % 100 == number + 1
        })
        .await;
        lb.until_target(&target, |target| target.in_flight == 1)
            .await;
        drop(client);
        wait_for("the target is told", || {
            target.requests() == (number + 1) * 101
        })
        .await;
        lb.until_idle().await;
    }
    assert!(lb.metric(r#"minicloud_lb_requests_total{code="460",group="web",method="GET"}"#) >= 1);
}

#[tokio::test]
async fn hostile_targets_become_502() {
    let target = Target::scripted(|mut conn, head| async move {
        let answer: &str = match head.split(' ').nth(1)? {
            "/nothing" => "",
            "/garbage" => "\0\x01garbage\r\n\r\n",
            "/half-head" => "HTTP/1.1 200 OK\r\nX: ",
            "/bad-status" => "HTTP/1.1 000 No\r\n\r\n",
            "/bad-length" => "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
            "/lengths" => "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
            "/coding" => "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
            "/switch" => "HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
            other => panic!("{other}"),
        };
        conn.write(answer).await
    })
    .await;
    let lb = Lb::start(&[&target]).await;
    for path in [
        "/nothing",
        "/garbage",
        "/half-head",
        "/bad-status",
        "/bad-length",
        "/lengths",
        "/coding",
        "/switch",
    ] {
        assert_eq!(lb.get(path).await.status, 502, "{path}");
        lb.until_idle().await;
    }
    let huge = Target::scripted(|mut conn, _| async move {
        conn.write(format!(
            "HTTP/1.1 200 OK\r\nX: {}\r\n\r\n",
            "x".repeat(80 << 10)
        ))
        .await
    })
    .await;
    lb.register(&[&huge]).await;
    lb.until_target(&huge, crate::harness::is_healthy).await;
    assert_eq!(lb.get("/").await.status, 502);
    lb.until_idle().await;
}

#[tokio::test]
async fn truncated_responses_are_not_presented_as_whole() {
    let target = Target::scripted(|mut conn, head| async move {
        match head.contains("/sized") {
            true => {
                conn.write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome")
                    .await
            }
            false => {
                conn.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n")
                    .await
            }
        }
    })
    .await;
    let lb = Lb::start(&[&target]).await;
    for path in ["/sized", "/chunked"] {
        let mut client = lb.connect().await;
        client.send(&get(path)).await;
        assert!(client.try_reply(true).await.is_none(), "{path}");
        lb.until_idle().await;
    }
}

#[tokio::test]
async fn response_with_both_lengths_is_read_as_chunked_and_not_reused() {
    let target = Target::scripted(|mut conn, mut head| async move {
        loop {
            assert!(head.starts_with("GET"));
            conn.write("HTTP/1.1 200 OK\r\nContent-Length: 99\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n").await?;
            head = conn.head().await?;
        }
    })
    .await;
    let lb = Lb::start(&[&target]).await;
    for _ in 0..2 {
        let reply = lb.get("/").await;
        assert_eq!((reply.status, reply.text()), (200, "ok"));
        assert!(!reply.headers.contains_key("content-length"));
        lb.until_idle().await;
    }
    assert_eq!(target.connections(), 2);
}

/// A target that refuses an upload early; the client gets its words, not a reset.
#[tokio::test]
async fn early_refusal_reaches_an_uploading_client() {
    const SIZE: usize = 32 << 20;
    let target = Target::scripted(|mut conn, head| async move {
        conn.write("HTTP/1.1 413 Too Large\r\nContent-Length: 6\r\n\r\ntoobig")
            .await?;
        if head.contains("/reads-on") {
            conn.until_closed().await;
        }
        Some(())
    })
    .await;
    let lb = Lb::start(&[&target]).await;
    for path in ["/closes", "/reads-on"] {
        for round in 0..20 {
            let client = lb.connect().await;
            let (reading, mut writing) = client.stream.into_split();
            let upload = tokio::spawn(async move {
                use tokio::io::AsyncWriteExt;
                let head =
                    format!("PUT {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {SIZE}\r\n\r\n");
                writing.write_all(head.as_bytes()).await.ok()?;
                let chunk = vec![b'y'; 64 << 10];
                for _ in 0..SIZE / chunk.len() {
                    writing.write_all(&chunk).await.ok()?;
                }
                // The balancer lingers for a client that sends on; this one leaves.
                writing.shutdown().await.ok()
            });
            let head = tokio::time::timeout(crate::harness::PATIENCE, async {
                use tokio::io::AsyncReadExt;
                let mut reading = reading;
                let mut head = vec![0; 12];
                reading.read_exact(&mut head).await.map(|_| head)
            })
            .await
            .unwrap();
            assert_eq!(
                String::from_utf8(head.unwrap()).unwrap(),
                "HTTP/1.1 413",
                "{path} {round}"
            );
            upload.abort();
            lb.until_idle().await;
        }
    }
}

/// A balancer that waits for a head or bytes no longer than a busy machine may take.
async fn impatient(target: &Target) -> Lb {
    let timeouts = Timeouts {
        header_read: Duration::from_millis(100),
        ..Timeouts::default()
    };
    let config = Config {
        timeouts,
        ..config()
    };
    let lb = Lb::start_with(config, &[target]).await;
    lb.apply(|snapshot| snapshot.listeners[0].attributes.idle_timeout = Duration::from_secs(2))
        .await;
    lb
}

#[tokio::test]
async fn slow_clients_are_timed_out() {
    let target = Target::plain().await;
    let lb = impatient(&target).await;
    assert_eq!(refused(&lb, "GET / HTTP/1.1\r\nHos").await, 408);
    assert_eq!(
        refused(
            &lb,
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nsome"
        )
        .await,
        408
    );
    let mut idle = lb.connect().await;
    assert!(idle.is_closed().await);
    let mut client = lb.connect().await;
    client.send(&get("/")).await;
    assert_eq!(client.reply().await.status, 200);
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn slow_targets_are_timed_out() {
    let target = Target::scripted(|mut conn, head| async move {
        if head.contains("/body") {
            conn.write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome")
                .await?;
        }
        conn.until_closed().await;
        Some(())
    })
    .await;
    let lb = impatient(&target).await;
    assert_eq!(lb.get("/").await.status, 504);
    lb.until_idle().await;
    let mut client = lb.connect().await;
    client.send(&get("/body")).await;
    assert!(client.try_reply(true).await.is_none());
    lb.until_idle().await;
}

#[tokio::test]
async fn connections_are_bounded() {
    let target = Target::plain().await;
    let limits = Limits {
        connections: 2,
        ..Limits::default()
    };
    let lb = Lb::start_with(Config { limits, ..config() }, &[&target]).await;
    let mut kept = [lb.connect().await, lb.connect().await];
    for client in &mut kept {
        client.send(&get("/")).await;
        assert_eq!(client.reply().await.status, 200);
    }
    assert!(lb.connect().await.is_closed().await);
    assert_eq!(
        lb.metric(r#"minicloud_lb_connections_rejected_total{reason="max_connections"}"#),
        1
    );
    drop(kept);
    wait_for("places are free again", || {
        lb.metric("minicloud_lb_connections") == 0
    })
    .await;
    assert_eq!(lb.get("/").await.status, 200);
}
