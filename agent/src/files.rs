use std::{
    fs::File,
    io::{self, Read as _},
    path::Path,
};

/// Longest file that is read whole: /proc/stat of a node with hundreds of CPUs fits.
const MAX_BYTES: usize = 256 * 1024;
const FIRST_BYTES: usize = 4096;

/// Reads small kernel files, again and again into the same buffer.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    buffer: Vec<u8>,
}

impl Reader {
    /// The whole file as text, if it is one: UTF-8, bounded, and complete, which the kernel
    /// shows by the line feed it ends every such file with. None for a file that is gone.
    pub(crate) fn text(&mut self, path: &Path) -> Option<&str> {
        let bytes = self.bytes(path).ok()?;
        let text = std::str::from_utf8(bytes).ok()?;
        text.ends_with('\n').then_some(text)
    }

    /// The whole file.
    ///
    /// # Errors
    /// Those of opening and reading, and `FileTooLarge` past the bound.
    pub(crate) fn bytes(&mut self, path: &Path) -> io::Result<&[u8]> {
        let mut file = File::open(path)?;
        if self.buffer.is_empty() {
            self.buffer.resize(FIRST_BYTES, 0);
        }
        let mut length = 0;
        loop {
            match file.read(&mut self.buffer[length..])? {
                0 => return Ok(&self.buffer[..length]),
                more => length += more,
            }
            if length == self.buffer.len() {
                self.grow()?;
            }
        }
    }

    fn grow(&mut self) -> io::Result<()> {
        if self.buffer.len() >= MAX_BYTES {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.buffer.resize(self.buffer.len() * 4, 0);
        Ok(())
    }
}
