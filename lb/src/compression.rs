//! Whether a response is compressed, and what its head says then. Pure; `gzip` does it.
//!
//! A response that would be compressed for others varies by Accept-Encoding for everybody, so
//! that caches do not hand one client's form to another (RFC 9110 12.5.5).

use minicloud_lb_api::Compression;

use crate::http1::{FieldName, ResponseHead, list_members, trim_blanks};

/// What a request's rule and fields say about compression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wish {
    pub(crate) min_bytes: u64,
    pub(crate) level: u32,
    /// Whether the client takes gzip, and rather than what is not encoded.
    pub(crate) takes_gzip: bool,
}

/// What is done with a response's body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Coding {
    /// It goes as it came.
    #[default]
    AsIs,
    /// It goes as it came to this client.
    Varies,
    /// A 304: what it says is still fresh may have been compressed.
    Revalidated,
    Gzip,
}

impl Wish {
    /// `accepted` are the request's Accept-Encoding fields.
    pub(crate) fn new<'a>(
        rule: &Compression,
        accepted: impl Iterator<Item = &'a [u8]> + Clone,
    ) -> Self {
        Self {
            min_bytes: rule.min_bytes,
            level: rule.level,
            takes_gzip: prefers_gzip(accepted),
        }
    }

    /// What is done with a response. Its head is that of a GET's or a HEAD's, which are
    /// answered alike; `is_framed` says that the client knows chunks.
    pub(crate) fn judge(&self, head: &ResponseHead, bytes: &[u8], is_framed: bool) -> Coding {
        let is_small = head
            .content_length()
            .is_some_and(|length| length < self.min_bytes.max(1));
        if is_small || !is_compressible(head, bytes) {
            return Coding::AsIs;
        }
        match self.takes_gzip && is_framed {
            true if head.status() == 304 => Coding::Revalidated,
            true => Coding::Gzip,
            false => Coding::Varies,
        }
    }
}

/// Whether gzip is acceptable, and not less wanted than what is not encoded
/// (RFC 9110 12.5.3). Without the field anything is acceptable, but who sends none may well
/// not know gzip.
fn prefers_gzip<'a>(accepted: impl Iterator<Item = &'a [u8]> + Clone) -> bool {
    let weight_of = |codings: &[&[u8]]| {
        let mut members = accepted.clone().flat_map(list_members);
        members.find_map(|member| {
            let (name, weight) = weighted(member);
            let is_it = codings
                .iter()
                .any(|coding| name.eq_ignore_ascii_case(coding));
            is_it.then_some(weight)
        })
    };
    let others = weight_of(&[b"*"]);
    let gzip = weight_of(&[b"gzip", b"x-gzip"]).or(others).unwrap_or(0);
    let identity = weight_of(&[b"identity"]).or(others).unwrap_or(0);
    gzip > 0 && gzip >= identity
}

/// A member of Accept-Encoding and its weight in thousandths. What is no weight is none.
fn weighted(member: &[u8]) -> (&[u8], u32) {
    let mut parts = member.splitn(2, |&byte| byte == b';').map(trim_blanks);
    let name = parts.next().unwrap_or_default();
    let weight = parts.next().map_or(Some(1000), |parameter| {
        let (name, value) = parameter.split_at_checked(2)?;
        let is_weight = name.eq_ignore_ascii_case(b"q=");
        is_weight.then(|| thousandths(value)).flatten()
    });
    (name, weight.unwrap_or(0))
}

/// Reads `0`, `0.5`, `1.000` (RFC 9110 12.4.2).
fn thousandths(value: &[u8]) -> Option<u32> {
    let (whole, decimals) = match value {
        [whole @ (b'0' | b'1')] => (whole, &[][..]),
        [whole @ (b'0' | b'1'), b'.', decimals @ ..] if decimals.len() <= 3 => (whole, decimals),
        _ => return None,
    };
    let mut weight = u32::from(whole - b'0');
    for place in 0..3 {
        let digit = decimals.get(place).unwrap_or(&b'0');
        weight = weight * 10 + u32::from(digit.is_ascii_digit().then(|| digit - b'0')?);
    }
    Some(weight.min(1000))
}

/// Whether a response's content would shrink, and may be changed.
fn is_compressible(head: &ResponseHead, bytes: &[u8]) -> bool {
    // Parts of a representation have their places in it (206), and 226 is a coding of its own.
    let is_whole = matches!(head.status(), 200..=203 | 207 | 208 | 304);
    let is_plain = [
        FieldName::ContentEncoding,
        FieldName::ContentRange,
        // Each says what the bytes are (RFC 1864, RFC 9530).
        FieldName::ContentMd5,
        FieldName::ContentDigest,
        FieldName::ReprDigest,
    ];
    is_whole
        && is_plain.iter().all(|&name| head.get(name).is_none())
        && !forbids_transformation(head, bytes)
        && match of(head, bytes, FieldName::ContentType).next() {
            Some(content_type) => shrinks(content_type),
            // It need not repeat what the client knows (RFC 9110 15.4.5).
            None => head.status() == 304,
        }
}

/// RFC 9111 5.2.2.6.
fn forbids_transformation(head: &ResponseHead, bytes: &[u8]) -> bool {
    of(head, bytes, FieldName::CacheControl)
        .flat_map(list_members)
        .any(|directive| directive.eq_ignore_ascii_case(b"no-transform"))
}

/// Whether content of this type is text, or made like text.
fn shrinks(content_type: &[u8]) -> bool {
    const SHRINKING: [&[u8]; 13] = [
        b"application/javascript",
        b"application/json",
        b"application/manifest+json",
        b"application/rss+xml",
        b"application/vnd.ms-fontobject",
        b"application/wasm",
        b"application/x-javascript",
        b"application/x-ndjson",
        b"application/xml",
        b"font/otf",
        b"font/ttf",
        b"image/bmp",
        b"image/x-icon",
    ];
    let end = content_type.iter().position(|&byte| byte == b';');
    let kind = trim_blanks(&content_type[..end.unwrap_or(content_type.len())]);
    let begins = |start: &[u8]| {
        let beginning = kind.get(..start.len());
        beginning.is_some_and(|beginning| beginning.eq_ignore_ascii_case(start))
    };
    let ends = |end: &[u8]| {
        let ending = kind.len().checked_sub(end.len()).map(|at| &kind[at..]);
        ending.is_some_and(|ending| ending.eq_ignore_ascii_case(end))
    };
    begins(b"text/")
        || ends(b"+json")
        || ends(b"+xml")
        || SHRINKING
            .iter()
            .any(|known| kind.eq_ignore_ascii_case(known))
}

/// Whether the response says already that it varies by Accept-Encoding, or by everything.
pub(crate) fn says_varies(head: &ResponseHead, bytes: &[u8]) -> bool {
    of(head, bytes, FieldName::Vary)
        .flat_map(list_members)
        .any(|name| name == b"*" || name.eq_ignore_ascii_case(b"accept-encoding"))
}

fn of<'a>(
    head: &'a ResponseHead,
    bytes: &'a [u8],
    name: FieldName,
) -> impl Iterator<Item = &'a [u8]> {
    let fields = head.fields().iter();
    fields
        .filter(move |field| field.id == name && !field.is_named_by_connection)
        .map(|field| field.value.of(bytes))
}

#[cfg(test)]
mod tests;
