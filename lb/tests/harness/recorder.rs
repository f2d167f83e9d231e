use std::sync::{Arc, Mutex, PoisonError};

use super::{Conn, Target, target::field};

/// What a target's connections have carried, to the byte.
#[derive(Clone, Default)]
pub(crate) struct Record(Arc<Mutex<Seen>>);

#[derive(Default)]
struct Seen {
    bytes: Vec<u8>,
    requests: Vec<Received>,
}

/// A request as a server reads it that takes nothing but the letter of RFC 9112.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Record {
    /// A target that answers each whole request with its request line.
    pub(crate) async fn target(&self) -> Target {
        let record = self.clone();
        Target::scripted(move |conn, head| record.clone().serve(conn, head)).await
    }

    async fn serve(self, mut conn: Conn, head: String) -> Option<()> {
        let mut unread = head.into_bytes();
        self.note(&unread);
        loop {
            self.note(&conn.buffer);
            unread.append(&mut conn.buffer);
            while let Some(request) = Received::split_off(&mut unread) {
                let line = request.line().to_owned();
                self.lock().requests.push(request);
                conn.answer(200, &line).await?;
            }
            conn.fill().await?;
        }
    }

    /// All bytes and whole requests since the last time.
    pub(crate) fn take(&self) -> (Vec<u8>, Vec<Received>) {
        let seen = std::mem::take(&mut *self.lock());
        (seen.bytes, seen.requests)
    }

    fn note(&self, bytes: &[u8]) {
        self.lock().bytes.extend_from_slice(bytes);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Received {
    pub(crate) fn line(&self) -> &str {
        self.head.lines().next().unwrap_or("")
    }

    fn split_off(bytes: &mut Vec<u8>) -> Option<Self> {
        let end = position(bytes, b"\r\n\r\n")? + 4;
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let lengths = head.lines().filter(|line| is_framing(line)).count();
        assert!(lengths < 2, "framed twice: {head:?}");
        let (body, length) = match field(&head, "transfer-encoding") {
            Some(coding) => {
                assert_eq!(coding, "chunked");
                dechunk(&bytes[end..])?
            }
            None => {
                let length = field(&head, "content-length").unwrap_or("0");
                let length: usize = length.parse().unwrap();
                (bytes.get(end..end + length)?.to_vec(), length)
            }
        };
        bytes.drain(..end + length);
        Some(Self { head, body })
    }
}

fn is_framing(line: &str) -> bool {
    let name = line.split(':').next().unwrap_or("");
    ["content-length", "transfer-encoding"].contains(&name.to_ascii_lowercase().as_str())
}

/// The data of a chunked body and its length in bytes, once it is all there.
fn dechunk(bytes: &[u8]) -> Option<(Vec<u8>, usize)> {
    let (mut body, mut at) = (Vec::new(), 0);
    loop {
        let line = position(&bytes[at..], b"\r\n")?;
        let digits = std::str::from_utf8(&bytes[at..at + line]).unwrap();
        let size = usize::from_str_radix(digits, 16).unwrap();
        at += line + 2;
        if size == 0 {
            let trailers = match bytes[at..].starts_with(b"\r\n") {
                true => 2,
                false => position(&bytes[at..], b"\r\n\r\n")? + 4,
            };
            return Some((body, at + trailers));
        }
        body.extend_from_slice(bytes.get(at..at + size)?);
        assert_eq!(bytes.get(at + size..at + size + 2)?, b"\r\n");
        at += size + 2;
    }
}

fn position(bytes: &[u8], mark: &[u8]) -> Option<usize> {
    bytes.windows(mark.len()).position(|window| window == mark)
}
