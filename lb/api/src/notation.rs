//! The small notations that rules are written in, read in one place: [`validate`] refuses what
//! does not read, and the balancer compiles what does.
//!
//! [`validate`]: crate::validate

use regex::bytes::{Regex, RegexBuilder};

/// Bytes that a compiled regular expression may take. Regular expressions of ELB's length fit
/// with room; a counted repetition of a counted repetition does not.
const REGEX_BYTES: usize = 64 << 10;

/// Bytes of a regular expression's cache in each thread that matches.
const REGEX_CACHE_BYTES: usize = 256 << 10;

/// How deep a regular expression may nest.
const REGEX_DEPTH: u32 = 32;

/// A piece of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Glob {
    Byte(u8),
    /// `?`: one byte.
    One,
    /// `*`: any number of bytes.
    Many,
}

/// A piece of a redirect's protocol, host, port, path or query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UriPiece<'a> {
    Text(&'a str),
    Protocol,
    Host,
    Port,
    /// Without its first `/`.
    Path,
    Query,
}

/// A piece of a rewrite's replacement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplacePiece<'a> {
    Text(&'a str),
    /// `$1` to `$9`.
    Group(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    Sensitive,
    Ignored,
}

/// Reads a pattern of a host, a path or a header's value.
pub fn glob(pattern: &str) -> Vec<Glob> {
    pattern.bytes().map(wildcard).collect()
}

/// Reads a pattern of a query's key or value, in which `\*` and `\?` stand for themselves
/// (ELB's `QueryStringConditionConfig`).
pub fn query_glob(pattern: &str) -> Vec<Glob> {
    let mut bytes = pattern.bytes().peekable();
    let mut pieces = Vec::with_capacity(pattern.len());
    while let Some(byte) = bytes.next() {
        let escaped = bytes.next_if(|next| byte == b'\\' && matches!(next, b'*' | b'?' | b'\\'));
        pieces.push(escaped.map_or_else(|| wildcard(byte), Glob::Byte));
    }
    pieces
}

/// Reads a part of a redirect (ELB's `RedirectActionConfig`).
///
/// # Errors
/// A sentence on the `#{..}` that is none.
pub fn uri_pieces(text: &str) -> Result<Vec<UriPiece<'_>>, String> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find("#{") {
        let (before, keyword) = rest.split_at(start);
        let end = keyword.find('}').map_or(keyword.len(), |end| end + 1);
        let (keyword, after) = keyword.split_at(end);
        if !before.is_empty() {
            pieces.push(UriPiece::Text(before));
        }
        pieces.push(match keyword {
            "#{protocol}" => UriPiece::Protocol,
            "#{host}" => UriPiece::Host,
            "#{port}" => UriPiece::Port,
            "#{path}" => UriPiece::Path,
            "#{query}" => UriPiece::Query,
            _ => {
                return Err(format!(
                    "`{keyword}` is none of #{{protocol}}, #{{host}}, #{{port}}, #{{path}} and #{{query}}"
                ));
            }
        });
        rest = after;
    }
    if !rest.is_empty() {
        pieces.push(UriPiece::Text(rest));
    }
    Ok(pieces)
}

/// Reads a rewrite's replacement. A `$` before anything but 1 to 9 stands for itself.
pub fn replace_pieces(text: &str) -> Vec<ReplacePiece<'_>> {
    let mut pieces = Vec::new();
    let mut literal = 0;
    for (at, _) in text.match_indices('$') {
        let Some(digit @ b'1'..=b'9') = text.as_bytes().get(at + 1).copied() else {
            continue;
        };
        if literal < at {
            pieces.push(ReplacePiece::Text(&text[literal..at]));
        }
        pieces.push(ReplacePiece::Group(usize::from(digit - b'0')));
        literal = at + 2;
    }
    if literal < text.len() {
        pieces.push(ReplacePiece::Text(&text[literal..]));
    }
    pieces
}

/// Compiles a regular expression that must match the whole text.
///
/// # Errors
/// Why it is none, in one line.
pub fn whole_regex(pattern: &str, case: Case) -> Result<Regex, String> {
    // By itself first: `a)(b` is two halves that the anchors would make whole.
    search_regex(pattern, case)?;
    search_regex(&format!(r"\A(?:{pattern})\z"), case)
}

