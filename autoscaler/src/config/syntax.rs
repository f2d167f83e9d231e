//! What is wrong with the YAML itself, in words for who has not read its specification.

use serde_saphyr::Error;

use super::{
    fault::{Fault, Mistake, Position},
    yaml::{MAX_DEPTH, MAX_NODES},
};

/// Characters of the parser's own words that are passed on: they may quote the file.
const MAX_WORDS: usize = 120;

pub(super) fn fault(text: &str, error: &Error) -> Fault {
    let position = error.location().map_or(Position::START, Position::from);
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

fn explain(error: &Error) -> Mistake {
    match error {
        Error::MultipleDocuments { .. } => Mistake::new("a second YAML document begins here")
            .hint("keep one and remove the line `---`"),
        Error::UnknownAnchor { .. } => Mistake::new("the alias names no anchor above it")
            .hint("define it with `&`, or put text that begins with `*` in quotes"),
        Error::RecursiveReferencesRequireWeakTypes { .. } => {
            Mistake::new("the alias stands inside its own anchor").hint("write the value out")
        }
        Error::MergeValueNotMapOrSeqOfMaps { .. } => {
            Mistake::new("`<<` merges mappings only").hint("name one, such as <<: *common")
        }
        Error::InvalidScalar { .. } => {
            Mistake::new("the value is not what its tag says").hint("remove the tag")
        }
        Error::Budget { .. } => excess(),
        Error::AliasError { error, .. } => explain(error),
        other => scanner(&other.to_string()),
    }
}

fn excess() -> Mistake {
    Mistake::new("the YAML is nested too deeply or grows too large").hint(format!(
        "stay below {MAX_DEPTH} levels and {MAX_NODES} values"
    ))
}

/// The scanner has one kind of error and many phrases.
fn scanner(words: &str) -> Mistake {
    if words.contains("recursion limit") {
        return excess();
    }
    if let Some((_, message, hint)) = PHRASES.iter().find(|(phrase, ..)| words.contains(phrase)) {
        return Mistake::new(*message).hint(*hint);
    }
    let words = words.split(" at line ").next().unwrap_or_default();
    let words: String = words
        .chars()
        .filter(|c| !c.is_control())
        .take(MAX_WORDS)
        .collect();
    Mistake::new(format!("not valid YAML: {words}"))
}

/// A phrase of the scanner, what it means, and what to do.
const PHRASES: &[(&str, &str, &str)] = &[
    (
        "mapping values are not allowed",
        "a `:` stands where YAML allows none",
        "put text that contains `: ` in quotes, or align the key with those above",
    ),
    (
        "did not find expected ',' or '}'",
        "a `{` is not closed",
        "close it, and put text with ` #` in it, or that begins with `#`, in quotes",
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
    use crate::config::yaml::parse;

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
            (
                "a: { b: #{c} }\nd: 1\n",
                "2:2: a `{` is not closed; close it, and put text with ` #` in it, or that begins with `#`, in quotes",
            ),
            ("a: [1, 2\n", "1:4: not valid YAML: unclosed bracket '['"),
            ("a: \"x\n", "1:4: not valid YAML: unclosed quote"),
            (
                "a: !!int x\n",
                "1:10: the value is not what its tag says; remove the tag",
            ),
            (
                "<<: 3\n",
                "1:5: `<<` merges mappings only; name one, such as <<: *common",
            ),
            ("a: !foo 3\n", "1:9: not valid YAML: unsupported tag `!foo`"),
            (
                "---\na: 1\n---\nb: 2\n",
                "4:1: a second YAML document begins here; keep one and remove the line `---`",
            ),
            (
                "a: *b\n",
                "1:4: the alias names no anchor above it; define it with `&`, or put text that begins with `*` in quotes",
            ),
            (
                "&a [*a]",
                "1:5: the alias stands inside its own anchor; write the value out",
            ),
        ] {
            assert_eq!(
                parse(text.as_bytes()).unwrap_err().to_string(),
                expected,
                "{text:?}"
            );
        }
    }
}
