//! Responses compressed on their way.

use std::{io::Read, sync::Arc};

use flate2::read::GzDecoder;
use minicloud_lb_api::{Action, Compression, Condition, Patterns, Rule};
use tokio::sync::Semaphore;

use crate::harness::{Client, Lb, Reply, Target, wait_for};

const PAGE: usize = 200_000;

fn page() -> String {
    "All work and no play. "
        .chars()
        .cycle()
        .take(PAGE)
        .collect()
}

fn gunzip(bytes: &[u8]) -> String {
    let mut text = String::new();
    GzDecoder::new(bytes).read_to_string(&mut text).unwrap();
    text
}

/// What can be read of a body that has no end yet.
fn gunzip_so_far(bytes: &[u8]) -> String {
    let mut text = Vec::new();
    assert!(GzDecoder::new(bytes).read_to_end(&mut text).is_err());
    String::from_utf8(text).unwrap()
}

/// A balancer that compresses what is below `/text/`.
async fn compressing(target: &Target) -> Lb {
    let lb = Lb::start(&[target]).await;
    lb.apply(|snapshot| {
        let rule = Rule {
            priority: 1,
            conditions: vec![Condition::PathPattern(Patterns {
                values: vec!["/text/*".into()],
                regex_values: Vec::new(),
            })],
            transforms: Vec::new(),
            action: Action::forward("web"),
            rate_limit: None,
            compression: Some(Compression::default()),
        };
        snapshot.listeners[0].rules = vec![rule];
    })
    .await;
    lb
}

async fn ask(client: &mut Client, line: &str) -> Reply {
    client
        .send(format!(
            "{line}\r\nHost: a\r\nAccept-Encoding: br, gzip\r\n\r\n"
        ))
        .await;
    client.try_reply(!line.starts_with("HEAD")).await.unwrap()
}

/// Answers with `head` and the page, if the request is no HEAD.
async fn pages(head: &'static str) -> Target {
    Target::scripted(move |mut conn, mut request| async move {
        loop {
            let head = head.replace("LENGTH", &PAGE.to_string());
            conn.write(format!("HTTP/1.1 200 OK\r\n{head}\r\n")).await?;
            if !request.starts_with("HEAD") {
                conn.write(page()).await?;
            }
            request = conn.head().await?;
        }
    })
    .await
}

#[tokio::test]
async fn page_is_compressed_for_those_who_take_it() {
    let target = pages(
        "Content-Type: text/html\r\nContent-Length: LENGTH\r\nETag: \"v1\"\r\nAccept-Ranges: bytes\r\nVary: Origin\r\n",
    )
    .await;
    let lb = compressing(&target).await;
    let mut client = lb.connect().await;
    for _ in 0..3 {
        let reply = ask(&mut client, "GET /text/a HTTP/1.1").await;
        assert!(reply.body.len() < PAGE / 20, "{}", reply.body.len());
        assert_eq!(gunzip(&reply.body), page());
        let get = reply.headers;
        assert_eq!(get["content-encoding"], "gzip");
        assert_eq!(get["etag"], "W/\"v1\"");
        assert_eq!(get["vary"], "Origin | Accept-Encoding");
        assert_eq!(get["transfer-encoding"], "chunked");
        assert!(!get.contains_key("content-length") && !get.contains_key("accept-ranges"));

        let head = ask(&mut client, "HEAD /text/a HTTP/1.1").await;
        let expected = get
            .into_iter()
            .filter(|(name, _)| name != "transfer-encoding");
        assert_eq!(head.headers, expected.collect());
    }
    assert_eq!(target.connections(), 1, "both sides are kept open");
    lb.until_idle().await;
}

#[tokio::test]
async fn page_stays_as_it_is_for_others() {
    let target =
        pages("Content-Type: text/html\r\nContent-Length: LENGTH\r\nETag: \"v1\"\r\n").await;
    let lb = compressing(&target).await;
    let mut client = lb.connect().await;
    for refusal in [
        "",
        "Accept-Encoding: br\r\n",
        "Accept-Encoding: gzip;q=0, *\r\n",
    ] {
        client
            .send(format!("GET /text/a HTTP/1.1\r\nHost: a\r\n{refusal}\r\n"))
            .await;
        let reply = client.reply().await;
        assert_eq!(reply.text(), page());
        assert_eq!(reply.headers["etag"], "\"v1\"");
        assert_eq!(reply.headers["vary"], "Accept-Encoding", "caches are told");
    }
    let other = ask(&mut client, "GET /other HTTP/1.1").await;
    assert_eq!(other.text(), page());
    assert!(!other.headers.contains_key("vary"), "no rule");
    let old = ask(&mut client, "GET /text/a HTTP/1.0").await;
    assert_eq!(
        (old.text(), old.headers["content-length"].as_str()),
        (&*page(), "200000")
    );
}

