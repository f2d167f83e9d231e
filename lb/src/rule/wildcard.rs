use minicloud_lb_api::notation::{Case, Glob};

/// A pattern with `*` and `?`, over bytes.
#[derive(Debug)]
pub(super) struct Wildcard {
    pieces: Box<[Glob]>,
    /// What a text must end with: most texts that do not match are told by it alone.
    tail: Box<[u8]>,
    case: Case,
}

impl Wildcard {
    pub(super) fn new(mut pieces: Vec<Glob>, case: Case) -> Self {
        if case == Case::Ignored {
            for piece in &mut pieces {
                if let Glob::Byte(byte) = piece {
                    byte.make_ascii_lowercase();
                }
            }
        }
        let literal = |piece: &Glob| match piece {
            Glob::Byte(byte) => Some(*byte),
            Glob::One | Glob::Many => None,
        };
        let mut tail: Vec<u8> = pieces.iter().rev().map_while(literal).collect();
        tail.reverse();
        Self {
            pieces: pieces.into(),
            tail: tail.into(),
            case,
        }
    }

    pub(super) fn matches(&self, text: &[u8]) -> bool {
        self.has_tail(text) && self.matches_bytes(text.iter().copied())
    }

    /// Goes back to the last `*` only: what an earlier one could take, this one can.
    pub(super) fn matches_bytes(&self, text: impl Iterator<Item = u8> + Clone) -> bool {
        let mut text = text;
        let mut at = 0;
        let mut last_star = None;
        loop {
            let piece = self.pieces.get(at);
            if piece == Some(&Glob::Many) {
                at += 1;
                last_star = Some((at, text.clone()));
                continue;
            }
            match (piece, text.next()) {
                (None, None) => return true,
                (Some(_), None) => return false,
                (Some(Glob::One), Some(_)) => at += 1,
                (Some(Glob::Byte(wanted)), Some(byte)) if *wanted == self.fold(byte) => at += 1,
                (_, Some(_)) => {
                    // Nothing after a closing `*`: it takes all.
                    let Some((after, from)) = &mut last_star else {
                        return false;
                    };
                    if *after == self.pieces.len() {
                        return true;
                    }
                    from.next();
                    text = from.clone();
                    at = *after;
                }
            }
        }
    }

    fn has_tail(&self, text: &[u8]) -> bool {
        let Some(start) = text.len().checked_sub(self.tail.len()) else {
            return false;
        };
        match self.case {
            Case::Sensitive => text[start..] == *self.tail,
            Case::Ignored => text[start..].eq_ignore_ascii_case(&self.tail),
        }
    }

    fn fold(&self, byte: u8) -> u8 {
        match self.case {
            Case::Sensitive => byte,
            Case::Ignored => byte.to_ascii_lowercase(),
        }
    }
}

#[cfg(test)]
mod tests {
    use minicloud_lb_api::notation::glob;
    use proptest::prelude::*;

    use super::*;

    fn matches(pattern: &str, text: &str, case: Case) -> bool {
        Wildcard::new(glob(pattern), case).matches(text.as_bytes())
    }

    /// Tries everything.
    fn oracle(pieces: &[Glob], text: &[u8]) -> bool {
        match pieces {
            [] => text.is_empty(),
            [Glob::Many, rest @ ..] => (0..=text.len()).any(|at| oracle(rest, &text[at..])),
            [Glob::One, rest @ ..] => !text.is_empty() && oracle(rest, &text[1..]),
            [Glob::Byte(byte), rest @ ..] => text.first() == Some(byte) && oracle(rest, &text[1..]),
        }
    }

    #[test]
    fn patterns_match_as_at_elb() {
        for (pattern, text, expected) in [
            ("/img/*", "/img/", true),
            ("/img/*", "/img/a/b.png", true),
            ("/img/*", "/img", false),
            ("/img/*/pics", "/img/a/b/pics", true),
            ("*", "", true),
            ("**", "", true),
            ("", "", true),
            ("", "a", false),
            ("?", "", false),
            ("?", "a", true),
            ("?", "ab", false),
            ("*?", "abc", true),
            ("/a", "/A", false),
            ("/a", "/ab", false),
            ("/a", "x/a", false),
            ("*aab", "aaaaab", true),
            ("*.b.c", "a.b.b.c", true),
        ] {
            assert_eq!(
                matches(pattern, text, Case::Sensitive),
                expected,
                "{pattern} {text}"
            );
        }
        assert!(matches("*.Example.COM", "WWW.example.com", Case::Ignored));
        assert!(!matches("*.example.com", "example.com", Case::Ignored));
    }

    #[test]
    fn many_stars_take_no_exponential_time() {
        // Trying everything would take 16384 to the power of 30 steps.
        let pattern = "*a".repeat(30) + "*b*c";
        assert!(!matches(&pattern, &"a".repeat(1 << 14), Case::Sensitive));
        assert!(!matches(
            &(pattern + "*"),
            &"a".repeat(1 << 14),
            Case::Sensitive
        ));
    }

    proptest! {
        #[test]
        fn agrees_with_trying_everything(pattern in "[abA?*]{0,7}", text in "[abA]{0,8}") {
            let expected = oracle(&glob(&pattern), text.as_bytes());
            prop_assert_eq!(matches(&pattern, &text, Case::Sensitive), expected);
            let lower = oracle(
                &glob(&pattern.to_ascii_lowercase()),
                text.to_ascii_lowercase().as_bytes(),
            );
            prop_assert_eq!(matches(&pattern, &text, Case::Ignored), lower);
        }
    }
}
