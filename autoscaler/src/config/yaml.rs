//! Bytes to tree. What is not one YAML document of sane size ends here with a single fault.

use serde_saphyr::{DuplicateKeyPolicy, Error, NonFiniteFloatPolicy, Options};

use super::{
    fault::{Fault, Mistake, Position},
    node::Node,
};

/// A configuration for hundreds of groups is a tenth of this.
const MAX_FILE_BYTES: usize = 1024 * 1024;

/// Values after aliases are expanded: a bomb is refused long before it fills memory.
const MAX_NODES: usize = 50_000;

/// The schema is seven deep. The parser recurses, so this also bounds the stack.
const MAX_DEPTH: usize = 32;

pub(super) fn parse(bytes: &[u8]) -> Result<Node, Fault> {
    if bytes.len() > MAX_FILE_BYTES {
        let message = format!(
            "the file has {} bytes; a configuration has at most {MAX_FILE_BYTES}",
            bytes.len()
        );
        return Err(Mistake::new(message).at(Position::START, ""));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| invalid_utf8(bytes, error))?;
    serde_saphyr::from_str_with_options(text, options()).map_err(|error| syntax(text, &error))
}

fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_nodes: MAX_NODES,
            max_depth: MAX_DEPTH,
            flow_nesting_limit: MAX_DEPTH,
        },
        // The reader reports a repeated key along with everything else.
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        // A number is a number in every YAML there is, or it is text.
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        non_finite_float_policy: NonFiniteFloatPolicy::AsString,
        reject_unsupported_tags: true,
        with_snippet: false,
    }
}

fn invalid_utf8(bytes: &[u8], error: std::str::Utf8Error) -> Fault {
    let (valid, rest) = bytes.split_at(error.valid_up_to());
    let line_start = valid
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |end| end + 1);
    let position = Position {
        line: valid.iter().filter(|byte| **byte == b'\n').count() + 1,
        column: String::from_utf8_lossy(&valid[line_start..])
            .chars()
            .count()
            + 1,
    };
    let byte = rest.first().copied().unwrap_or_default();
    Mistake::new(format!("the byte 0x{byte:02x} is not UTF-8"))
        .hint("save the file in UTF-8")
        .at(position, "")
}

fn syntax(text: &str, error: &Error) -> Fault {
    let position = error
        .location()
        .map_or(Position::START, |location| Position {
            line: usize::try_from(location.line()).unwrap_or(1).max(1),
            column: usize::try_from(location.column()).unwrap_or(1).max(1),
        });
    match indenting_tab(text, position.line) {
        Some(tab) => Mistake::new("a tab stands where YAML indents")
            .hint("use spaces")
            .at(tab, ""),
        None => explain(error).at(position, ""),
    }
}

/// A tab that indents the line of an error or the next: the parser reports it in either, and in
/// words that depend on what stands before it.
fn indenting_tab(text: &str, line: usize) -> Option<Position> {
    let tab = |(index, text): (usize, &str)| {
        let indent = text.find(|c: char| c != ' ')?;
        text[indent..].starts_with('\t').then_some(Position {
            line: index + 1,
            column: indent + 1,
        })
    };
    text.lines()
        .enumerate()
        .skip(line - 1)
        .take(2)
        .find_map(tab)
}