#[tokio::test]
async fn body_that_ends_with_the_connection_is_compressed() {
    let target = Target::scripted(|mut conn, _| async move {
        conn.write("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")
            .await?;
        conn.write(page()).await
    })
    .await;
    let lb = compressing(&target).await;
    let reply = ask(&mut lb.connect().await, "GET /text/a HTTP/1.1").await;
    assert_eq!(gunzip(&reply.body), page());
}

#[tokio::test]
async fn streamed_piece_does_not_wait_for_the_next() {
    let gate = Arc::new(Semaphore::new(0));
    let opened = Arc::clone(&gate);
    let target = Target::scripted(move |mut conn, _| {
        let gate = Arc::clone(&opened);
        async move {
            conn.write("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n").await?;
            for number in 0..5 {
                conn.write(format!("9\r\ndata: {number}\n\n\r\n")).await?;
                gate.acquire().await.unwrap().forget();
            }
            conn.write("0\r\n\r\n").await?;
            conn.until_closed().await;
            Some(())
        }
    })
    .await;
    let lb = compressing(&target).await;
    let mut client = lb.connect().await;
    client
        .send("GET /text/events HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n")
        .await;
    let head = client.head().await.unwrap();
    assert_eq!(head.headers["content-encoding"], "gzip");
    let mut body = Vec::new();
    let mut expected = String::new();
    for number in 0..5 {
        expected.push_str(&format!("data: {number}\n\n"));
        // The head of the response may come with a chunk of its own.
        while gunzip_so_far(&body) != expected {
            body.extend(client.chunk().await.unwrap());
        }
        gate.add_permits(1);
    }
    while let Some(chunk) = client.chunk().await.filter(|chunk| !chunk.is_empty()) {
        body.extend(chunk);
    }
    assert_eq!(gunzip(&body), expected);
}

#[tokio::test]
async fn body_cut_short_has_no_end_when_compressed() {
    let target = Target::scripted(|mut conn, _| async move {
        conn.write("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5000\r\n\r\n")
            .await?;
        conn.write("x".repeat(4000)).await
    })
    .await;
    let lb = compressing(&target).await;
    let mut client = lb.connect().await;
    client
        .send("GET /text/a HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n")
        .await;
    assert!(
        client.try_reply(true).await.is_none(),
        "not taken for whole"
    );
    lb.until_idle().await;
}

#[tokio::test]
async fn clients_that_leave_give_their_encoders_back() {
    let target = Target::scripted(|mut conn, _| async move {
        conn.write("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nstart")
            .await?;
        conn.until_closed().await;
        Some(())
    })
    .await;
    let lb = compressing(&target).await;
    // More than two workers lend at a time.
    for round in 0..4 {
        let mut clients = Vec::new();
        for _ in 0..80 {
            let mut client = lb.connect().await;
            client
                .send("GET /text/a HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n")
                .await;
            clients.push(client);
        }
        for client in &mut clients {
            let head = client.head().await.unwrap();
            assert!(head.headers.contains_key("content-encoding"), "{round}");
        }
        drop(clients);
        wait_for("the requests are over", || {
            lb.metric("minicloud_lb_inflight_requests{group=\"web\"}") == 0
        })
        .await;
    }
}

#[tokio::test]
async fn fresh_answer_carries_the_tag_that_was_given() {
    let target = Target::scripted(|mut conn, head| async move {
        let sent = crate::harness::target::field(&head, "if-none-match")
            .unwrap()
            .to_owned();
        assert_eq!(sent, "W/\"v1\"");
        conn.write("HTTP/1.1 304 Not Modified\r\nETag: \"v1\"\r\n\r\n")
            .await
    })
    .await;
    let lb = compressing(&target).await;
    let mut client = lb.connect().await;
    client
        .send("GET /text/a HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\nIf-None-Match: W/\"v1\"\r\n\r\n")
        .await;
    let reply = client.reply().await;
    assert_eq!(
        (reply.status, reply.headers["etag"].as_str()),
        (304, "W/\"v1\"")
    );
    assert_eq!(reply.headers["vary"], "Accept-Encoding");
}
