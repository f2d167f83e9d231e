use super::{
    FieldName, HeadLimits, Span,
    lines::Line,
    syntax::{has_control, is_blank, is_token_byte, members},
};

/// Each is compared to each field.
const MAX_CONNECTION_OPTIONS: usize = 32;

/// A field line of a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Field {
    pub(crate) id: FieldName,
    pub(crate) name: Span,
    /// Without the blanks around it.
    pub(crate) value: Span,
    /// `Connection` names it, so it ends here (RFC 9110 7.6.1). Never true of Host and
    /// Content-Length: who frames and routes a message cannot hide that.
    pub(crate) is_named_by_connection: bool,
    /// Others may take its name for that of a field which frames the message or which we
    /// write (`Transfer_Encoding`, `X_Forwarded_For`). It must not be forwarded.
    pub(crate) is_suspicious: bool,
}

/// Why a line is no field line, or one too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FieldFault {
    #[error("there are too many fields")]
    Many,
    #[error("a field line is folded or begins with a blank")]
    Folded,
    #[error("a field has no name")]
    NoName,
    #[error("a field line has no colon")]
    NoColon,
    #[error("a blank stands before a field's colon")]
    BlankBeforeColon,
    #[error("a field name has a byte that is not allowed")]
    Name,
    #[error("a field value has a control character")]
    Value,
    #[error("Connection has too many options")]
    ManyOptions,
}

/// A head's fields, and what Connection and suspicious names say of any message.
#[derive(Debug, Default)]
pub(super) struct FieldSection {
    list: Vec<Field>,
    present: Names,
    named: Names,
    /// The options of Connection that are not in `named`.
    named_others: Vec<Span>,
    pub(super) options: ConnectionOptions,
    /// A line ends in LF alone.
    pub(super) has_bare_line: bool,
    pub(super) has_suspicious_length: bool,
    pub(super) has_suspicious_coding: bool,
}

/// The options of Connection that name no field.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ConnectionOptions {
    pub(super) close: bool,
    pub(super) keep_alive: bool,
    pub(super) upgrade: bool,
}

/// Where the parts of a field line are in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FieldLine {
    pub(super) name_end: usize,
    pub(super) value_start: usize,
    pub(super) value_end: usize,
}

/// A set of those names that are not `Other`.
#[derive(Clone, Copy, Debug, Default)]
struct Names(u64);

impl FieldSection {
    /// Forgets all but the allocations.
    pub(super) fn clear(&mut self) {
        let mut list = std::mem::take(&mut self.list);
        let mut named_others = std::mem::take(&mut self.named_others);
        list.clear();
        named_others.clear();
        *self = Self {
            list,
            named_others,
            ..Self::default()
        };
    }

    /// Takes in a line that is not empty.
    pub(super) fn read(
        &mut self,
        buf: &[u8],
        line: Line,
        limits: &HeadLimits,
    ) -> Result<Field, FieldFault> {
        if self.list.len() >= limits.fields {
            return Err(FieldFault::Many);
        }
        let parts = FieldLine::parse(line.of(buf))?;
        let name = line.span(0, parts.name_end);
        let id = FieldName::of(name.of(buf));
        let field = Field {
            id,
            name,
            value: line.span(parts.value_start, parts.value_end),
            is_named_by_connection: false,
            is_suspicious: id == FieldName::Other && self.suspect(name.of(buf)),
        };
        if id == FieldName::Connection {
            self.read_options(buf, field.value)?;
        }
        self.has_bare_line |= line.is_bare;
        self.present.insert(id);
        self.list.push(field);
        Ok(field)
    }

    fn suspect(&mut self, name: &[u8]) -> bool {
        let look_alike = FieldName::look_alike(name);
        self.has_suspicious_length |= look_alike == Some(FieldName::ContentLength);
        self.has_suspicious_coding |= look_alike == Some(FieldName::TransferEncoding);
        look_alike.is_some()
    }

