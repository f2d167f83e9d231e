use minicloud_lb_api::notation::{Case, Glob};

/// A pattern with `*` and `?`, over bytes.
#[derive(Debug)]
pub(super) struct Wildcard {
    pieces: Box<[Glob]>,
    /// The bytes before the first wildcard, and those after the last one: most patterns have
    /// little between them, and most texts do not get so far.
    head: Box<[u8]>,
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
        let head: Box<[u8]> = pieces.iter().map_while(literal).collect();
        let rest = &pieces[head.len()..];
        let mut tail: Box<[u8]> = rest.iter().rev().map_while(literal).collect();
        tail.reverse();
        Self {
            pieces: pieces.into(),
            head,
            tail,
            case,
        }
    }

    pub(super) fn matches(&self, text: &[u8]) -> bool {
        let Some((head, rest)) = text.split_at_checked(self.head.len()) else {
            return false;
        };
        let middle = rest.len().checked_sub(self.tail.len());
        let Some((middle, tail)) = middle.and_then(|middle| rest.split_at_checked(middle)) else {
            return false;
        };
        if !self.equals(head, &self.head) || !self.equals(tail, &self.tail) {
            return false;
        }
        match &self.pieces[self.head.len()..self.pieces.len() - self.tail.len()] {
            [] => middle.is_empty(),
            [Glob::Many] => true,
            pieces => matches_all(pieces, middle.iter().copied(), self.case),
        }
    }

    pub(super) fn matches_bytes(&self, text: impl Iterator<Item = u8> + Clone) -> bool {
        matches_all(&self.pieces, text, self.case)
    }

    fn equals(&self, text: &[u8], wanted: &[u8]) -> bool {
        match self.case {
            Case::Sensitive => text == wanted,
            Case::Ignored => text.eq_ignore_ascii_case(wanted),
        }
    }
}

fn literal(piece: &Glob) -> Option<u8> {
    match piece {
        Glob::Byte(byte) => Some(*byte),
        Glob::One | Glob::Many => None,
    }
}

/// Goes back to the last `*` only: what an earlier one could take, this one can.
fn matches_all(pieces: &[Glob], mut text: impl Iterator<Item = u8> + Clone, case: Case) -> bool {
    let fold = |byte: u8| match case {
        Case::Sensitive => byte,
        Case::Ignored => byte.to_ascii_lowercase(),
    };
    let mut at = 0;
    let mut last_star = None;
    loop {
        let piece = pieces.get(at);
        if piece == Some(&Glob::Many) {
            at += 1;
            if at == pieces.len() {
                return true;
            }
            last_star = Some((at, text.clone()));
            continue;
        }
        match (piece, text.next()) {
            (None, None) => return true,
            (Some(_), None) => return false,
            (Some(Glob::One), Some(_)) => at += 1,
            (Some(Glob::Byte(wanted)), Some(byte)) if *wanted == fold(byte) => at += 1,
            (_, Some(_)) => {
                let Some((after, from)) = &mut last_star else {
                    return false;
                };
                from.next();
                text = from.clone();
                at = *after;
            }
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
