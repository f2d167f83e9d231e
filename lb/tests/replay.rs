//! Stale connections, killed targets: what is sent again, and what never is.

use std::{
    num::NonZeroUsize,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use minicloud_lb::{Config, Timeouts};

use tokio::sync::Notify;

use crate::harness::{Conn, Lb, Target, config, get, wait_for};

/// Answers a connection's first request, then does `end` to it.
async fn answers_once<F>(end: impl Fn(Conn) -> F + Clone + Send + Sync + 'static) -> Target
where
    F: Future<Output = Option<()>> + Send + 'static,
{
    Target::scripted(move |mut conn, head| {
        let end = end.clone();
        async move {
            conn.read_body(&head).await?;
            conn.answer(200, "ok").await?;
            end(conn).await
        }
    })
    .await
}

/// Reads the next request and closes without a word: the FIN crosses the request.
async fn closing() -> Target {
    answers_once(|mut conn| async move {
        conn.head().await?;
        Some(())
    })
    .await
}

/// The same with a reset.
async fn resetting() -> Target {
    answers_once(|mut conn| async move {
        conn.head().await?;
        conn.reset();
        Some(())
    })
    .await
}

async fn status_of(lb: &Lb, request: &str) -> u16 {
    let mut client = lb.connect().await;
    client.send(request).await;
    let status = client.reply().await.status;
    lb.until_idle().await;
    status
}

/// One worker, so that there is one pool, which keeps everything.
async fn start(targets: &[&Target]) -> Lb {
    start_with_reuse(Duration::from_secs(600), targets).await
}

async fn start_with_reuse(unsafe_reuse: Duration, targets: &[&Target]) -> Lb {
    let timeouts = Timeouts {
        pool_idle: Duration::from_secs(600),
        unsafe_reuse,
        ..Timeouts::default()
    };
    let config = Config {
        threads: NonZeroUsize::MIN,
        timeouts,
        ..config()
    };
    Lb::start_with(config, targets).await
}

#[tokio::test]
async fn idempotent_request_on_a_stale_connection_is_sent_again() {
    let requests = [
        get("/"),
        "HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".to_owned(),
        "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody".to_owned(),
        "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n"
            .to_owned(),
        "POST / HTTP/1.1\r\nHost: a\r\nIdempotency-Key: 7\r\nContent-Length: 4\r\n\r\nbody"
            .to_owned(),
    ];
    for target in [closing().await, resetting().await] {
        for request in &requests {
            // A new one each time: it learns from a stale connection to trust none for long.
            let lb = start(&[&target]).await;
            // Leaves a connection in the pool that will close on its next request.
            assert_eq!(status_of(&lb, &get("/")).await, 200);
            let mut client = lb.connect().await;
            client.send(request).await;
            let reply = client.try_reply(!request.starts_with("HEAD")).await;
            assert_eq!(reply.unwrap().status, 200, "{request}");
            lb.until_idle().await;
            assert_eq!(lb.retries("stale"), 1, "{request}");
        }
    }
}

#[tokio::test]
async fn trace_context_is_in_each_try() {
    const CONTEXT: &str = "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n\
                           tracestate: a=1,b=2\r\n";
    let heads = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&heads);
    let target = Target::scripted(move |mut conn, head| {
        let seen = Arc::clone(&seen);
        async move {
            seen.lock().unwrap().push(head.clone());
            conn.read_body(&head).await?;
            conn.answer(200, "ok").await?;
            let head = conn.head().await?;
            seen.lock().unwrap().push(head);
            Some(())
        }
    })
    .await;
    let lb = start(&[&target]).await;
    assert_eq!(status_of(&lb, &get("/")).await, 200);
    let request = format!("GET / HTTP/1.1\r\nHost: a\r\n{CONTEXT}\r\n");
    assert_eq!(status_of(&lb, &request).await, 200);
    let heads = heads.lock().unwrap().clone();
    assert_eq!(heads.len(), 3, "one without, two tries: {heads:#?}");
    assert!(
        heads[1..].iter().all(|head| head.contains(CONTEXT)),
        "{heads:#?}"
    );
}

/// Serves two requests on a connection and ends it on the third, without a word.
async fn ending_on_the_third<F>(end: impl Fn(Conn) -> F + Clone + Send + Sync + 'static) -> Target
where
    F: Future<Output = Option<()>> + Send + 'static,
{
    Target::scripted(move |mut conn, head| {
        let end = end.clone();
        async move {
            conn.read_body(&head).await?;
            conn.answer(200, "ok").await?;
            conn.head().await?;
            conn.answer(200, "ok").await?;
            conn.head().await?;
            end(conn).await
        }
    })
    .await
}

#[tokio::test]
async fn post_is_never_sent_twice() {
    let closing = ending_on_the_third(|_| async { Some(()) }).await;
    let resetting = ending_on_the_third(|conn| async {
        conn.reset();
        Some(())
    })
    .await;
    for target in [closing, resetting] {
        let lb = start(&[&target]).await;
        leave_two_idle(&lb).await;
        // One lasts, and so vouches for the other.
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(status_of(&lb, &get("/")).await, 200);
        let post = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody";
        assert_eq!(status_of(&lb, post).await, 502);
        assert_eq!((target.connections(), target.requests()), (2, 4));
        assert_eq!(lb.retries("stale"), 0);
    }
}

/// Connections in the pool: two requests at a time need two.
async fn leave_two_idle(lb: &Lb) {
    let body = "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n";
    let mut clients = [lb.connect().await, lb.connect().await];
    for client in &mut clients {
        client.send(body).await;
    }
    lb.until(|report| report.targets[0].in_flight == 2).await;
    for client in &mut clients {
        client.send("body").await;
        assert_eq!(client.reply().await.status, 200);
    }
    lb.until_idle().await;
}

/// A target of which nothing is known yet may close idle connections at once.
#[tokio::test]
async fn post_rides_only_where_others_have_lasted() {
    let target = Target::plain().await;
    let lb = start(&[&target]).await;
    let post = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody";
    assert_eq!(status_of(&lb, &get("/")).await, 200);
    assert_eq!(status_of(&lb, post).await, 200);
    assert_eq!(target.connections(), 2, "the first was not trusted");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(status_of(&lb, &get("/")).await, 200);
    assert_eq!(status_of(&lb, post).await, 200);
    assert_eq!(target.connections(), 2, "one second vouches for a moment");
}

#[tokio::test]
async fn post_does_not_ride_an_old_connection() {
    let target = closing().await;
    let lb = start_with_reuse(Duration::ZERO, &[&target]).await;
    assert_eq!(status_of(&lb, &get("/")).await, 200);
    let post = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody";
    assert_eq!(status_of(&lb, post).await, 200);
    assert_eq!(target.connections(), 2);
}

#[tokio::test]
async fn too_large_a_body_is_not_replayed() {
    let target = closing().await;
    let lb = start(&[&target]).await;
    assert_eq!(status_of(&lb, &get("/")).await, 200);
    // Chunked, so that its size shows only on the way.
    let chunk = "x".repeat(70 << 10);
    let put = format!(
        "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{chunk}\r\n{:x}\r\n{chunk}\r\n0\r\n\r\n",
        chunk.len(),
        chunk.len()
    );
    let status = status_of(&lb, &put).await;
    // How much of it was read when the target closed is the kernel's choice.
    assert!(status == 502 || status == 200, "{status}");
    lb.until_idle().await;
}

/// Closed before it is picked up: the request was not written, so even a POST is sent again,
/// or the connection is seen to be closed and not used at all.
#[tokio::test]
async fn connection_closed_while_idle_costs_nothing() {
    let target = answers_once(|_| async { Some(()) }).await;
    let lb = start(&[&target]).await;
    let mut served = 0;
    for _ in 0..50 {
        let mut client = lb.connect().await;
        client
            .send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody")
            .await;
        // At once, without waiting for the pool to notice: the FIN races with it.
        match client.reply().await.status {
            200 => served += 1,
            status => assert_eq!(status, 502),
        }
    }
    lb.until_idle().await;
    assert_eq!(target.requests(), served, "none was sent twice");
    for _ in 0..50 {
        assert_eq!(lb.get("/").await.status, 200);
    }
    lb.until_idle().await;
}

#[tokio::test]
async fn refused_connect_goes_to_another_target_even_for_post() {
    let (mut dead, alive) = (Target::plain().await, Target::plain().await);
    let lb = Lb::start(&[&dead, &alive]).await;
    // So that health checks do not notice before the requests do.
    lb.apply(|snapshot| {
        snapshot.target_groups[0].health_check.interval = std::time::Duration::from_secs(3600)
    })
    .await;
    dead.kill().await;
    let mut failed = 0;
    for _ in 0..4 {
        let status = status_of(
            &lb,
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody",
        )
        .await;
        failed += usize::from(status != 200);
    }
    assert_eq!(failed, 0);
    assert!(lb.retries("connect") >= 1);
    // The failures asked for checks, an hour early.
    lb.until_target(&dead, |target| !crate::harness::is_healthy(target))
        .await;
}

#[tokio::test]
async fn nobody_listens_is_502() {
    let mut target = Target::plain().await;
    let lb = Lb::start(&[&target]).await;
    target.kill().await;
    assert_eq!(lb.get("/").await.status, 502);
    lb.until_idle().await;
}

#[tokio::test]
async fn request_that_kills_targets_is_not_tried_for_ever() {
    let tried = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&tried);
    let script = move |_: Conn, _: String| {
        counted.fetch_add(1, Ordering::SeqCst);
        async { Some(()) }
    };
    let mut targets = Vec::new();
    for _ in 0..6 {
        targets.push(Target::scripted(script.clone()).await);
    }
    let lb = Lb::start(&targets.iter().collect::<Vec<_>>()).await;
    assert_eq!(lb.get("/").await.status, 502);
    assert_eq!(tried.load(Ordering::SeqCst), 3);
    assert!(
        targets.iter().all(|target| target.requests() <= 1),
        "each time another"
    );
    lb.until_idle().await;
}

#[tokio::test]
async fn unfinished_exchange_is_never_reused() {
    let answered = Arc::new(Notify::new());
    let told = Arc::clone(&answered);
    // Answers before it has read the body, and keeps the connection open.
    let target = Target::scripted(move |mut conn, _| {
        let told = Arc::clone(&told);
        async move {
            conn.answer(200, "early").await?;
            told.notify_one();
            conn.until_closed().await;
            Some(())
        }
    })
    .await;
    let lb = start(&[&target]).await;
    let mut client = lb.connect().await;
    client
        .send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf ")
        .await;
    answered.notified().await;
    assert_eq!(client.reply().await.text(), "early");
    lb.until_idle().await;
    assert_eq!(lb.get("/").await.text(), "early");
    wait_for("the second request has its own connection", || {
        target.connections() == 2
    })
    .await;
}
