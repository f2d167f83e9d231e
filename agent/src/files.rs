use std::{
    collections::HashMap, ffi::OsString, fs::File, io, os::unix::fs::FileExt as _, path::Path,
};

const FIRST_BYTES: usize = 8 * 1024;
/// Longest file that is read: /proc/stat of a node with hundreds of CPUs fits.
const MAX_BYTES: usize = 256 * 1024;
/// Files kept open. An agent may share its process with a balancer, whose connections need
/// descriptors more: what is beyond is opened for each reading.
const MAX_KEPT: usize = 400;
/// Samples after which a file that is not read is closed.
const IDLE_SAMPLES: u64 = 8;

/// Reads small kernel files, again and again into the same buffer.
///
/// Most of the cost of reading such a file is in finding it, so that files which are read in
/// each sample are kept open. The kernel makes their content anew for each reading, and
/// fails it once the cgroup or process is gone, whatever has its path by then.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    buffer: Vec<u8>,
    /// By path. As a string, since a `Path` is hashed part by part.
    kept: HashMap<OsString, Kept>,
    sample: u64,
}

#[derive(Debug)]
struct Kept {
    file: File,
    used: u64,
}

impl Reader {
    /// Opens a sample: files that the last few did not read are closed.
    pub(crate) fn begin_sample(&mut self) {
        let now = self.sample + 1;
        self.kept.retain(|_, kept| now - kept.used <= IDLE_SAMPLES);
        self.sample = now;
    }

    /// The whole file as text, if it is one: UTF-8, bounded, and complete, which the kernel
    /// shows by the line feed it ends every such file with. None for a file that is gone.
    pub(crate) fn text(&mut self, path: &Path) -> Option<&str> {
        let bytes = self.again(path).ok()?;
        let text = std::str::from_utf8(bytes).ok()?;
        text.ends_with('\n').then_some(text)
    }

    /// The whole file, which is kept open to be read in the next sample, too.
    ///
    /// # Errors
    /// Those of opening and reading, and `FileTooLarge` past the bound.
    pub(crate) fn again(&mut self, path: &Path) -> io::Result<&[u8]> {
        if let Some(kept) = self.kept.get_mut(path.as_os_str()) {
            if let Ok(length) = read(&kept.file, &mut self.buffer) {
                kept.used = self.sample;
                return Ok(&self.buffer[..length]);
            }
            self.kept.remove(path.as_os_str());
        }
        let file = File::open(path)?;
        let length = read(&file, &mut self.buffer)?;
        if self.kept.len() < MAX_KEPT {
            let used = self.sample;
            self.kept.insert(path.into(), Kept { file, used });
        }
        Ok(&self.buffer[..length])
    }

    /// The whole file, which is not read again soon.
    ///
    /// # Errors
    /// As those of [`Reader::again`].
    pub(crate) fn once(&mut self, path: &Path) -> io::Result<&[u8]> {
        let length = read(&File::open(path)?, &mut self.buffer)?;
        Ok(&self.buffer[..length])
    }
}

/// One reading, since two could be of two states: the kernel gives all that fits.
fn read(file: &File, buffer: &mut Vec<u8>) -> io::Result<usize> {
    if buffer.is_empty() {
        buffer.resize(FIRST_BYTES, 0);
    }
    loop {
        let length = file.read_at(buffer, 0)?;
        if length < buffer.len() {
            return Ok(length);
        }
        if buffer.len() >= MAX_BYTES {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        buffer.resize(buffer.len() * 2, 0);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn file(content: &[u8]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), content).unwrap();
        file
    }

    #[test]
    fn long_files_are_read_whole_and_too_long_ones_not_at_all() {
        let mut reader = Reader::default();
        let long = file(&vec![b'1'; MAX_BYTES - 1]);
        assert_eq!(reader.once(long.path()).unwrap().len(), MAX_BYTES - 1);
        let too_long = file(&vec![b'1'; MAX_BYTES]);
        let error = reader.once(too_long.path()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
        assert!(reader.kept.is_empty());
    }

    #[test]
    fn files_are_kept_for_as_long_as_they_are_read() {
        let mut reader = Reader::default();
        let file = file(b"1\n");
        for content in ["1\n", "22\n"] {
            reader.begin_sample();
            fs::write(file.path(), content).unwrap();
            assert_eq!(reader.text(file.path()), Some(content));
            assert_eq!(reader.kept.len(), 1);
        }
        for _ in 0..=IDLE_SAMPLES {
            reader.begin_sample();
        }
        assert!(reader.kept.is_empty());
    }

    #[test]
    fn no_more_files_are_kept_than_allowed() {
        let mut reader = Reader::default();
        let files: Vec<_> = (0..=MAX_KEPT).map(|_| file(b"1\n")).collect();
        reader.begin_sample();
        for file in &files {
            assert_eq!(reader.text(file.path()), Some("1\n"));
        }
        assert_eq!(reader.kept.len(), MAX_KEPT);
    }
}
