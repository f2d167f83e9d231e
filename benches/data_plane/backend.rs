//! What the proxies stand in front of: as little of an HTTP server as they need, in a process
//! of its own so that its CPU is nobody else's.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    thread,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::options::Size;

/// Echoes the head of the request in the body of its answer.
pub(crate) const ECHO: &str = "/echo";
/// Heads of requests, which are ours and the proxies'.
const MAX_HEAD: usize = 16 * 1024;
const HEAD_END: &[u8] = b"\r\n\r\n";

/// A backend process; ends with this value, and with the process that holds it.
pub(crate) struct Backend {
    pub(crate) address: SocketAddr,
    child: Child,
}

impl Backend {
    pub(crate) fn start() -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .arg("--backend")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut address = String::new();
        BufReader::new(child.stdout.as_mut().unwrap())
            .read_line(&mut address)
            .unwrap();
        Self {
            address: address.trim().parse().unwrap(),
            child,
        }
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// Serves on a port of its choice, which it prints, until stdin ends.
#[tokio::main(flavor = "current_thread")]
pub(crate) async fn serve() {
    thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("{}", listener.local_addr().unwrap());
    std::io::stdout().flush().unwrap();
    let answers: &'static Answers = Box::leak(Box::new(Answers::new()));
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        tokio::spawn(async move {
            // The proxy has gone, or has reset the connection: either is its right.
            let _ = converse(stream, answers).await;
        });
    }
}

/// Whole messages, made once.
struct Answers(Vec<(&'static str, Vec<u8>)>);

impl Answers {
    fn new() -> Self {
        let sized = |size: Size| (size.path(), answer(&vec![b'x'; size.bytes()]));
        let mut all: Vec<_> = Size::ALL.map(sized).into();
        all.push(("/health", answer(b"healthy")));
        Self(all)
    }

    fn to(&self, path: &str) -> Option<&[u8]> {
        let (_, answer) = self.0.iter().find(|(known, _)| *known == path)?;
        Some(answer)
    }
}

async fn converse(mut stream: TcpStream, answers: &Answers) -> std::io::Result<()> {
    let mut buffer = vec![0; MAX_HEAD];
    let mut filled = 0;
    loop {
        let Some(end) = find(&buffer[..filled], HEAD_END) else {
            match stream.read(&mut buffer[filled..]).await? {
                0 => return Ok(()),
                read => filled += read,
            }
            continue;
        };
        let head = &buffer[..end];
        match answers.to(path(head)) {
            Some(answer) => stream.write_all(answer).await?,
            None if path(head) == ECHO => stream.write_all(&answer(head)).await?,
            None => return Ok(()),
        }
        buffer.copy_within(end..filled, 0);
        filled -= end;
    }
}

fn path(head: &[u8]) -> &str {
    let target = head.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
    str::from_utf8(target).unwrap_or_default()
}

/// Where `bytes` go on behind the first `end`.
pub(crate) fn find(bytes: &[u8], end: &[u8]) -> Option<usize> {
    let at = bytes.windows(end.len()).position(|window| window == end)?;
    Some(at + end.len())
}

fn answer(body: &[u8]) -> Vec<u8> {
    let mut answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    answer.extend_from_slice(body);
    answer
}
