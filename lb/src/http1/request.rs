use memchr::memchr_iter;

use super::{
    BodyLength, Classification, Field, FieldName, HeadLimits, Reason, Refusal, Span, TargetForm,
    Version,
    fields::FieldSection,
    framing::{Coding, Framing, FramingFault},
    lines::{Line, Lines, TooLong},
    request_line::{Method, RequestLine},
    syntax::{is_token_byte, members},
    target::is_valid_host,
};

/// Some old clients end a body with a line end too many (RFC 9112 2.2).
const MAX_EMPTY_LINES: usize = 2;
/// ALB's limit.
const MAX_ADDRESSES: usize = 30;

/// A request's head. Reused for all requests of a connection: it keeps its allocations.
#[derive(Debug)]
pub(crate) struct RequestHead {
    lines: Lines,
    /// The last parsing came to an end.
    is_settled: bool,
    empty_lines: usize,
    /// Of the lines that are no fields.
    has_bare_line: bool,
    line: Option<RequestLine>,
    fields: FieldSection,
    seen: Seen,
    upgrade: Option<Span>,
    reason: Option<Reason>,
}

/// What the fields that came so far say.
#[derive(Debug, Default)]
struct Seen {
    host: Option<Span>,
    framing: Framing,
    addresses: usize,
    expects_continue: bool,
    takes_trailers: bool,
}

impl RequestHead {
    pub(crate) fn new() -> Self {
        Self {
            lines: Lines::default(),
            is_settled: false,
            empty_lines: 0,
            has_bare_line: false,
            line: None,
            fields: FieldSection::default(),
            seen: Seen::default(),
            upgrade: None,
            reason: None,
        }
    }

