//! Reading the log of an instance, while it is written and set aside.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use futures_util::stream;
use tokio::time::sleep;

use super::{Shared, blocking, log_file};
use crate::{
    instance::InstanceId,
    provider::{LogRequest, LogStream, ProviderError},
};

/// Of each file that is looked through for the last lines: more is not read for them.
const MOST_LOOKED_THROUGH: u64 = 1 << 20;
/// Read at once.
const CHUNK: u64 = 64 << 10;
/// How soon a line that is written is seen.
const POLL: Duration = Duration::from_millis(200);

pub(super) async fn logs(
    shared: &Arc<Shared>,
    id: &InstanceId,
    wanted: LogRequest,
) -> Result<LogStream, ProviderError> {
    let folder = shared.records.folder(id);
    let missing = format!("the log of {id} cannot be read");
    let read = {
        let folder = folder.clone();
        blocking(move || last_lines(&folder, wanted.tail)).await
    };
    let (lines, offset) = read
        .map_err(|_| ProviderError::Unreachable("minicloud is shutting down".to_owned()))?
        .map_err(|error| ProviderError::Failed(format!("{missing}: {error}")))?;
    let rest = wanted.follow.then_some(Rest { folder, offset });
    let first = Some(lines).filter(|lines| !lines.is_empty());
    let pieces = stream::unfold((first, rest), |(first, rest)| async {
        match (first, rest) {
            (Some(lines), rest) => Some((lines, (None, rest))),
            (None, Some(rest)) => {
                let (piece, rest) = rest.next().await?;
                Some((piece, (None, Some(rest))))
            }
            (None, None) => None,
        }
    });
    Ok(Box::pin(pieces))
}

/// What is written after the lines that were there.
struct Rest {
    folder: PathBuf,
    offset: u64,
}

impl Rest {
    /// The next piece; none once the log is gone.
    async fn next(mut self) -> Option<(Bytes, Self)> {
        loop {
            let (folder, offset) = (self.folder.clone(), self.offset);
            let (piece, offset) = blocking(move || piece(&folder, offset)).await.ok()?.ok()?;
            self.offset = offset;
            if !piece.is_empty() {
                return Some((piece, self));
            }
            sleep(POLL).await;
        }
    }
}

/// What stands after `offset`, and where it ends. A log that has become shorter was begun anew.
fn piece(folder: &Path, offset: u64) -> io::Result<(Bytes, u64)> {
    let mut file = log_file::reader(folder)?;
    let offset = match file.metadata()?.len() {
        length if length < offset => 0,
        _ => offset,
    };
    file.seek(SeekFrom::Start(offset))?;
    let mut bytes = Vec::new();
    let length = file.take(CHUNK).read_to_end(&mut bytes)? as u64;
    Ok((bytes.into(), offset + length))
}

/// The last lines of what was set aside and what has been written since, and where that ends.
fn last_lines(folder: &Path, count: u32) -> io::Result<(Bytes, u64)> {
    let mut log = log_file::reader(folder)?;
    let mut bytes = match log_file::previous(folder) {
        Ok(mut previous) => end_of(&mut previous)?.0,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error),
    };
    let (end, offset) = end_of(&mut log)?;
    bytes.extend(end);
    Ok((tail(bytes.into(), count), offset))
}

fn end_of(file: &mut File) -> io::Result<(Vec<u8>, u64)> {
    let length = file.metadata()?.len();
    let start = length.saturating_sub(MOST_LOOKED_THROUGH);
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    let read = file.take(MOST_LOOKED_THROUGH).read_to_end(&mut bytes)? as u64;
    Ok((bytes, start + read))
}

/// The last `count` lines; one that is not finished counts.
fn tail(bytes: Bytes, count: u32) -> Bytes {
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let body = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
    if count == 0 || body.is_empty() {
        return Bytes::new();
    }
    let mut ends = body.iter().enumerate().rev();
    let before = ends
        .by_ref()
        .filter(|(_, byte)| **byte == b'\n')
        .nth(count - 1);
    let start = before.map_or(0, |(index, _)| index + 1);
    bytes.slice(start..)
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Write};

    use super::*;

    #[test]
    fn last_lines_are_counted_from_the_end() {
        for (text, count, expected) in [
            ("a\nb\nc\n", 2, "b\nc\n"),
            ("a\nb\nc", 2, "b\nc"),
            ("a\nb\n", 2, "a\nb\n"),
            ("a\nb\n", 9, "a\nb\n"),
            ("a\n\n", 1, "\n"),
            ("a\n", 0, ""),
            ("", 3, ""),
        ] {
            let bytes = Bytes::copy_from_slice(text.as_bytes());
            assert_eq!(tail(bytes, count), expected.as_bytes(), "{text:?} {count}");
        }
    }

    #[test]
    fn log_that_is_set_aside_loses_no_line() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path();
        assert!(last_lines(folder, 1).is_err());
        let mut writer = log_file::open(folder).unwrap();
        writer.write_all(b"one\ntwo\n").unwrap();
        let (lines, offset) = last_lines(folder, 10).unwrap();
        assert_eq!((&*lines, offset), (&b"one\ntwo\n"[..], 8));
        log_file::rotate(folder, 1).unwrap();
        writer.write_all(b"3\n").unwrap();
        let (lines, _) = last_lines(folder, 2).unwrap();
        assert_eq!(&*lines, b"two\n3\n");
        // Shorter than where the reader stood.
        let (fresh, offset) = piece(folder, offset).unwrap();
        assert_eq!((&*fresh, offset), (&b"3\n"[..], 2));
        assert_eq!(piece(folder, offset).unwrap().0, "");
        fs::remove_dir_all(folder).unwrap();
        assert!(piece(folder, offset).is_err());
    }
}
