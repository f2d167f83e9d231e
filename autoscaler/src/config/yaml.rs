//! Bytes to tree. What is not one YAML document of sane size ends here with a single fault.

use std::str::Utf8Error;

use serde_saphyr::{DuplicateKeyPolicy, NonFiniteFloatPolicy, Options};

use super::{
    MAX_FILE_BYTES,
    fault::{Fault, Mistake, Position},
    node::Node,
    syntax,
};

/// Values after aliases are expanded: a bomb is refused long before it fills memory.
pub(crate) const MAX_NODES: usize = 50_000;

/// The schema is eight deep. The parser recurses, so this also bounds the stack.
pub(crate) const MAX_DEPTH: usize = 32;

pub(crate) fn parse(bytes: &[u8]) -> Result<Node, Fault> {
    if bytes.len() > MAX_FILE_BYTES {
        let mistake = Mistake::new("the file is larger than 1 MiB, the most there is to read");
        return Err(mistake.at(Position::START, ""));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| invalid_utf8(bytes, error))?;
    serde_saphyr::from_str_with_options(text, options())
        .map_err(|error| syntax::fault(text, &error))
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

fn invalid_utf8(bytes: &[u8], error: Utf8Error) -> Fault {
    let (valid, rest) = bytes.split_at(error.valid_up_to());
    let lines: Vec<_> = valid.split(|byte| *byte == b'\n').collect();
    let last = lines.last().copied().unwrap_or_default();
    let position = Position {
        line: lines.len(),
        column: String::from_utf8_lossy(last).chars().count() + 1,
    };
    let byte = rest.first().copied().unwrap_or_default();
    Mistake::new(format!("the byte 0x{byte:02x} is not UTF-8"))
        .hint("save the file in UTF-8")
        .at(position, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(bytes: &[u8]) -> String {
        parse(bytes).unwrap_err().to_string()
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
            "1:1: the file is larger than 1 MiB, the most there is to read"
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
