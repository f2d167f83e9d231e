//! Did you mean ...?

use std::cmp::Reverse;

/// Longer words are no misspelling of anything of ours.
const MAX_WORD: usize = 128;

/// A file of thousands of names is compared with the first of them only.
const MAX_CANDIDATES: usize = 256;

/// The candidate that `written` most likely stands for, if one is near: one edit in three letters.
pub(crate) fn nearest<'a>(
    written: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    if written.len() > MAX_WORD {
        return None;
    }
    let written = snake_case(written);
    candidates
        .into_iter()
        .take(MAX_CANDIDATES)
        .map(|candidate| {
            let wanted = snake_case(candidate);
            let distance = strsim::damerau_levenshtein(&written, &wanted);
            (distance, wanted.chars().count(), candidate)
        })
        .filter(|(distance, length, _)| distance * 3 <= *length.max(&3))
        .min_by_key(|(distance, length, _)| (*distance, Reverse(*length)))
        .map(|(.., candidate)| candidate)
}

/// `MinSize`, `minSize` and `min-size` as `min_size`.
pub(crate) fn snake_case(word: &str) -> String {
    let mut snake = String::with_capacity(word.len() + 4);
    let mut after_lower = false;
    for character in word.chars() {
        if character.is_uppercase() && after_lower {
            snake.push('_');
        }
        after_lower = character.is_lowercase() || character.is_ascii_digit();
        match character {
            '-' | ' ' | '.' => snake.push('_'),
            c => snake.extend(c.to_lowercase()),
        }
    }
    snake
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_found() {
        let keys = ["min_size", "max_size", "desired_capacity", "env", "web"];
        for (written, expected) in [
            ("min_siz", Some("min_size")),
            ("MinSize", Some("min_size")),
            ("desired-capacity", Some("desired_capacity")),
            ("wbe", Some("web")),
            ("nev", Some("env")),
            ("size", None),
            ("", None),
        ] {
            assert_eq!(nearest(written, keys), expected, "{written}");
        }
        assert_eq!(nearest(&"x".repeat(100_000), keys), None);
    }

    #[test]
    fn casing_of_aws_becomes_ours() {
        for (theirs, ours) in [
            ("MinSize", "min_size"),
            ("TargetGroupARNs", "target_group_arns"),
            ("DefaultInstanceWarmup", "default_instance_warmup"),
            ("VPCZoneIdentifier", "vpczone_identifier"),
        ] {
            assert_eq!(snake_case(theirs), ours);
        }
    }
}
