use std::{fmt, sync::Arc};

const HEX_DIGITS: std::ops::RangeInclusive<usize> = 8..=17;

/// An instance id as EC2 writes them: `i-` and 8 to 17 hexadecimal digits. Whatever else an
/// environment holds is no id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct InstanceId(Arc<str>);

impl InstanceId {
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let hex = text.strip_prefix("i-")?;
        let is_hex = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        (HEX_DIGITS.contains(&hex.len()) && hex.bytes().all(is_hex)).then(|| Self(text.into()))
    }

    /// The id in an environment as /proc shows it, under the variable `name`. As with
    /// getenv, the first of several counts.
    pub(super) fn from_environ(environ: &[u8], name: &str) -> Option<Self> {
        let value = environ
            .split(|byte| *byte == 0)
            .find_map(|entry| entry.strip_prefix(name.as_bytes())?.strip_prefix(b"="))?;
        Self::parse(value)
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(environ: &str) -> Option<String> {
        InstanceId::from_environ(environ.as_bytes(), "MARK").map(|id| id.to_string())
    }

    #[test]
    fn the_mark_is_found_among_others() {
        let environ = "PATH=/bin\0NOMARK=i-00000000\0MARK=i-0123abcd\0MARK=i-ffffffff\0";
        assert_eq!(found(environ).as_deref(), Some("i-0123abcd"));
        assert_eq!(
            found("MARK=i-0123456789abcdef0").as_deref(),
            Some("i-0123456789abcdef0")
        );
    }

    #[test]
    fn hostile_values_are_no_ids() {
        for value in [
            "",
            "i-",
            "i-0123abc",
            "i-0123456789abcdef01",
            "i-0123ABCD",
            "i-0123abcg",
            "x-0123abcd",
            "i-0123abcd\n",
            "i-0123abc\"",
            " i-0123abcd",
            "i-0123abcé",
        ] {
            assert_eq!(found(&format!("MARK={value}\0")), None, "{value:?}");
        }
        assert_eq!(InstanceId::from_environ(b"MARK=\xff\xfe", "MARK"), None);
        assert_eq!(found("MARK"), None);
        assert_eq!(found(""), None);
    }
}
