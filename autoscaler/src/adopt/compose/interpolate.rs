//! `${VARIABLE:-default}` where it is not set, as in an empty environment.

/// None where only the environment knows.
pub(super) fn interpolated(text: &str) -> Option<String> {
    let mut known = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let (before, variable) = rest.split_at(at);
        known += before;
        let mut following = variable[1..].chars();
        rest = match following.next()? {
            '$' => {
                known.push('$');
                following.as_str()
            }
            '{' => {
                let (inner, rest) = following.as_str().split_once('}')?;
                known += default_of(inner)?;
                rest
            }
            _ => return None,
        };
    }
    Some(known + rest)
}

/// In `NAME:-default` and `NAME-default`.
fn default_of(inner: &str) -> Option<&str> {
    let end = inner.find(|c: char| !c.is_ascii_alphanumeric() && c != '_')?;
    let (name, operator) = inner.split_at(end);
    let default = operator.strip_prefix(":-").or(operator.strip_prefix('-'))?;
    (!name.is_empty() && !default.contains('$')).then_some(default)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_stand_for_what_is_not_set() {
        for (text, expected) in [
            ("plain", Some("plain")),
            ("${PORT:-8080}:80", Some("8080:80")),
            ("${A-x}${B:-}y", Some("xy")),
            ("$$HOME costs $$1", Some("$HOME costs $1")),
            ("${PORT}", None),
            ("$PORT", None),
            ("${PORT:?needed}", None),
            ("${A:-${B:-c}}", None),
            ("${PORT:-80", None),
            ("${:-80}", None),
            ("a$", None),
        ] {
            assert_eq!(interpolated(text).as_deref(), expected, "{text}");
        }
    }
}