/// Compiles a regular expression that is searched for.
///
/// # Errors
/// Why it is none, in one line.
pub fn search_regex(pattern: &str, case: Case) -> Result<Regex, String> {
    RegexBuilder::new(pattern)
        .unicode(false)
        .case_insensitive(case == Case::Ignored)
        .size_limit(REGEX_BYTES)
        .dfa_size_limit(REGEX_CACHE_BYTES)
        .nest_limit(REGEX_DEPTH)
        .build()
        .map_err(|error| reason(&error))
}

fn wildcard(byte: u8) -> Glob {
    match byte {
        b'*' => Glob::Many,
        b'?' => Glob::One,
        byte => Glob::Byte(byte),
    }
}

/// The sentence of an error that comes with a drawing of where it is.
fn reason(error: &regex::Error) -> String {
    let text = match error {
        regex::Error::CompiledTooBig(_) => {
            return "the regular expression is too big once compiled".to_owned();
        }
        error => error.to_string(),
    };
    let last = text.lines().last().unwrap_or_default();
    let reason = last.strip_prefix("error: ").unwrap_or(last);
    format!("not a regular expression: {reason}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_and_question_marks_are_wildcards() {
        use Glob::{Byte, Many, One};
        assert_eq!(glob(r"a*?\*"), [Byte(b'a'), Many, One, Byte(b'\\'), Many]);
        assert_eq!(
            query_glob(r"a*\*\?\\\b\"),
            [
                Byte(b'a'),
                Many,
                Byte(b'*'),
                Byte(b'?'),
                Byte(b'\\'),
                Byte(b'\\'),
                Byte(b'b'),
                Byte(b'\\')
            ]
        );
    }

    #[test]
    fn uri_keywords_are_read() {
        use UriPiece::{Host, Path, Text};
        assert_eq!(
            uri_pieces("/a/#{host}#{path}#b"),
            Ok(vec![Text("/a/"), Host, Path, Text("#b")])
        );
        assert_eq!(uri_pieces(""), Ok(vec![]));
        for text in ["#{hots}", "/#{path", "#{}", "#{#{host}}", "#{Path}"] {
            assert!(uri_pieces(text).is_err(), "{text}");
        }
    }

    #[test]
    fn dollar_and_digit_is_a_group() {
        use ReplacePiece::{Group, Text};
        assert_eq!(
            replace_pieces("/$1$2x$10é$"),
            [
                Text("/"),
                Group(1),
                Group(2),
                Text("x"),
                Group(1),
                Text("0é$")
            ]
        );
        assert_eq!(
            replace_pieces("$$1$0$a"),
            [Text("$"), Group(1), Text("$0$a")]
        );
    }

    #[test]
    fn whole_regex_matches_the_whole_text() {
        let regex = whole_regex("a|ab", Case::Sensitive).unwrap();
        assert!(regex.is_match(b"ab") && regex.is_match(b"a"));
        for text in [&b"abc"[..], b"xa", b"ab\n", b"A"] {
            assert!(!regex.is_match(text), "{text:?}");
        }
        assert!(whole_regex("a", Case::Ignored).unwrap().is_match(b"A"));
        assert!(whole_regex(".", Case::Sensitive).unwrap().is_match(b"\xff"));
    }

    #[test]
    fn bad_regexes_say_why_in_one_line() {
        let huge = format!("{}a{}", "(".repeat(60), ")".repeat(60));
        for (pattern, part) in [
            ("a)(b", "unopened group"),
            ("a(", "unclosed group"),
            ("((a{1000}){1000}){1000}", "too big"),
            (r"\p{L}", "Unicode"),
            ("(?=a)", "look-around"),
            (r"(a)\1", "backreferences"),
            (&huge, "nest"),
        ] {
            let reason = whole_regex(pattern, Case::Sensitive).unwrap_err();
            assert!(reason.contains(part), "{pattern}: {reason}");
            assert!(!reason.contains('\n'), "{reason}");
        }
    }
}
