use super::Fault;

/// What is left of a line.
pub(super) struct Cursor<'a> {
    rest: &'a str,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(line: &'a str) -> Self {
        Self { rest: line }
    }

    pub(super) fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t']);
    }

    pub(super) fn is_at(&self, wanted: char) -> bool {
        self.rest.starts_with(wanted)
    }

    /// Steps over `wanted` if it is next.
    pub(super) fn take(&mut self, wanted: char) -> bool {
        match self.rest.strip_prefix(wanted) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    pub(super) fn metric_name(&mut self) -> Option<&'a str> {
        self.name(|byte| byte == b':')
    }

    pub(super) fn label_name(&mut self) -> Option<&'a str> {
        self.name(|_| false)
    }

    /// Letters, digits, underscores and what `extra` allows; no digit first.
    fn name(&mut self, extra: impl Fn(u8) -> bool) -> Option<&'a str> {
        let length = self
            .rest
            .bytes()
            .position(|byte| !(byte.is_ascii_alphanumeric() || byte == b'_' || extra(byte)))
            .unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(length);
        if name.is_empty() || name.starts_with(|first: char| first.is_ascii_digit()) {
            return None;
        }
        self.rest = rest;
        Some(name)
    }

    /// A label value, from behind its opening quote to behind its closing one.
    pub(super) fn quoted(&mut self) -> Result<String, Fault> {
        let mut value = String::new();
        loop {
            let stop = self.rest.find(['"', '\\']).ok_or(Fault::Unclosed)?;
            value.push_str(&self.rest[..stop]);
            let escaped = self.rest[stop..].starts_with('\\');
            self.rest = &self.rest[stop + 1..];
            if !escaped {
                return Ok(value);
            }
            value.push(self.escape()?);
        }
    }

    fn escape(&mut self) -> Result<char, Fault> {
        let mut characters = self.rest.chars();
        let meant = match characters.next() {
            Some('\\') => '\\',
            Some('"') => '"',
            Some('n') => '\n',
            Some(_) => return Err(Fault::Escape),
            None => return Err(Fault::Unclosed),
        };
        self.rest = characters.as_str();
        Ok(meant)
    }

    pub(super) fn words(self) -> impl Iterator<Item = &'a str> {
        self.rest.split([' ', '\t']).filter(|word| !word.is_empty())
    }
}
