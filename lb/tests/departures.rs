//! A client that leaves: the target is told at once, whatever was going on.

use std::{sync::Arc, time::Duration};

use tokio::{sync::mpsc, time::Instant};

use crate::harness::{Client, Conn, Lb, Target, get};

const TRIES: usize = 9;
const WITHIN: Duration = Duration::from_millis(100);

enum News {
    Arrived,
    Gone(Instant),
}

/// How a client leaves.
#[derive(Clone, Copy, Debug)]
enum Leaving {
    Fin,
    Reset,
    /// It ends its side and keeps reading: proxies take that for leaving too.
    HalfClose,
}

/// A target that holds requests and tells when it is left.
async fn holding() -> (Target, mpsc::UnboundedReceiver<News>) {
    let (sender, news) = mpsc::unbounded_channel();
    let sender = Arc::new(sender);
    let target = Target::scripted(move |mut conn, head| {
        let sender = Arc::clone(&sender);
        async move {
            hold(&mut conn, &head, &sender).await;
            let _ = sender.send(News::Gone(Instant::now()));
            Some(())
        }
    })
    .await;
    (target, news)
}

async fn hold(conn: &mut Conn, head: &str, sender: &mpsc::UnboundedSender<News>) -> Option<()> {
    if head.contains("/part") {
        conn.write("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\npart")
            .await?;
    }
    if head.contains("/ws") {
        conn.write("HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
            .await?;
    }
    if head.contains("/more-than-taken") {
        conn.write("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
            .await?;
        let _ = sender.send(News::Arrived);
        let piece = vec![0; 64 << 10];
        loop {
            conn.write(&piece).await?;
        }
    }
    let _ = sender.send(News::Arrived);
    conn.until_closed().await;
    Some(())
}

async fn leave(client: Client, leaving: Leaving) -> Option<Client> {
    match leaving {
        Leaving::Fin => None,
        Leaving::Reset => {
            client.stream.set_zero_linger().unwrap();
            None
        }
        Leaving::HalfClose => {
            let mut client = client;
            tokio::io::AsyncWriteExt::shutdown(&mut client.stream)
                .await
                .unwrap();
            Some(client)
        }
    }
}

/// The times from leaving to the target's knowing, in order.
async fn delays(request: &str, leaving: Leaving) -> Vec<Duration> {
    let (target, mut news) = holding().await;
    let lb = Lb::start(&[&target]).await;
    let mut delays = Vec::new();
    for _ in 0..TRIES {
        let mut client = lb.connect().await;
        client.send(request).await;
        assert!(matches!(next(&mut news).await, News::Arrived));
        if request.contains("/part") {
            assert_eq!(client.head().await.unwrap().status, 200);
        }
        let left = Instant::now();
        let half = leave(client, leaving).await;
        let News::Gone(told) = next(&mut news).await else {
            panic!("one at a time");
        };
        delays.push(told.saturating_duration_since(left));
        drop(half);
        lb.until_idle().await;
    }
    delays.sort_unstable();
    delays
}

async fn next(news: &mut mpsc::UnboundedReceiver<News>) -> News {
    let next = tokio::time::timeout(crate::harness::PATIENCE, news.recv()).await;
    next.expect("the target has news").unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn target_is_told_within_100_ms() {
    let pipelined = get("/wait") + &get("/later") + "GET /unfinished";
    let requests = [
        ("waiting", get("/wait")),
        ("waiting, more behind it", pipelined),
        ("answered in part", get("/part")),
        ("not reading", get("/more-than-taken")),
        (
            "sending a body",
            "POST /wait HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nsome".to_owned(),
        ),
        (
            "sending chunks",
            "POST /wait HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsome"
                .to_owned(),
        ),
        (
            "in a tunnel",
            "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
                .to_owned(),
        ),
    ];
    for (doing, request) in requests {
        for leaving in [Leaving::Fin, Leaving::Reset, Leaving::HalfClose] {
            let delays = delays(&request, leaving).await;
            let (median, max) = (delays[TRIES / 2], delays[TRIES - 1]);
            println!("{doing}, {leaving:?}: told after {median:?}, at most {max:?}");
            // The median: one try may meet a moment in which the machine does something else.
            assert!(median < WITHIN, "{doing}, {leaving:?}: {median:?}");
        }
    }
}