    fn read_options(&mut self, buf: &[u8], value: Span) -> Result<(), FieldFault> {
        let text = value.of(buf);
        for option in members(text) {
            if option.eq_ignore_ascii_case(b"keep-alive") {
                self.options.keep_alive = true;
            } else if option.eq_ignore_ascii_case(b"close") {
                self.options.close = true;
            } else if option.eq_ignore_ascii_case(b"upgrade") {
                self.options.upgrade = true;
            } else {
                self.name(value, text, option)?;
            }
        }
        Ok(())
    }

    fn name(&mut self, value: Span, text: &[u8], option: &[u8]) -> Result<(), FieldFault> {
        match FieldName::of(option) {
            FieldName::Host | FieldName::ContentLength => {}
            FieldName::Other if self.named_others.len() >= MAX_CONNECTION_OPTIONS => {
                return Err(FieldFault::ManyOptions);
            }
            FieldName::Other => self.named_others.push(value.part(text, option)),
            id => self.named.insert(id),
        }
        Ok(())
    }

    /// Marks the fields that Connection names, which may come before or after it.
    pub(super) fn settle(&mut self, buf: &[u8]) {
        if self.named.is_empty() && self.named_others.is_empty() {
            return;
        }
        for field in &mut self.list {
            let name = field.name.of(buf);
            let is_name = |other: &Span| other.of(buf).eq_ignore_ascii_case(name);
            field.is_named_by_connection = match field.id {
                FieldName::Other => self.named_others.iter().any(is_name),
                id => self.named.contains(id),
            };
        }
    }

    pub(super) fn list(&self) -> &[Field] {
        &self.list
    }

    pub(super) fn get(&self, name: FieldName) -> Option<&Field> {
        let is_known = name == FieldName::Other || self.present.contains(name);
        self.list.iter().find(|field| is_known && field.id == name)
    }

    /// The value of the one field of that name.
    pub(super) fn only(&self, name: FieldName) -> Option<Span> {
        let field = self.get(name)?;
        let fields = self.list.iter().filter(|field| field.id == name);
        (fields.count() == 1).then_some(field.value)
    }
}

impl FieldLine {
    pub(super) fn parse(line: &[u8]) -> Result<Self, FieldFault> {
        let name_end = line.iter().position(|&byte| !is_token_byte(byte));
        let name_end = name_end.ok_or(FieldFault::NoColon)?;
        if line[name_end] != b':' || name_end == 0 {
            return Err(FieldFault::of_name(&line[..name_end], &line[name_end..]));
        }
        let rest = &line[name_end + 1..];
        if has_control(rest) {
            return Err(FieldFault::Value);
        }
        let is_text = |byte: &u8| !is_blank(*byte);
        let start = rest.iter().position(is_text).unwrap_or(rest.len());
        let end = rest
            .iter()
            .rposition(is_text)
            .map_or(start, |last| last + 1);
        Ok(Self {
            name_end,
            value_start: name_end + 1 + start,
            value_end: name_end + 1 + end,
        })
    }
}

impl FieldFault {
    /// What is wrong with a line of the token `name` and then `rest`.
    fn of_name(name: &[u8], rest: &[u8]) -> Self {
        let after_blanks = rest.iter().find(|&&byte| !is_blank(byte));
        match (name.is_empty(), rest[0], after_blanks) {
            (true, b':', _) => Self::NoName,
            (true, byte, _) if is_blank(byte) => Self::Folded,
            (false, _, Some(b':')) => Self::BlankBeforeColon,
            _ => Self::Name,
        }
    }
}

impl Names {
    fn insert(&mut self, name: FieldName) {
        if name != FieldName::Other {
            self.0 |= 1 << name as u8;
        }
    }

    fn contains(self, name: FieldName) -> bool {
        self.0 & (1 << name as u8) != 0
    }

    fn is_empty(self) -> bool {
        self.0 == 0
    }
}
