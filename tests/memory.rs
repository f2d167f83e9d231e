//! What connections cost a balancer that is a process of its own, by what their clients do;
//! and bodies that are larger than its memory.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::SockRef;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    task::JoinSet,
    time::{Instant, timeout},
};

use crate::support::{child::Minicloud, free_port, http, machine::Machine, wait::until, write};

const SOON: Duration = Duration::from_secs(30);
const EACH: usize = 1000;
/// More than the kernel and the balancer hold for a client that does not read.
const PAGE: usize = 512 << 10;
const PIECE: usize = 1 << 20;

/// `minicloud lb` in front of a target that serves bodies of any size.
struct Balancer {
    process: Minicloud,
    address: SocketAddr,
    admin: SocketAddr,
    _target: JoinSet<()>,
    _dir: TempDir,
}

impl Balancer {
    async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let target = listener.local_addr().unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(serve(listener));
        let dir = tempfile::tempdir().unwrap();
        let [address, admin] = [free_port(), free_port()].map(local);
        let config = dir.path().join("lb.yaml");
        write(
            &config,
            &format!(
                "version: 1\ntarget_groups:\n  web: {{ targets: [\"{target}\"], health_check: {{ path: /health }} }}\nload_balancers:\n  lb: {{ listeners: [ {{ port: {}, default_action: {{ forward: web }} }} ] }}\n",
                address.port()
            ),
        );
        let admin_text = admin.to_string();
        let arguments = [
            "lb",
            "--config",
            config.to_str().unwrap(),
            "--threads",
            "2",
            "--admin",
            &admin_text,
        ];
        let process = Minicloud::spawn(&arguments, &dir.path().join("lb.log"));
        until("the balancer serves", SOON, || async move {
            let answer = http::get(address, "/").await?;
            if answer.status.is_success() {
                Ok(())
            } else {
                Err(answer.text())
            }
        })
        .await;
        Self {
            process,
            address,
            admin,
            _target: tasks,
            _dir: dir,
        }
    }

    /// Resident bytes.
    fn memory(&self) -> usize {
        let statm = format!("/proc/{}/statm", self.process.pid());
        let statm = std::fs::read_to_string(statm).unwrap();
        let pages: usize = statm.split(' ').nth(1).unwrap().parse().unwrap();
        pages * rustix::param::page_size()
    }

    fn open_files(&self) -> usize {
        let files = format!("/proc/{}/fd", self.process.pid());
        std::fs::read_dir(files).unwrap().count()
    }

    async fn until_connections(&self, is_reached: impl Fn(usize) -> bool) {
        let admin = self.admin;
        until("as many connections", SOON, || {
            let is_reached = &is_reached;
            async move {
                let metrics = http::get(admin, "/metrics").await?.text();
                let mut lines = metrics.lines();
                let open = lines.find_map(|line| line.strip_prefix("minicloud_lb_connections "));
                let open: usize = open.ok_or("no such metric")?.parse().unwrap();
                if is_reached(open) {
                    Ok(())
                } else {
                    Err(format!("{open} connections"))
                }
            }
        })
        .await;
    }

    /// Until memory has not grown for half a second; returns how much it is then.
    async fn settled_memory(&self) -> usize {
        let (mut most, mut since) = (self.memory(), Instant::now());
        until("memory is settled", SOON, || {
            let memory = self.memory();
            if memory > most {
                (most, since) = (memory, Instant::now());
            }
            let is_settled = since.elapsed() > Duration::from_millis(500);
            async move {
                is_settled
                    .then_some(memory)
                    .ok_or_else(|| "grows".to_owned())
            }
        })
        .await
    }
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// Answers `/sized/N` with N bytes, all else briefly, after the request's body.
async fn serve(listener: TcpListener) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(serve_one(stream));
        while connections.try_join_next().is_some() {}
    }
}

async fn serve_one(mut stream: TcpStream) -> Option<()> {
    let mut buffer = Vec::new();
    let mut piece = vec![b'x'; PIECE];
    loop {
        let (head, rest) = read_head(&mut stream, &mut buffer).await?;
        let length: usize = field(&head, "content-length: ").unwrap_or(0);
        let mut left = length.saturating_sub(rest);
        while left > 0 {
            let room = left.min(PIECE);
            left -= stream
                .read(&mut piece[..room])
                .await
                .ok()
                .filter(|&n| n > 0)?;
        }
        let path = head.split(' ').nth(1)?;
        let size = path.strip_prefix("/sized/");
        let mut size: usize = size.map_or(2, |size| size.parse().unwrap());
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n");
        stream.write_all(answer.as_bytes()).await.ok()?;
        while size > 0 {
            let count = size.min(PIECE);
            stream.write_all(&piece[..count]).await.ok()?;
            size -= count;
        }
    }
}

