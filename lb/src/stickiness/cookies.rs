//! Reading of Cookie and Set-Cookie fields: hostile bytes, no allocation.

/// The values of the cookies of this name in a request's Cookie fields (RFC 6265, section
/// 4.2.1), without quotes. Pairs that are none are passed over.
pub(super) fn values<'a>(
    fields: impl Iterator<Item = &'a [u8]>,
    name: &str,
) -> impl Iterator<Item = &'a [u8]> {
    let pairs = fields.flat_map(|field| field.split(|&byte| byte == b';'));
    let pairs = pairs.filter_map(pair);
    pairs.filter_map(move |(own, value)| (own == name.as_bytes()).then_some(value))
}

/// Whether a response's Set-Cookie field is for the cookie of this name.
pub(crate) fn sets(field: &[u8], name: &str) -> bool {
    let own = field.split(|&byte| byte == b';').next().and_then(pair);
    own.is_some_and(|(own, _)| own == name.as_bytes())
}

fn pair(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let middle = bytes.iter().position(|&byte| byte == b'=')?;
    let (name, value) = (&bytes[..middle], &bytes[middle + 1..]);
    Some((name.trim_ascii(), unquoted(value.trim_ascii())))
}

fn unquoted(value: &[u8]) -> &[u8] {
    match value {
        [b'"', inner @ .., b'"'] => inner,
        _ => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value<'a>(field: &'a str, name: &str) -> Option<&'a str> {
        let first = values(std::iter::once(field.as_bytes()), name).next();
        first.map(|value| std::str::from_utf8(value).unwrap())
    }

    #[test]
    fn values_are_found_among_others() {
        for (field, expected) in [
            ("k=v", Some("v")),
            ("a=b; k=v; c=d", Some("v")),
            ("a=b;k=v", Some("v")),
            ("\t k \t= v ;a=b", Some("v")),
            ("k=\"v\"", Some("v")),
            ("k=\"", Some("\"")),
            ("k=\"\"", Some("")),
            ("k=v=w", Some("v=w")),
            ("k=; k=v", Some("")),
            ("k=v; k=w", Some("v")),
            ("k", None),
            ("", None),
            (";;=;k", None),
            ("K=v; kk=v; a=k=v", None),
        ] {
            assert_eq!(value(field, "k"), expected, "{field:?}");
        }
    }

    #[test]
    fn fields_are_read_in_order() {
        let fields: [&[u8]; 3] = [b"a=1", b"\xff=\xfe; k=2", b"k=3"];
        assert!(values(fields.into_iter(), "k").eq([b"2", b"3"]));
    }

    #[test]
    fn set_cookie_is_known_by_its_name_alone() {
        assert!(sets(b"JSESSIONID=1; Path=/", "JSESSIONID"));
        assert!(sets(b"JSESSIONID=; Max-Age=0", "JSESSIONID"));
        assert!(!sets(b"a=1; JSESSIONID=2", "JSESSIONID"));
        assert!(!sets(b"JSESSIONID", "JSESSIONID"));
    }
}
