//! Clients that are slow on purpose, in masses: nobody else notices.

use std::{net::Ipv4Addr, time::Duration};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::SockRef;
use tokio::{
    io::AsyncWriteExt,
    net::{TcpSocket, TcpStream},
    sync::oneshot,
    time::{Instant, interval, sleep_until},
};

use crate::harness::{Client, Lb, Load, Target, be_alone, get, memory, open_files, wait_for};

const EACH: usize = 1000;
const SOME: usize = 10;
/// More than the kernel holds for a client that does not read, and what the balancer does.
const PAGE: usize = 256 << 10;

/// What a client is slow at.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Slow {
    Head,
    Body,
    Reader,
}

impl Slow {
    fn opening(self) -> &'static str {
        match self {
            Self::Head => "GET / HTTP/1.1\r\nHost: a\r\nX-",
            Self::Body => "POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nsome",
            Self::Reader => "GET /page HTTP/1.1\r\nHost: a\r\n\r\n",
        }
    }

    /// A byte a second, either way.
    fn trickle(self, stream: &TcpStream) {
        match self {
            Self::Head | Self::Body => drop(stream.try_write(b"x")),
            Self::Reader => drop(stream.try_read(&mut [0])),
        }
    }
}

/// Slow clients of one kind, until dropped.
struct Mass(oneshot::Sender<()>);

impl Mass {
    async fn attack(port: u16, slow: Slow) -> Self {
        let mut streams = Vec::new();
        for _ in 0..EACH {
            let mut stream = connect(port).await;
            stream.write_all(slow.opening().as_bytes()).await.unwrap();
            streams.push(stream);
        }
        let (stop, mut stopped) = oneshot::channel();
        tokio::spawn(async move {
            // Some of them each time, so that this client is not what everybody waits for.
            let some = Duration::from_secs(1) / (EACH / SOME) as u32;
            let mut ticks = interval(some);
            for at in (0..EACH).step_by(SOME).cycle() {
                tokio::select! {
                    _ = &mut stopped => return,
                    _ = ticks.tick() => {}
                }
                for stream in &streams[at..at + SOME] {
                    slow.trickle(stream);
                }
            }
        });
        Self(stop)
    }

    fn end(self) {
        drop(self.0);
    }
}

/// As a client on a network, not on this machine: small segments, and a window of its own
/// making, so that the kernel takes little for it.
async fn connect(port: u16) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    SockRef::from(&socket).set_tcp_mss(1460).unwrap();
    socket
        .connect((Ipv4Addr::LOCALHOST, port).into())
        .await
        .unwrap()
}

async fn target() -> Target {
    Target::scripted(|mut conn, mut head| async move {
        loop {
            conn.read_body(&head).await?;
            if head.starts_with("GET /page") {
                conn.answer(200, &"p".repeat(PAGE)).await?;
            } else {
                conn.answer(200, "ok").await?;
            }
            head = conn.head().await?;
        }
    })
    .await
}

/// A slow client costs two descriptors here, and two more where a target is involved.
fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    setrlimit(Resource::Nofile, raised).unwrap();
    let needed = 10 * EACH as u64 + 1000;
    assert!(
        limit.maximum.is_none_or(|maximum| maximum >= needed),
        "this test needs {needed} descriptors: ulimit -Hn"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn masses_of_slow_clients_are_felt_by_nobody() {
    raise_open_files();
    be_alone().await;
    let target = target().await;
    let lb = Lb::start(&[&target]).await;
    assert_eq!(lb.get("/").await.status, 200);
    let files_before = open_files();

    let load = Load::start(lb.port, 200, get("/"));
    let start = Instant::now();
    sleep_until(start + Duration::from_secs(3)).await;
    let quiet = Instant::now();
    let memory_before = memory();
    let mut masses = Vec::new();
    for slow in [Slow::Head, Slow::Body, Slow::Reader] {
        masses.push(Mass::attack(lb.port, slow).await);
    }
    wait_for("all are there", || {
        lb.metric("minicloud_lb_connections") >= 3 * EACH as u64
            && lb.metric("minicloud_lb_inflight_requests{group=\"web\"}") >= 2 * EACH as u64
    })
    .await;
    // A thousand answers at once, as far as they go, are load and no slowness.
    let attack = Instant::now() + Duration::from_secs(1);
    let end = attack + Duration::from_secs(3);
    sleep_until(end).await;
    let memory_during = memory();
    let grown = memory_during.saturating_sub(memory_before);
    let tally = load.stop().await;
    tally.assert_none_failed();
    let before = tally.usual_second(start, quiet);
    let during = tally.usual_second(attack, end);
    println!(
        "{EACH} slow heads, bodies and readers each: {during}, before: {before}; \
         {} KiB more resident, both ends of the connections and the target in it",
        grown >> 10
    );
    let bound = Duration::from_millis(50).max(3 * before.p99);
    assert!(during.p99 <= bound, "{during}, before: {before}");
    assert!(grown < 3 * EACH * (64 << 10), "{grown} bytes");

    masses.into_iter().for_each(Mass::end);
    wait_for("all have left", || {
        lb.metric("minicloud_lb_connections") == 0
    })
    .await;
    lb.until_idle().await;
    // What is left is the pool's to targets.
    wait_for("descriptors are given back", || {
        open_files() <= files_before + 300
    })
    .await;
    assert_eq!(lb.get("/").await.status, 200);
}

/// No body may take for ever, whatever trickles in; one that is merely slow may.
#[tokio::test]
async fn trickling_body_is_dropped() {
    let target = target().await;
    let lb = Lb::start(&[&target]).await;
    let trickle = async |bytes: &'static [u8]| {
        let mut client = lb.connect().await;
        let head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10000\r\n\r\n";
        client.send(head).await;
        let mut ticks = interval(Duration::from_millis(100));
        let start = Instant::now();
        for _ in 0..10_000 / bytes.len() {
            tokio::select! {
                _ = ticks.tick() => client.send(bytes).await,
                readable = client.stream.readable() => {
                    readable.unwrap();
                    break;
                }
            }
        }
        let status = client.reply().await.status;
        (status, start.elapsed())
    };
    let (given_up, served) = tokio::join!(trickle(&[b'x'; 10]), trickle(&[b'x'; 80]));
    assert_eq!(given_up.0, 408);
    println!("100 bytes a second: given up after {:?}", given_up.1);
    assert!(given_up.1 > Duration::from_secs(10));
    assert_eq!(served.0, 200, "800 bytes a second are enough");
    lb.until_idle().await;
}

/// Neither takes bytes nor leaves.
#[tokio::test]
async fn reader_that_stands_still_is_dropped() {
    let target = target().await;
    let lb = Lb::start(&[&target]).await;
    lb.apply(|snapshot| {
        snapshot.listeners[0].attributes.idle_timeout = Duration::from_secs(1);
    })
    .await;
    let mut client = Client {
        stream: connect(lb.port).await,
        buffer: Vec::new(),
    };
    client.send(&get("/page")).await;
    wait_for("the request is at the target", || target.requests() == 1).await;
    lb.until_idle().await;
    let read = client.rest().await.len();
    assert!(read < PAGE, "the answer was cut, not finished");
}
