use std::{collections::HashMap, net::Ipv4Addr};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::PATIENCE;

/// A client that sends bytes and reads replies.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    pub(crate) buffer: Vec<u8>,
}

#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) version: String,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Client {
    pub(crate) async fn connect(port: u16) -> Self {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))
            .await
            .unwrap();
        Self::over(stream)
    }

    pub(crate) fn over(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        Self {
            stream,
            buffer: Vec::new(),
        }
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        timeout(PATIENCE, self.stream.write_all(bytes.as_ref()))
            .await
            .unwrap()
            .unwrap();
    }

    /// Sends; false if the other side has closed.
    pub(crate) async fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        let sent = timeout(PATIENCE, self.stream.write_all(bytes.as_ref()));
        sent.await.expect("the balancer takes nothing").is_ok()
    }

    pub(crate) async fn reply(&mut self) -> Reply {
        self.try_reply(true).await.expect("a whole reply")
    }

    /// Reads a reply; `None` if the connection ends before it does.
    pub(crate) async fn try_reply(&mut self, may_have_body: bool) -> Option<Reply> {
        let mut reply = self.head().await?;
        let length = reply
            .headers
            .get("content-length")
            .map(|length| length.parse().unwrap());
        let is_bodiless = !may_have_body || matches!(reply.status, 100..=199 | 204 | 304);
        reply.body = match (is_bodiless, length) {
            (true, _) => Vec::new(),
            _ if reply.headers.contains_key("transfer-encoding") => self.chunked().await?,
            (_, Some(length)) => self.take(length).await?,
            _ => self.rest().await,
        };
        Some(reply)
    }

    pub(crate) async fn head(&mut self) -> Option<Reply> {
        let head = self.until(b"\r\n\r\n").await?;
        let head = String::from_utf8(head).unwrap();
        let mut lines = head.trim_end().split("\r\n");
        let mut words = lines.next().unwrap().splitn(3, ' ');
        let version = words.next().unwrap().to_owned();
        let status = words.next().unwrap().parse().unwrap();
        let mut headers: HashMap<String, String> = HashMap::new();
        for line in lines {
            let (name, value) = line.split_once(':').unwrap();
            let known = headers.entry(name.to_ascii_lowercase()).or_default();
            if !known.is_empty() {
                known.push_str(" | ");
            }
            known.push_str(value.trim());
        }
        Some(Reply {
            status,
            version,
            headers,
            body: Vec::new(),
        })
    }

    async fn chunked(&mut self) -> Option<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let chunk = self.chunk().await?;
            if chunk.is_empty() {
                return Some(body);
            }
            body.extend(chunk);
        }
    }

    /// The next chunk; empty at the end of the body.
    pub(crate) async fn chunk(&mut self) -> Option<Vec<u8>> {
        let line = String::from_utf8(self.until(b"\r\n").await?).unwrap();
        let size = usize::from_str_radix(line.trim().split(';').next().unwrap(), 16).unwrap();
        if size == 0 {
            // Trailers, if any, end with an empty line.
            while self.until(b"\r\n").await? != b"\r\n" {}
            return Some(Vec::new());
        }
        let chunk = self.take(size).await?;
        self.take(2).await?;
        Some(chunk)
    }

    /// Bytes up to and with `mark`.
    pub(crate) async fn until(&mut self, mark: &[u8]) -> Option<Vec<u8>> {
        loop {
            if let Some(at) = self
                .buffer
                .windows(mark.len())
                .position(|window| window == mark)
            {
                return Some(self.buffer.drain(..at + mark.len()).collect());
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

    /// All until the end of the connection.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        while self.fill().await.is_some() {}
        std::mem::take(&mut self.buffer)
    }

    pub(crate) async fn is_closed(&mut self) -> bool {
        self.buffer.is_empty() && self.fill().await.is_none()
    }

    /// How many bytes come until the other side ends well; none if it resets.
    pub(crate) async fn end(&mut self) -> Option<usize> {
        let mut rest = Vec::new();
        let read = timeout(PATIENCE, self.stream.read_to_end(&mut rest));
        read.await.expect("the balancer says nothing").ok()
    }

    async fn fill(&mut self) -> Option<()> {
        let read = self.stream.read_buf(&mut self.buffer);
        let read = timeout(PATIENCE, read)
            .await
            .expect("the balancer says nothing");
        // A reset is an end too.
        (read.unwrap_or(0) > 0).then_some(())
    }
}

impl Reply {
    pub(crate) fn says_close(&self) -> bool {
        let option = self.headers.get("connection");
        option.is_some_and(|option| option.eq_ignore_ascii_case("close"))
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}
