//! The client's side: connections that ask for one thing again and again.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::SocketAddr,
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{backend::find, options::Size};

/// What the head of an answer may take.
const MAX_HEAD: usize = 1024;
/// Large bodies are read in pieces of this size.
const MAX_BUFFER: usize = 256 * 1024;
const PATIENCE: Duration = Duration::from_secs(5);

/// A connection that is kept from one exchange to the next.
pub(crate) struct Connection {
    stream: TcpStream,
    request: String,
    body: usize,
    buffer: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr, size: Size) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            request: request(address, size.path(), ""),
            body: size.bytes(),
            buffer: vec![0; (MAX_HEAD + size.bytes()).min(MAX_BUFFER)],
        })
    }

    /// Asks, and reads the answer to its last byte. An error, unless it is the one expected.
    pub(crate) async fn exchange(&mut self) -> io::Result<()> {
        self.stream.write_all(self.request.as_bytes()).await?;
        let mut filled = 0;
        let head = loop {
            filled += self.read(filled).await?;
            if let Some(end) = find(&self.buffer[..filled], b"\r\n\r\n") {
                break end;
            }
        };
        check(&self.buffer[..head], self.body)?;
        let mut missing = (head + self.body)
            .checked_sub(filled)
            .ok_or_else(|| unexpected("bytes behind the answer"))?;
        while missing > 0 {
            let read = self.read(0).await?;
            missing = missing
                .checked_sub(read)
                .ok_or_else(|| unexpected("bytes behind the answer"))?;
        }
        Ok(())
    }

    async fn read(&mut self, at: usize) -> io::Result<usize> {
        match self.stream.read(&mut self.buffer[at..]).await? {
            0 => Err(ErrorKind::UnexpectedEof.into()),
            read => Ok(read),
        }
    }
}

/// One exchange on a connection of its own; the whole answer.
pub(crate) fn ask(address: SocketAddr, path: &str) -> io::Result<String> {
    let mut stream = std::net::TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(request(address, path, "Connection: close\r\n").as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    match answer.starts_with("HTTP/1.1 200 ") {
        true => Ok(answer),
        false => Err(unexpected(answer.lines().next().unwrap_or("no answer"))),
    }
}

fn request(address: SocketAddr, path: &str, more: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nUser-Agent: bench\r\nAccept: */*\r\n{more}\r\n"
    )
}

fn check(head: &[u8], body: usize) -> io::Result<()> {
    let head = str::from_utf8(head).map_err(|_| unexpected("bytes that are no text"))?;
    if !head.starts_with("HTTP/1.1 200 ") {
        return Err(unexpected(head.lines().next().unwrap_or_default()));
    }
    let mut fields = head.lines().filter_map(|line| line.split_once(':'));
    let length = fields.find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    match length.and_then(|(_, value)| value.trim().parse::<usize>().ok()) {
        Some(length) if length == body => Ok(()),
        _ => Err(unexpected("an answer of another length")),
    }
}

fn unexpected(what: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, format!("unexpected: {what}"))
}
