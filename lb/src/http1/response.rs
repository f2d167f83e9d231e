use std::time::Duration;

use super::{
    BodyLength, Field, FieldFault, FieldName, HeadLimits, Span, Version,
    fields::FieldSection,
    framing::{Coding, Framing, FramingFault},
    lines::{Line, Lines, TooLong},
    syntax::{decimal, has_control, members, trim_blanks},
};

/// Why a target's response cannot be passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ResponseFault {
    #[error("the status line is too long")]
    StatusLineTooLong,
    #[error("the head is too long")]
    HeadTooLong,
    #[error("a field is too long")]
    FieldTooLong,
    #[error("the status line is not valid")]
    StatusLine,
    #[error("{0}")]
    Field(#[from] FieldFault),
    #[error("Content-Length is not one number")]
    ContentLength,
    #[error("Content-Length has several values")]
    DifferingContentLengths,
    #[error("Transfer-Encoding is not one `chunked`")]
    TransferEncoding,
}

/// A response's head. Reused as a [`RequestHead`](super::RequestHead) is.
#[derive(Debug)]
pub(crate) struct ResponseHead {
    lines: Lines,
    is_settled: bool,
    has_bare_line: bool,
    line: Option<StatusLine>,
    fields: FieldSection,
    framing: Framing,
    keep_alive_timeout: Option<Duration>,
    body: BodyLength,
}

#[derive(Clone, Copy, Debug)]
struct StatusLine {
    version: Version,
    status: u16,
    reason: Span,
}

impl ResponseHead {
    pub(crate) fn new() -> Self {
        Self {
            lines: Lines::default(),
            is_settled: false,
            has_bare_line: false,
            line: None,
            fields: FieldSection::default(),
            framing: Framing::default(),
            keep_alive_timeout: None,
            body: BodyLength::None,
        }
    }

    /// As [`RequestHead::parse`](super::RequestHead::parse). Each interim response (1xx) is
    /// a head of its own.
    pub(crate) fn parse(
        &mut self,
        buf: &[u8],
        limits: &HeadLimits,
        to_head_request: bool,
    ) -> Result<Option<usize>, ResponseFault> {
        if self.is_settled {
            self.clear();
        }
        let parsed = self.advance(buf, limits, to_head_request);
        self.is_settled = !matches!(parsed, Ok(None));
        parsed
    }

    /// Forgets what was parsed, whole or in part.
    pub(crate) fn clear(&mut self) {
        let mut fields = std::mem::take(&mut self.fields);
        fields.clear();
        *self = Self {
            fields,
            ..Self::new()
        };
    }

    fn advance(
        &mut self,
        buf: &[u8],
        limits: &HeadLimits,
        to_head_request: bool,
    ) -> Result<Option<usize>, ResponseFault> {
        if self.line.is_none() {
            let Some(line) = self.lines.next(buf, limits.request_line, limits.head)? else {
                return Ok(None);
            };
            self.has_bare_line = line.is_bare;
            self.line = Some(StatusLine::parse(buf, line)?);
        }
        loop {
            let line = self.lines.next(buf, limits.field, limits.head);
            let Some(line) = line.map_err(field_too_long)? else {
                return Ok(None);
            };
            if line.is_empty() {
                self.has_bare_line |= line.is_bare;
                self.settle(buf, to_head_request)?;
                return Ok(Some(self.lines.consumed()));
            }
            let field = self.fields.read(buf, line, limits)?;
            self.take_note(field.id, field.value.of(buf))?;
        }
    }

    fn take_note(&mut self, id: FieldName, value: &[u8]) -> Result<(), ResponseFault> {
        match id {
            // A list of one number is merged from fields that were equal (RFC 9110 8.6).
            FieldName::ContentLength => {
                let mut numbers = value.split(|&byte| byte == b',').map(trim_blanks);
                numbers.try_for_each(|number| self.framing.add_length(number))?;
            }
            FieldName::TransferEncoding => self.framing.add_coding(value),
            FieldName::KeepAlive => {
                let timeout = members(value).find_map(|member| match member.split_at_checked(8) {
                    Some((name, seconds)) if name.eq_ignore_ascii_case(b"timeout=") => {
                        decimal(seconds)
                    }
                    _ => None,
                });
                self.keep_alive_timeout = timeout.map(Duration::from_secs);
            }
            _ => {}
        }
        Ok(())
    }

    fn settle(&mut self, buf: &[u8], to_head_request: bool) -> Result<(), ResponseFault> {
        let line = *self.status_line();
        let coding = self.framing.coding();
        if !matches!(coding, Coding::Absent | Coding::Chunked) || self.is_coded_http10() {
            return Err(ResponseFault::TransferEncoding);
        }
        self.body = match (line.status, coding, self.framing.length()) {
            (100..200 | 204 | 304, _, _) => BodyLength::None,
            _ if to_head_request => BodyLength::None,
            (_, Coding::Chunked, _) => BodyLength::Chunked,
            (_, _, Some(length)) => BodyLength::Length(length),
            (_, _, None) => BodyLength::UntilClose,
        };
        self.fields.settle(buf);
        Ok(())
    }

