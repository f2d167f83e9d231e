use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use minicloud_lb_api::Target as Registration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    task::JoinSet,
};

/// A target that passes its health checks and leaves everything else to a script.
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    pub(crate) state: Arc<State>,
    tasks: JoinSet<()>,
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) unhealthy: AtomicBool,
    pub(crate) draining: AtomicBool,
    /// Connections and requests that were no health checks.
    pub(crate) connections: AtomicUsize,
    pub(crate) requests: AtomicUsize,
    pub(crate) checks: AtomicUsize,
}

/// One connection to a target.
pub(crate) struct Conn {
    pub(crate) stream: TcpStream,
    pub(crate) buffer: Vec<u8>,
    pub(crate) state: Arc<State>,
    /// Counts from 0 over the target's connections.
    pub(crate) number: usize,
}

impl Target {
    /// Each connection's first request head is given to `script`, with the connection.
    pub(crate) async fn scripted<F>(
        script: impl Fn(Conn, String) -> F + Clone + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Option<()>> + Send + 'static,
    {
        Self::scripted_at((Ipv4Addr::LOCALHOST, 0).into(), script).await
    }

    pub(crate) async fn scripted_at<F>(
        address: SocketAddr,
        script: impl Fn(Conn, String) -> F + Clone + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Option<()>> + Send + 'static,
    {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(address).unwrap();
        let listener = socket.listen(1024).unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State::default());
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, Arc::clone(&state), script));
        Self {
            address,
            state,
            tasks,
        }
    }

    /// Answers every request with 200 and its own id, keeping connections open.
    pub(crate) async fn plain() -> Self {
        Self::scripted(|mut conn, mut head| async move {
            loop {
                conn.read_body(&head).await?;
                let address = conn.stream.local_addr().unwrap().to_string();
                conn.answer(200, &address).await?;
                head = conn.head().await?;
            }
        })
        .await
    }

    pub(crate) fn id(&self) -> String {
        format!("i-{}", self.address.port())
    }

    pub(crate) fn registration(&self) -> Registration {
        Registration {
            id: self.id(),
            address: self.address.to_string(),
            availability_zone: None,
            draining: self.state.draining.load(Ordering::SeqCst),
            load: None,
        }
    }

    pub(crate) fn set_unhealthy(&self, unhealthy: bool) {
        self.state.unhealthy.store(unhealthy, Ordering::SeqCst);
    }

    pub(crate) fn set_draining(&self) {
        self.state.draining.store(true, Ordering::SeqCst);
    }

    pub(crate) fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }

    pub(crate) fn requests(&self) -> usize {
        self.state.requests.load(Ordering::SeqCst)
    }

    pub(crate) fn checks(&self) -> usize {
        self.state.checks.load(Ordering::SeqCst)
    }

    /// Closes the port and every connection, as a kill does.
    pub(crate) async fn kill(&mut self) {
        self.tasks.shutdown().await;
    }
}

async fn accept<F>(
    listener: TcpListener,
    state: Arc<State>,
    script: impl Fn(Conn, String) -> F + Clone + Send + Sync + 'static,
) where
    F: Future<Output = Option<()>> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        let conn = Conn {
            stream,
            buffer: Vec::new(),
            state: Arc::clone(&state),
            number: 0,
        };
        let script = script.clone();
        connections.spawn(async move {
            conn.serve(script).await;
        });
        while connections.try_join_next().is_some() {}
    }
}

impl Conn {
    async fn serve<F>(mut self, script: impl Fn(Self, String) -> F) -> Option<()>
    where
        F: Future<Output = Option<()>>,
    {
        let head = self.raw_head().await?;
        if head.starts_with("GET /health ") {
            self.state.checks.fetch_add(1, Ordering::SeqCst);
            let status = if self.state.unhealthy.load(Ordering::SeqCst) {
                503
            } else {
                200
            };
            return self.answer(status, "").await;
        }
        self.number = self.state.connections.fetch_add(1, Ordering::SeqCst);
        self.state.requests.fetch_add(1, Ordering::SeqCst);
        script(self, head).await
    }

    /// The next request's head on this connection.
    pub(crate) async fn head(&mut self) -> Option<String> {
        let head = self.raw_head().await?;
        self.state.requests.fetch_add(1, Ordering::SeqCst);
        Some(head)
    }

    async fn raw_head(&mut self) -> Option<String> {
        loop {
            if let Some(at) = self
                .buffer
                .windows(4)
                .position(|window| window == b"\r\n\r\n")
            {
                let head = self.buffer.drain(..at + 4).collect();
                return Some(String::from_utf8(head).unwrap());
            }
            self.fill().await?;
        }
    }

    pub(crate) async fn fill(&mut self) -> Option<usize> {
        let read = self.stream.read_buf(&mut self.buffer).await.ok()?;
        (read > 0).then_some(read)
    }

    /// The request's body, as its head frames it.
    pub(crate) async fn read_body(&mut self, head: &str) -> Option<Vec<u8>> {
        if field(head, "transfer-encoding").is_some() {
            let mut body = Vec::new();
            loop {
                let line = self.line().await?;
                let size = usize::from_str_radix(line.trim(), 16).unwrap();
                body.extend(self.take(size).await?);
                self.take(2).await?;
                if size == 0 {
                    return Some(body);
                }
            }
        }
        let length = field(head, "content-length").map_or(0, |length| length.parse().unwrap());
        self.take(length).await
    }

    async fn line(&mut self) -> Option<String> {
        loop {
            if let Some(at) = self.buffer.windows(2).position(|window| window == b"\r\n") {
                return Some(String::from_utf8(self.buffer.drain(..at + 2).collect()).unwrap());
            }
            self.fill().await?;
        }
    }

    pub(crate) async fn take(&mut self, count: usize) -> Option<Vec<u8>> {
        while self.buffer.len() < count {
            self.fill().await?;
        }
        Some(self.buffer.drain(..count).collect())
    }

    pub(crate) async fn write(&mut self, bytes: impl AsRef<[u8]>) -> Option<()> {
        self.stream.write_all(bytes.as_ref()).await.ok()
    }

    pub(crate) async fn answer(&mut self, status: u16, body: &str) -> Option<()> {
        let length = body.len();
        self.write(format!(
            "HTTP/1.1 {status} Status\r\nContent-Length: {length}\r\n\r\n{body}"
        ))
        .await
    }

    /// Closes with a reset.
    pub(crate) fn reset(self) {
        self.stream.set_zero_linger().unwrap();
    }

    /// Waits until the other side has closed.
    pub(crate) async fn until_closed(&mut self) {
        while self.fill().await.is_some() {}
    }
}

/// The value of a field of a raw head.
pub(crate) fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = head.lines();
    lines.find_map(|line| {
        let (field, value) = line.split_once(':')?;
        field.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}