/// A head, and how many bytes of the body came with it.
async fn read_head(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<(String, usize)> {
    loop {
        if let Some(at) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8(buffer[..at + 4].to_vec()).unwrap();
            let rest = buffer.len() - at - 4;
            buffer.clear();
            return Some((head, rest));
        }
        stream.read_buf(buffer).await.ok().filter(|&n| n > 0)?;
    }
}

fn field(head: &str, name: &str) -> Option<usize> {
    let head = head.to_ascii_lowercase();
    let value = head.split(name).nth(1)?.lines().next()?;
    value.parse().ok()
}

/// As a client on a network, so that the kernel takes little for it.
async fn connect(address: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    SockRef::from(&socket).set_tcp_mss(1460).unwrap();
    socket.connect(address).await.unwrap()
}

fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    setrlimit(Resource::Nofile, raised).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_cost_little() {
    let _machine = Machine::shared().await;
    raise_open_files();
    let page = format!("GET /sized/{PAGE} HTTP/1.1\r\nHost: a\r\n\r\n");
    let kinds = [
        ("idle", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 16),
        ("slow head", "GET / HTTP/1.1\r\nHost: a\r\nX-", 16),
        (
            "slow body",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9999\r\n\r\nsome",
            64,
        ),
        ("slow reader", page.as_str(), 64),
    ];
    for (kind, opening, most_kib) in kinds {
        // A new one each time: what one kind gives back, the next would take.
        let balancer = Balancer::start().await;
        let files = balancer.open_files();
        let before = balancer.memory();
        let mut clients = Vec::new();
        for _ in 0..EACH {
            let mut client = connect(balancer.address).await;
            client.write_all(opening.as_bytes()).await.unwrap();
            if kind == "idle" {
                let mut answer = [0; 512];
                assert!(client.read(&mut answer).await.unwrap() > 0);
            }
            clients.push(client);
        }
        balancer.until_connections(|open| open >= EACH).await;
        let grown = balancer.settled_memory().await.saturating_sub(before);
        let each = grown.div_ceil(EACH);
        println!("{kind}: {:.1} KiB each", each as f64 / 1024.0);
        assert!(each <= most_kib << 10, "{kind}: {each} bytes each");
        drop(clients);
        balancer.until_connections(|open| open < 10).await;
        until("descriptors come back", SOON, || {
            let open = balancer.open_files();
            // What is left are idle connections to the target.
            async move {
                if open <= files + 260 {
                    Ok(())
                } else {
                    Err(open.to_string())
                }
            }
        })
        .await;
    }
}

/// Sends `up` bytes, then reads `down`.
async fn exchange(address: SocketAddr, up: usize, down: usize) {
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut reading, mut writing) = stream.into_split();
    let sending = tokio::spawn(async move {
        let head = format!("PUT /sized/{down} HTTP/1.1\r\nHost: a\r\nContent-Length: {up}\r\n\r\n");
        writing.write_all(head.as_bytes()).await.unwrap();
        let piece = vec![b'y'; PIECE];
        let mut left = up;
        while left > 0 {
            let count = left.min(PIECE);
            writing.write_all(&piece[..count]).await.unwrap();
            left -= count;
        }
        writing
    });
    let mut piece = vec![0; PIECE];
    let mut received = 0;
    while received < down {
        let count = reading.read(&mut piece).await.unwrap();
        assert!(count > 0, "cut after {received} bytes");
        received += count;
    }
    drop(sending.await.unwrap());
}

/// A gibibyte up and one down, beside a hundred downloads that stand still.
#[tokio::test(flavor = "multi_thread")]
async fn bodies_larger_than_memory_pass() {
    const GIB: usize = 1 << 30;
    const BOUND: usize = 64 << 20;
    let _machine = Machine::shared().await;
    let balancer = Balancer::start().await;
    let mut stalled = Vec::new();
    let before = balancer.memory();
    for _ in 0..100 {
        let mut client = connect(balancer.address).await;
        let request = format!("GET /sized/{} HTTP/1.1\r\nHost: a\r\n\r\n", 64 << 20);
        client.write_all(request.as_bytes()).await.unwrap();
        stalled.push(client);
    }
    let start = Instant::now();
    let exchanged = exchange(balancer.address, GIB, GIB);
    tokio::pin!(exchanged);
    let mut most = 0;
    while timeout(Duration::from_millis(20), &mut exchanged)
        .await
        .is_err()
    {
        most = most.max(balancer.memory());
        assert!(
            start.elapsed() < Duration::from_secs(120),
            "a gibibyte each way"
        );
    }
    let grown = most.saturating_sub(before);
    println!(
        "1 GiB each way in {:.1} s beside 100 stalled downloads: {} KiB more",
        start.elapsed().as_secs_f64(),
        grown >> 10
    );
    assert!(grown < BOUND, "{grown} bytes");
}