    fn is_coded_http10(&self) -> bool {
        self.version() == Version::Http10 && self.framing.coding() != Coding::Absent
    }

    fn status_line(&self) -> &StatusLine {
        self.line.as_ref().expect("a head was parsed")
    }

    /// 100 to 599.
    pub(crate) fn status(&self) -> u16 {
        self.status_line().status
    }

    pub(crate) fn reason(&self) -> Span {
        self.status_line().reason
    }

    pub(crate) fn version(&self) -> Version {
        self.status_line().version
    }

    pub(crate) fn fields(&self) -> &[Field] {
        self.fields.list()
    }

    /// The first field of that name.
    pub(crate) fn get(&self, name: FieldName) -> Option<&Field> {
        self.fields.get(name)
    }

    /// How the body is framed. As for requests, the fields are not to be copied.
    pub(crate) fn body(&self) -> BodyLength {
        self.body
    }

    /// What Content-Length says, if it counts; in a response to HEAD and in a 304 of a body
    /// that is not sent.
    pub(crate) fn content_length(&self) -> Option<u64> {
        let counts = !matches!(self.status(), 100..200 | 204);
        let is_chunked = self.framing.coding() != Coding::Absent;
        self.framing.length().filter(|_| counts && !is_chunked)
    }

    /// Whether the target says that the connection can be used again.
    pub(crate) fn keeps_alive(&self) -> bool {
        let options = self.fields.options;
        let wants = match self.version() {
            Version::Http11 => true,
            Version::Http10 => options.keep_alive,
        };
        wants && !options.close && self.body != BodyLength::UntilClose
    }

    /// Readable, but not what a sound server sends: the connection must not be used again.
    pub(crate) fn is_doubtful(&self) -> bool {
        let has_length = self.framing.length().is_some_and(|length| length > 0);
        let has_coding = self.framing.coding() != Coding::Absent;
        let is_bodiless = matches!(self.status(), 100..200 | 204);
        (has_coding && self.framing.length().is_some())
            || self.framing.has_several_lengths
            || (is_bodiless && (has_coding || has_length))
            || self.fields.has_suspicious_length
            || self.fields.has_suspicious_coding
            || self.fields.has_bare_line
            || self.has_bare_line
    }

    /// How long the target keeps an idle connection, if it says so.
    pub(crate) fn keep_alive_timeout(&self) -> Option<Duration> {
        self.keep_alive_timeout
    }

    /// The one protocol that a 101 switches to.
    pub(crate) fn upgrade(&self) -> Option<Span> {
        let switches = self.status() == 101 && self.fields.options.upgrade;
        self.fields.only(FieldName::Upgrade).filter(|_| switches)
    }
}

impl StatusLine {
    fn parse(buf: &[u8], line: Line) -> Result<Self, ResponseFault> {
        let text = line.of(buf);
        let (version, rest) = text.split_at_checked(9).ok_or(ResponseFault::StatusLine)?;
        let version = match version {
            b"HTTP/1.1 " => Version::Http11,
            b"HTTP/1.0 " => Version::Http10,
            _ => return Err(ResponseFault::StatusLine),
        };
        // Some servers leave out the space before a reason that is empty.
        let (digits, reason_start) = match rest {
            [a, b, c] => ([a, b, c], text.len()),
            [a, b, c, b' ', reason @ ..] if !has_control(reason) => ([a, b, c], 13),
            _ => return Err(ResponseFault::StatusLine),
        };
        let status = digits.iter().try_fold(0, |status, byte| {
            byte.is_ascii_digit()
                .then(|| status * 10 + u16::from(**byte - b'0'))
        });
        let status = status.filter(|status| (100..600).contains(status));
        Ok(Self {
            version,
            status: status.ok_or(ResponseFault::StatusLine)?,
            reason: line.span(reason_start, text.len()),
        })
    }
}

fn field_too_long(too_long: TooLong) -> ResponseFault {
    match too_long {
        TooLong::Line => ResponseFault::FieldTooLong,
        TooLong::Head => ResponseFault::HeadTooLong,
    }
}

impl From<TooLong> for ResponseFault {
    fn from(too_long: TooLong) -> Self {
        match too_long {
            TooLong::Line => Self::StatusLineTooLong,
            TooLong::Head => Self::HeadTooLong,
        }
    }
}

impl From<FramingFault> for ResponseFault {
    fn from(fault: FramingFault) -> Self {
        match fault {
            FramingFault::Length => Self::ContentLength,
            FramingFault::DifferingLengths => Self::DifferingContentLengths,
        }
    }
}

#[cfg(test)]
mod tests;
