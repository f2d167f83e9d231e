use memchr::memchr;

use super::{
    Refusal, Span, TargetForm, Version,
    lines::Line,
    syntax::{is_target_byte, is_token_byte},
};

/// The methods that something here depends on. They are case-sensitive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Get,
    Head,
    Post,
    Put,
    Delete,
    Options,
    Patch,
    Connect,
    Trace,
    Other,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct RequestLine {
    pub(super) method: Method,
    pub(super) method_span: Span,
    pub(super) target: Span,
    pub(super) form: TargetForm,
    pub(super) version: Version,
}

impl RequestLine {
    /// One space between the parts and none elsewhere: parsers that take more disagree about
    /// which part has it.
    pub(super) fn parse(buf: &[u8], line: Line) -> Result<Self, Refusal> {
        let text = line.of(buf);
        let method_end = text.iter().position(|&byte| !is_token_byte(byte));
        let method_end = method_end.unwrap_or(text.len());
        if method_end == 0 {
            return Err(Refusal::Method);
        }
        match text.get(method_end) {
            None => return Err(Refusal::Version),
            Some(b' ') => {}
            Some(_) => return Err(Refusal::Method),
        }
        let rest = &text[method_end + 1..];
        let target_len = rest.iter().position(|&byte| !is_target_byte(byte));
        let target_end = method_end + 1 + target_len.unwrap_or(rest.len());
        let version = read_version(&text[target_end..], target_end == method_end + 1)?;
        let method = Method::of(&text[..method_end]);
        let target = line.span(method_end + 1, target_end);
        Ok(Self {
            method,
            method_span: line.span(0, method_end),
            target,
            form: TargetForm::parse(buf, target, method)?,
            version,
        })
    }
}

/// `rest` is what follows the target.
fn read_version(rest: &[u8], target_is_empty: bool) -> Result<Version, Refusal> {
    match rest {
        [] => Err(Refusal::Version),
        [b' ', ..] if target_is_empty => Err(Refusal::BlankInTarget),
        b" HTTP/1.1" => Ok(Version::Http11),
        b" HTTP/1.0" => Ok(Version::Http10),
        [b' ', b'H', b'T', b'T', b'P', b'/', b'1', b'.', minor] if minor.is_ascii_digit() => {
            Err(Refusal::MinorVersion)
        }
        [b' ', b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            Err(Refusal::MajorVersion)
        }
        [b' ', more @ ..] if memchr(b' ', more).is_some() => Err(Refusal::BlankInTarget),
        [b' ', ..] => Err(Refusal::Version),
        [b'\t', ..] => Err(Refusal::BlankInTarget),
        _ => Err(Refusal::Target),
    }
}

impl Method {
    fn of(method: &[u8]) -> Self {
        match method {
            b"GET" => Self::Get,
            b"HEAD" => Self::Head,
            b"POST" => Self::Post,
            b"PUT" => Self::Put,
            b"DELETE" => Self::Delete,
            b"OPTIONS" => Self::Options,
            b"PATCH" => Self::Patch,
            b"CONNECT" => Self::Connect,
            b"TRACE" => Self::Trace,
            _ => Self::Other,
        }
    }
}
