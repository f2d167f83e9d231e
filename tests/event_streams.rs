//! A thousand readers at once: refused or bounded.

use std::{net::SocketAddr, time::Duration};

use hyper::StatusCode;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::timeout,
};

use crate::support::{http, up::Up};

const SOON: Duration = Duration::from_secs(60);

/// What became of those who asked for a stream.
#[derive(Debug, Default)]
struct Streams {
    open: Vec<TcpStream>,
    refused: usize,
    waiting: usize,
}

#[tokio::test(flavor = "multi_thread")]
async fn thousand_event_streams_are_bounded() {
    let up = Up::start().await;
    up.api.until_settled(1, SOON).await;
    let before = resident_kib(up.minicloud.pid());
    let mut streams = Streams::default();
    let mut asked = JoinSet::new();
    for number in 0..1000 {
        let address = up.api.0;
        asked.spawn(async move { ask_for_events(address, number).await });
    }
    while let Some(asked) = asked.join_next().await {
        match asked.unwrap() {
            Some((StatusCode::OK, stream)) => streams.open.push(stream),
            Some((StatusCode::SERVICE_UNAVAILABLE, _)) => streams.refused += 1,
            Some((status, _)) => panic!("{status}"),
            None => streams.waiting += 1,
        }
    }
    // 32 of the events and 32 of pages.
    assert!(streams.open.len() <= 64, "{}", streams.open.len());
    assert!(streams.refused > 900, "{} refused", streams.refused);
    let answer = http::get(up.api.0, "/v1/status").await.unwrap();
    assert_eq!(answer.status, StatusCode::OK, "others are served meanwhile");
    let answer = http::get(up.api.0, "/groups/web").await.unwrap();
    assert_eq!(answer.status, StatusCode::OK);
    let grown = resident_kib(up.minicloud.pid()).saturating_sub(before);
    eprintln!(
        "1000 event streams: {} open, {} refused, {} not answered; memory grew by {grown} KiB",
        streams.open.len(),
        streams.refused,
        streams.waiting
    );
    assert!(grown < 64 * 1024, "memory grew by {grown} KiB");
    drop(streams);
    up.interrupt().await;
}

/// Half of them follow events, half have a page renewed.
async fn ask_for_events(address: SocketAddr, number: usize) -> Option<(StatusCode, TcpStream)> {
    let path = if number.is_multiple_of(2) {
        "/v1/events"
    } else {
        "/groups/web"
    };
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nAccept: text/event-stream\r\n\r\n");
    let answered = async {
        let mut stream = TcpStream::connect(address).await.ok()?;
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut head = [0; 12];
        stream.read_exact(&mut head).await.ok()?;
        let status = StatusCode::from_bytes(&head[9..12]).ok()?;
        Some((status, stream))
    };
    timeout(SOON, answered).await.ok().flatten()
}

fn resident_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.unwrap().parse().unwrap()
}