    /// `Ok(None)`: more bytes are needed; the next call's `buf` begins with this one's bytes.
    /// `Ok(Some(len))`: the head is `buf[..len]`. After that, or a refusal, the next call
    /// begins with a new head.
    pub(crate) fn parse(
        &mut self,
        buf: &[u8],
        limits: &HeadLimits,
    ) -> Result<Option<usize>, Refusal> {
        if self.is_settled {
            self.clear();
        }
        let parsed = self.advance(buf, limits);
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

    fn advance(&mut self, buf: &[u8], limits: &HeadLimits) -> Result<Option<usize>, Refusal> {
        while self.line.is_none() {
            self.check_first_byte(buf)?;
            let Some(line) = self.lines.next(buf, limits.request_line, limits.head)? else {
                return Ok(None);
            };
            self.has_bare_line |= line.is_bare;
            self.read_request_line(buf, line)?;
        }
        loop {
            let line = self.lines.next(buf, limits.field, limits.head);
            let Some(line) = line.map_err(TooLong::of_field)? else {
                return Ok(None);
            };
            if line.is_empty() {
                self.has_bare_line |= line.is_bare;
                self.settle(buf)?;
                return Ok(Some(self.lines.consumed()));
            }
            let field = self.fields.read(buf, line, limits)?;
            self.seen.read(buf, field)?;
        }
    }

    /// A TLS handshake on a port without TLS need not wait for a line end.
    fn check_first_byte(&self, buf: &[u8]) -> Result<(), Refusal> {
        match buf.get(self.lines.consumed()) {
            Some(&byte) if !is_token_byte(byte) && !b"\r\n".contains(&byte) => Err(Refusal::Method),
            _ => Ok(()),
        }
    }

    fn read_request_line(&mut self, buf: &[u8], line: Line) -> Result<(), Refusal> {
        if !line.is_empty() {
            self.line = Some(RequestLine::parse(buf, line)?);
            return Ok(());
        }
        self.empty_lines += 1;
        match self.empty_lines > MAX_EMPTY_LINES {
            true => Err(Refusal::EmptyLines),
            false => Ok(()),
        }
    }

    /// Judges the head as a whole.
    fn settle(&mut self, buf: &[u8]) -> Result<(), Refusal> {
        let line = *self.request_line();
        if self.seen.host.is_none() && line.version == Version::Http11 {
            return Err(Refusal::NoHost);
        }
        match (self.seen.framing.coding(), line.version) {
            (Coding::Absent, _) | (Coding::Chunked, Version::Http11) => {}
            (Coding::Unknown, _) => return Err(Refusal::TransferCoding),
            (Coding::ManyChunked, _) => return Err(Refusal::ManyChunked),
            (Coding::NotChunked, _) => return Err(Refusal::NotChunked),
            (Coding::Chunked, Version::Http10) => return Err(Refusal::TransferEncodingInHttp10),
        }
        self.fields.settle(buf);
        self.upgrade = self.find_upgrade(buf, &line);
        self.classify(line.method);
        Ok(())
    }

    fn find_upgrade(&self, buf: &[u8], line: &RequestLine) -> Option<Span> {
        let may = line.method == Method::Get
            && line.version == Version::Http11
            && self.fields.options.upgrade
            && matches!(self.body(), BodyLength::None | BodyLength::Length(0));
        let value = self.fields.only(FieldName::Upgrade).filter(|_| may)?;
        let protocol = value.of(buf);
        let is_one = !protocol.is_empty() && !protocol.contains(&b',');
        (is_one && !protocol.eq_ignore_ascii_case(b"h2c")).then_some(value)
    }

    fn classify(&mut self, method: Method) {
        let has_coding = self.has_coding();
        let length = self.seen.framing.length();
        let has_suspicious = self.fields.has_suspicious_coding || self.fields.has_suspicious_length;
        let is_bodiless = matches!(method, Method::Get | Method::Head);
        let may_have_both = (has_coding || self.fields.has_suspicious_coding)
            && (length.is_some() || self.fields.has_suspicious_length);
        let findings = [
            (
                Reason::SuspiciousTeClPresent,
                may_have_both && has_suspicious,
            ),
            (Reason::BothTeClPresent, may_have_both),
            (Reason::SuspiciousHeader, has_suspicious),
            (
                Reason::DuplicateContentLength,
                self.seen.framing.has_several_lengths,
            ),
            (
                Reason::UndefinedTransferEncodingSemantics,
                is_bodiless && has_coding,
            ),
            (
                Reason::UndefinedContentLengthSemantics,
                is_bodiless && length.is_some_and(|length| length > 0),
            ),
            (
                Reason::GetHeadZeroContentLength,
                is_bodiless && length == Some(0),
            ),
            (
                Reason::NonCompliantHeader,
                self.has_bare_line || self.fields.has_bare_line,
            ),
        ];
        // In the order of their classes: the first is the worst.
        let found = findings.into_iter().find(|(_, is_found)| *is_found);
        self.reason = found.map(|(reason, _)| reason);
    }

    fn has_coding(&self) -> bool {
        self.seen.framing.coding() != Coding::Absent
    }

    fn request_line(&self) -> &RequestLine {
        self.line.as_ref().expect("a head was parsed")
    }

    pub(crate) fn method(&self) -> Method {
        self.request_line().method
    }

    pub(crate) fn method_span(&self) -> Span {
        self.request_line().method_span
    }

    /// The request target as it came.
    pub(crate) fn target(&self) -> Span {
        self.request_line().target
    }

    pub(crate) fn target_form(&self) -> TargetForm {
        self.request_line().form
    }

    pub(crate) fn version(&self) -> Version {
        self.request_line().version
    }

    pub(crate) fn fields(&self) -> &[Field] {
        self.fields.list()
    }

    /// The first field of that name.
    pub(crate) fn get(&self, name: FieldName) -> Option<&Field> {
        self.fields.get(name)
    }

    /// How the body is framed: `None`, `Length` or `Chunked`. It alone says so: neither
    /// Content-Length nor Transfer-Encoding is to be copied from `fields`.
    pub(crate) fn body(&self) -> BodyLength {
        match (self.has_coding(), self.seen.framing.length()) {
            (true, _) => BodyLength::Chunked,
            (false, Some(length)) => BodyLength::Length(length),
            (false, None) => BodyLength::None,
        }
    }

    /// The worst that was found.
    pub(crate) fn classification(&self) -> Classification {
        self.reason.map(Reason::classification).unwrap_or_default()
    }

    /// What that is; `None` if the request is compliant.
    pub(crate) fn reason(&self) -> Option<Reason> {
        self.reason
    }

    /// Whether the client wants to use the connection again, and may: not after both
    /// Content-Length and Transfer-Encoding (RFC 9112 6.1).
    pub(crate) fn keeps_alive(&self) -> bool {
        let options = self.fields.options;
        let wants = match self.version() {
            Version::Http11 => true,
            Version::Http10 => options.keep_alive,
        };
        let has_both = self.has_coding() && self.seen.framing.length().is_some();
        wants && !options.close && !has_both
    }

    /// Never true in HTTP/1.0 (RFC 9110 10.1.1). Any other expectation is refused.
    pub(crate) fn expects_continue(&self) -> bool {
        self.seen.expects_continue && self.version() == Version::Http11
    }

    /// Whether TE names `trailers`.
    pub(crate) fn takes_trailers(&self) -> bool {
        self.seen.takes_trailers
    }

    /// The one protocol that the client wants to switch to and that may be passed on: from a
    /// GET of HTTP/1.1 without a body, and not h2c, in which the target would speak past us.
    pub(crate) fn upgrade(&self) -> Option<Span> {
        self.upgrade
    }

    /// The host that is asked for: an absolute target's, else the Host field's. Valid; absent
    /// only in HTTP/1.0.
    pub(crate) fn host(&self) -> Option<Span> {
        match self.target_form() {
            TargetForm::Absolute { authority, .. } => Some(authority),
            _ => self.seen.host,
        }
    }
}

impl Seen {
    fn read(&mut self, buf: &[u8], field: Field) -> Result<(), Refusal> {
        let value = field.value.of(buf);
        match field.id {
            FieldName::Host => self.read_host(field.value, value)?,
            FieldName::ContentLength => self.framing.add_length(value)?,
            FieldName::TransferEncoding => self.framing.add_coding(value),
            FieldName::Expect if value.eq_ignore_ascii_case(b"100-continue") => {
                self.expects_continue = true;
            }
            FieldName::Expect => return Err(Refusal::Expectation),
            FieldName::Te => {
                let is_trailers = |member: &[u8]| member.eq_ignore_ascii_case(b"trailers");
                self.takes_trailers |= members(value).any(is_trailers);
            }
            FieldName::XForwardedFor => {
                self.addresses += 1 + memchr_iter(b',', value).count();
                if self.addresses > MAX_ADDRESSES {
                    return Err(Refusal::ManyAddresses);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn read_host(&mut self, span: Span, host: &[u8]) -> Result<(), Refusal> {
        if !is_valid_host(host) {
            return Err(Refusal::Host);
        }
        match self.host.replace(span) {
            Some(_) => Err(Refusal::ManyHosts),
            None => Ok(()),
        }
    }
}

impl From<FramingFault> for Refusal {
    fn from(fault: FramingFault) -> Self {
        match fault {
            FramingFault::Length => Self::ContentLength,
            FramingFault::DifferingLengths => Self::DifferingContentLengths,
        }
    }
}

impl From<TooLong> for Refusal {
    fn from(too_long: TooLong) -> Self {
        match too_long {
            TooLong::Line => Self::RequestLineTooLong,
            TooLong::Head => Self::HeadTooLong,
        }
    }
}

impl TooLong {
    fn of_field(self) -> Refusal {
        match self {
            Self::Line => Refusal::FieldTooLong,
            Self::Head => Refusal::HeadTooLong,
        }
    }
}

#[cfg(test)]
mod tests;
