use jiff::Timestamp;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    time::timeout,
};

use super::*;
use crate::{describe::ConditionKind, events::EventDetail};

const PATIENCE: Duration = Duration::from_secs(20);

/// A reader of server-sent events over a real socket.
struct Client(BufReader<TcpStream>);

impl Client {
    async fn connect(address: std::net::SocketAddr, path: &str, last: Option<u64>) -> Self {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let last = last.map_or_else(String::new, |id| format!("last-event-id: {id}\r\n"));
        let head = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n{last}\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut client = Self(BufReader::new(stream));
        while !client.line().await.unwrap().is_empty() {}
        client
    }

    async fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = timeout(PATIENCE, self.0.read_line(&mut line)).await;
        match read.expect("the stream goes on").ok()? {
            0 => None,
            _ => Some(line.trim_end().to_owned()),
        }
    }

    /// Name and id of the next event; None at the end of the stream.
    async fn event(&mut self) -> Option<(String, Option<u64>)> {
        let (mut name, mut id) = (None, None);
        loop {
            let line = self.line().await?;
            if let Some(value) = line.strip_prefix("event: ") {
                name = Some(value.to_owned());
            } else if let Some(value) = line.strip_prefix("id: ") {
                id = value.parse().ok();
            } else if line.starts_with("data: ") {
                return Some((name.take().unwrap_or_default(), id));
            }
        }
    }
}

async fn served(api: Arc<Api>) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = api.shutdown.clone();
    let router = router(api, Access::Loopback);
    tokio::spawn(serve(Listener::Tcp(listener), router, shutdown));
    address
}

fn push(core: &Loop, group: Option<&str>) {
    let kind = ConditionKind::Stranger;
    let detail = EventDetail::ConditionCleared { kind };
    core.events.push(Timestamp::UNIX_EPOCH, group, detail);
}

fn cleared(id: u64) -> Option<(String, Option<u64>)> {
    Some(("condition_cleared".to_owned(), Some(id)))
}

#[tokio::test]
async fn events_are_followed_and_resumed() {
    let (api, core) = api();
    let shutdown = api.shutdown.clone();
    let address = served(api).await;
    push(&core, None);
    let mut client = Client::connect(address, "/v1/events", None).await;
    push(&core, Some("web"));
    assert_eq!(client.event().await, cleared(1002), "from now on");
    drop(client);
    push(&core, Some("other"));
    push(&core, Some("web"));
    let mut client = Client::connect(address, "/v1/events", Some(1002)).await;
    assert_eq!(client.event().await, cleared(1003));
    assert_eq!(client.event().await, cleared(1004));
    let path = "/v1/events?auto_scaling_group_name=web";
    let mut of_group = Client::connect(address, path, Some(1000)).await;
    for id in [1001, 1002, 1004] {
        assert_eq!(of_group.event().await, cleared(id));
    }
    let mut stale = Client::connect(address, "/v1/events", Some(7)).await;
    assert_eq!(stale.event().await, Some(("reset".to_owned(), None)));
    assert_eq!(stale.event().await, cleared(1001), "what is left");
    shutdown.cancel();
    while client.event().await.is_some() {}
}

#[tokio::test]
async fn reader_that_is_too_slow_is_told_and_let_go() {
    let (api, core) = api();
    let address = served(api).await;
    let mut client = Client::connect(address, "/v1/events", None).await;
    // More than socket buffers and the ring hold, while nobody reads.
    let big = "x".repeat(4096);
    for _ in 0..4000 {
        core.events.push(
            Timestamp::UNIX_EPOCH,
            None,
            EventDetail::CapacityChanged(crate::events::CapacityChange {
                min_size: 0,
                max_size: 0,
                desired_capacity: 0,
                desired_capacity_before: 0,
                cause: big.clone(),
            }),
        );
        tokio::task::yield_now().await;
    }
    let mut last = None;
    while let Some((name, _)) = client.event().await {
        last = Some(name);
    }
    assert_eq!(last.as_deref(), Some("end"));
}

#[tokio::test]
async fn streams_are_so_many_at_once() {
    let (api, _core) = api();
    let router = router(api, Access::Loopback);
    let mut streams = Vec::new();
    let refused = loop {
        let request = request("GET", "/v1/events").body(Body::empty()).unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        match response.status() {
            StatusCode::OK => streams.push(response),
            status => break status,
        }
    };
    assert_eq!(
        (refused, streams.len()),
        (StatusCode::SERVICE_UNAVAILABLE, 32)
    );
    streams.pop();
    let request = request("GET", "/v1/events").body(Body::empty()).unwrap();
    let response = router.oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK, "one has left");
}
