/// A Host's name or address; an IPv6 address stays in its brackets.
pub(super) fn without_port(host: &[u8]) -> &[u8] {
    split_port(host).0
}

/// A Host's port, if it names one that exists.
pub(super) fn port(host: &[u8]) -> Option<u16> {
    let digits = split_port(host).1.strip_prefix(b":")?;
    let is_number = digits.iter().all(u8::is_ascii_digit);
    let digits = str::from_utf8(digits).ok().filter(|_| is_number)?;
    digits.parse().ok().filter(|&port| port > 0)
}

/// A Host that may be sent on: `uri-host [":" port]` (RFC 9110 7.2), without userinfo.
pub(super) fn is_valid(host: &[u8]) -> bool {
    let (name, rest) = split_port(host);
    is_valid_name(name) && (rest.is_empty() || port(host).is_some())
}

/// `uri-host` (RFC 3986 3.2.2), not empty.
pub(super) fn is_valid_name(name: &[u8]) -> bool {
    match name {
        [] => false,
        [b'[', address @ .., b']'] => {
            let is_address = |byte: &u8| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.');
            !address.is_empty() && address.iter().all(is_address)
        }
        name => {
            let is_name =
                |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+;=%".contains(byte);
            name.iter().all(is_name)
        }
    }
}

fn split_port(host: &[u8]) -> (&[u8], &[u8]) {
    let after_address = match host.first() {
        Some(b'[') => host.iter().position(|&byte| byte == b']'),
        _ => None,
    };
    let start = after_address.unwrap_or(0);
    let colon = host[start..].iter().position(|&byte| byte == b':');
    host.split_at(colon.map_or(host.len(), |colon| start + colon))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn port_is_split_off() {
        for (host, name, number) in [
            ("a.b", "a.b", None),
            ("a.b:80", "a.b", Some(80)),
            ("a:", "a", None),
            ("a:0", "a", None),
            ("a:65536", "a", None),
            ("a:+80", "a", None),
            ("a:8:0", "a", None),
            ("[::1]", "[::1]", None),
            ("[::1]:8080", "[::1]", Some(8080)),
            ("[::1", "[", None),
            ("", "", None),
            (":80", "", Some(80)),
        ] {
            let host = host.as_bytes();
            assert_eq!(without_port(host), name.as_bytes());
            assert_eq!(port(host), number, "{name}");
        }
    }

    #[test]
    fn only_clean_hosts_are_valid() {
        for host in [
            "a",
            "a.b:80",
            "[::1]:80",
            "[::ffff:1.2.3.4]",
            "a_b",
            "127.0.0.1",
        ] {
            assert!(is_valid(host.as_bytes()), "{host}");
        }
        for host in [
            "", ":80", "a:", "a:x", "u@a", "a/b", "a b", "a\r\nb", "[]", "[::1]x", "[::1", "[g]",
            "a,b", "a:80:80", "é", "a\0",
        ] {
            assert!(!is_valid(host.as_bytes()), "{host}");
        }
    }
}