/// The parser's words where they say what to do, ours where they do not.
fn explain(error: &Error) -> Mistake {
    match error {
        Error::MultipleDocuments { .. } => {
            return Mistake::new("a second YAML document begins here")
                .hint("keep one and remove the line `---`");
        }
        Error::UnknownAnchor { .. } => {
            return Mistake::new("the alias names no anchor above it").hint("define it with `&`");
        }
        Error::RecursiveReferencesRequireWeakTypes { .. } => {
            return Mistake::new("the alias stands inside its own anchor");
        }
        Error::MergeValueNotMapOrSeqOfMaps { .. } => {
            return Mistake::new("`<<` merges a mapping").hint("name one, such as `<<: *common`");
        }
        _ => {}
    }
    let words = error.to_string();
    let words = words.split(" at line ").next().unwrap_or_default();
    if words.contains("budget") || words.contains("limit") || words.contains("recursion") {
        return Mistake::new("the YAML is nested too deeply or grows too large").hint(format!(
            "stay below {MAX_DEPTH} levels and {MAX_NODES} values"
        ));
    }
    let known = PHRASES.iter().find(|(phrase, ..)| words.contains(phrase));
    match known {
        Some((_, message, hint)) => Mistake::new(*message).hint(*hint),
        None => Mistake::new(format!("not valid YAML: {words}")),
    }
}

/// Phrases of the YAML scanner that say little to who has not read the YAML specification.
const PHRASES: &[(&str, &str, &str)] = &[
    (
        "mapping values are not allowed",
        "a `:` stands where YAML allows none",
        "put text that contains `: ` in quotes, or align the key with those above",
    ),
    (
        "simple key expected ':'",
        "a key without `:`",
        "write `key: value`",
    ),
    (
        "did not find expected key",
        "the indentation matches no line above",
        "align the key with its siblings",
    ),
    (
        "unexpected character",
        "no value begins with this character",
        "put the text in quotes",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(bytes: &[u8]) -> String {
        parse(bytes).unwrap_err().to_string()
    }

    #[test]
    fn syntax_errors_say_where_and_what() {
        for (text, expected) in [
            (
                "a:\n\tb: 1\n",
                "2:1: a tab stands where YAML indents; use spaces",
            ),
            (
                "a: b: c\n",
                "1:5: a `:` stands where YAML allows none; put text that contains `: ` in quotes, \
                 or align the key with those above",
            ),
            ("a: 1\nbad\n", "2:1: a key without `:`; write `key: value`"),
            (
                "a:\n  - b\n c: 1\n",
                "3:2: the indentation matches no line above; align the key with its siblings",
            ),
            (
                "a: @x\n",
                "1:4: no value begins with this character; put the text in quotes",
            ),
            ("a: [1, 2\n", "1:4: not valid YAML: unclosed bracket '['"),
            ("a: \"x\n", "1:4: not valid YAML: unclosed quote"),
            ("a: !foo 3\n", "1:9: not valid YAML: unsupported tag `!foo`"),
            (
                "---\na: 1\n---\nb: 2\n",
                "4:1: a second YAML document begins here; keep one and remove the line `---`",
            ),
            (
                "a: *b\n",
                "1:4: the alias names no anchor above it; define it with `&`",
            ),
            ("&a [*a]", "1:5: the alias stands inside its own anchor"),
        ] {
            assert_eq!(fault(text.as_bytes()), expected, "{text:?}");
        }
    }

    #[test]
    fn first_byte_outside_utf8_is_named() {
        assert_eq!(
            fault(b"a: 1\n\xc3\xa9: \xff\xfe\n"),
            "2:4: the byte 0xff is not UTF-8; save the file in UTF-8"
        );
    }

    #[test]
    fn ten_megabytes_are_refused_unread() {
        assert_eq!(
            fault(&vec![b'\xff'; 10_000_000]),
            "1:1: the file has 10000000 bytes; a configuration has at most 1048576"
        );
    }

    #[test]
    fn bombs_are_refused() {
        let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
        for level in 1..9 {
            let last = level - 1;
            bomb += &format!(
                "a{level}: &a{level} [{}]\n",
                vec![format!("*a{last}"); 9].join(", ")
            );
        }
        for text in [
            bomb,
            "[".repeat(5000),
            "- ".repeat(5000),
            "{a: ".repeat(5000),
        ] {
            let fault = fault(text.as_bytes());
            assert!(
                fault.contains("nested too deeply or grows too large"),
                "{fault}"
            );
        }
    }
}
