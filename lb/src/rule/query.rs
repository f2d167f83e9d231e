/// The members of a query, neither side decoded. One without `=` is a key with an empty value;
/// empty ones are none.
pub(crate) fn members(query: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let members = query.split(|&byte| byte == b'&');
    members.filter(|member| !member.is_empty()).map(|member| {
        match member.iter().position(|&byte| byte == b'=') {
            Some(equals) => (&member[..equals], &member[equals + 1..]),
            None => (member, &[][..]),
        }
    })
}

/// Bytes with `%41` and its like read (RFC 3986 2.1). A `%` that starts none stands for itself,
/// and so does `+`, which only forms read as a blank.
pub(crate) fn percent_decoded(text: &[u8]) -> PercentDecoded<'_> {
    PercentDecoded(text)
}

#[derive(Clone)]
pub(crate) struct PercentDecoded<'a>(&'a [u8]);

impl Iterator for PercentDecoded<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        let (byte, rest) = match *self.0 {
            [b'%', high, low, ref rest @ ..] => match (hex(high), hex(low)) {
                (Some(high), Some(low)) => (high << 4 | low, rest),
                _ => (b'%', &self.0[1..]),
            },
            [byte, ref rest @ ..] => (byte, rest),
            [] => return None,
        };
        self.0 = rest;
        Some(byte)
    }
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_keys_and_values() {
        let read = |query: &'static [u8]| members(query).collect::<Vec<_>>();
        assert_eq!(
            read(b"a=1&b&=c&&d=e=f&"),
            [
                (&b"a"[..], &b"1"[..]),
                (b"b", b""),
                (b"", b"c"),
                (b"d", b"e=f"),
            ]
        );
        assert!(read(b"").is_empty() && read(b"&&").is_empty());
    }

    #[test]
    fn percent_escapes_are_read_once() {
        for (text, expected) in [
            (&b"a%20b"[..], &b"a b"[..]),
            (b"%2541", b"%41"),
            (b"%fF%00", b"\xff\0"),
            (b"%", b"%"),
            (b"%4", b"%4"),
            (b"%zz%41", b"%zzA"),
            (b"%%41", b"%A"),
            (b"a+b", b"a+b"),
        ] {
            assert_eq!(percent_decoded(text).collect::<Vec<_>>(), expected);
        }
    }
}
