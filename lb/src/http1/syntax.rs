//! Which bytes may stand where (RFC 9110 5.6, RFC 3986).

/// Whether `text` is `lowercase`, which is in lower case, but for case.
pub(super) fn eq_lowercase(text: &[u8], lowercase: &[u8]) -> bool {
    text.eq_ignore_ascii_case(lowercase)
}
