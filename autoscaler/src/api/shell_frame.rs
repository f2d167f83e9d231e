//! What goes over the connection of a shell: a byte that says what it is, the length of the
//! rest in four (big-endian), and the rest.

use std::io;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio_util::codec::{Decoder, Encoder};

use crate::provider::WindowSize;

/// Longer output goes in several frames; a longer frame is refused.
const MAX_PAYLOAD: usize = 64 * 1024;
const HEAD: usize = 1 + 4;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ShellFrame {
    /// From the client: typed, or read.
    Stdin(Bytes),
    /// From the client: nothing more will be.
    StdinEnd,
    /// From the client: the window has another size.
    Resize(WindowSize),
    Stdout(Bytes),
    Stderr(Bytes),
    /// The command's exit code, last of all.
    Exit(i32),
    /// Why there will be no exit code, last of all.
    Error(String),
    /// Means nothing; a client that has gone is found out by it.
    KeepAlive,
}

/// Both directions.
#[derive(Clone, Copy, Debug, Default)]
pub struct ShellCodec;

impl Encoder<ShellFrame> for ShellCodec {
    type Error = io::Error;

    fn encode(&mut self, frame: ShellFrame, to: &mut BytesMut) -> io::Result<()> {
        match frame {
            ShellFrame::Stdin(bytes) => put_all(to, 0, &bytes),
            ShellFrame::StdinEnd => put(to, 1, &[]),
            ShellFrame::Resize(WindowSize { rows, columns }) => {
                let [a, b] = rows.to_be_bytes();
                let [c, d] = columns.to_be_bytes();
                put(to, 2, &[a, b, c, d]);
            }
            ShellFrame::Stdout(bytes) => put_all(to, 16, &bytes),
            ShellFrame::Stderr(bytes) => put_all(to, 17, &bytes),
            ShellFrame::Exit(code) => put(to, 18, &code.to_be_bytes()),
            ShellFrame::Error(text) => put(to, 19, &text.as_bytes()[..text.len().min(MAX_PAYLOAD)]),
            ShellFrame::KeepAlive => put(to, 20, &[]),
        }
        Ok(())
    }
}

impl Decoder for ShellCodec {
    type Item = ShellFrame;
    type Error = io::Error;

    fn decode(&mut self, from: &mut BytesMut) -> io::Result<Option<ShellFrame>> {
        let Some((kind, mut length)) = from.split_at_checked(1) else {
            return Ok(None);
        };
        let kind = kind[0];
        let Ok(length) = length.try_get_u32() else {
            return Ok(None);
        };
        let length = length as usize;
        if length > MAX_PAYLOAD {
            return Err(invalid("a frame is too long"));
        }
        if from.len() < HEAD + length {
            from.reserve(HEAD + length - from.len());
            return Ok(None);
        }
        from.advance(HEAD);
        frame(kind, from.split_to(length).freeze()).map(Some)
    }
}

fn frame(kind: u8, mut payload: Bytes) -> io::Result<ShellFrame> {
    let wrong = |_| invalid("a frame is too short");
    let frame = match kind {
        0 => ShellFrame::Stdin(std::mem::take(&mut payload)),
        1 => ShellFrame::StdinEnd,
        2 => ShellFrame::Resize(WindowSize {
            rows: payload.try_get_u16().map_err(wrong)?,
            columns: payload.try_get_u16().map_err(wrong)?,
        }),
        16 => ShellFrame::Stdout(std::mem::take(&mut payload)),
        17 => ShellFrame::Stderr(std::mem::take(&mut payload)),
        18 => ShellFrame::Exit(payload.try_get_i32().map_err(wrong)?),
        19 => {
            let text = std::mem::take(&mut payload);
            ShellFrame::Error(String::from_utf8_lossy(&text).into_owned())
        }
        20 => ShellFrame::KeepAlive,
        _ => return Err(invalid("a frame is of no kind that is known")),
    };
    match payload.is_empty() {
        true => Ok(frame),
        false => Err(invalid("a frame is too long")),
    }
}

fn put_all(to: &mut BytesMut, kind: u8, bytes: &[u8]) {
    for part in bytes.chunks(MAX_PAYLOAD) {
        put(to, kind, part);
    }
}

fn put(to: &mut BytesMut, kind: u8, payload: &[u8]) {
    to.put_u8(kind);
    to.put_u32(u32::try_from(payload.len()).expect("at most MAX_PAYLOAD"));
    to.put_slice(payload);
}

fn invalid(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(frames: &[ShellFrame]) -> BytesMut {
        let mut bytes = BytesMut::new();
        for frame in frames {
            ShellCodec.encode(frame.clone(), &mut bytes).unwrap();
        }
        bytes
    }

    #[test]
    fn frames_come_whole_however_they_are_cut() {
        let frames = [
            ShellFrame::Stdin(Bytes::from_static(b"\x00ls\n")),
            ShellFrame::StdinEnd,
            ShellFrame::Resize(WindowSize {
                rows: 24,
                columns: 300,
            }),
            ShellFrame::Stdout(Bytes::from_static(b"\xff")),
            ShellFrame::Stderr(Bytes::from_static(b"no")),
            ShellFrame::Exit(-1),
            ShellFrame::Error("gone".to_owned()),
            ShellFrame::KeepAlive,
        ];
        let (mut heard, mut got) = (BytesMut::new(), Vec::new());
        for byte in sent(&frames) {
            heard.put_u8(byte);
            got.extend(ShellCodec.decode(&mut heard).unwrap());
        }
        assert_eq!(got, frames);
        assert!(heard.is_empty());
    }

    #[test]
    fn long_output_goes_in_several_frames() {
        let long = Bytes::from(vec![7; MAX_PAYLOAD + 1]);
        let mut bytes = sent(&[ShellFrame::Stdout(long)]);
        let mut lengths = Vec::new();
        while let Some(ShellFrame::Stdout(part)) = ShellCodec.decode(&mut bytes).unwrap() {
            lengths.push(part.len());
        }
        assert_eq!(lengths, [MAX_PAYLOAD, 1]);
    }

    #[test]
    fn nonsense_is_refused() {
        for bytes in [
            &[0, 0, 1, 0, 1][..],
            &[99, 0, 0, 0, 0],
            &[2, 0, 0, 0, 3, 0, 1, 0],
            &[18, 0, 0, 0, 5, 0, 0, 0, 0, 0],
        ] {
            let refused = ShellCodec.decode(&mut BytesMut::from(bytes));
            assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::InvalidData);
        }
    }
}
