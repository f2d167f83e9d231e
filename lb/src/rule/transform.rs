use minicloud_lb_api::{
    Rewrite, Transform,
    notation::{Case, ReplacePiece, replace_pieces, search_regex},
};
use regex::bytes::Regex;

use super::host;

/// Bytes of a rewritten part: ELB's bound of a request line. A replacement may repeat what it
/// matched many times over.
const MAX_REWRITTEN_BYTES: usize = 16 << 10;

/// What a rule changes of the request before its target sees it.
#[derive(Debug, Default)]
pub(crate) struct Transforms {
    host: Option<CompiledRewrite>,
    url: Option<CompiledRewrite>,
}

/// The parts that changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Rewritten {
    pub(crate) host: Option<Vec<u8>>,
    pub(crate) path_and_query: Option<Vec<u8>>,
}

/// A rule made something of the request that no target must get: the client's answer is 500
/// (ELB, "Transforms for listener rules").
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum TransformFailed {
    Host,
    Url,
}

#[derive(Debug)]
struct CompiledRewrite {
    regex: Regex,
    replace: Vec<Piece>,
}

#[derive(Debug)]
enum Piece {
    Text(String),
    Group(usize),
}

impl Transforms {
    /// Of transforms without faults.
    pub(super) fn new(transforms: &[Transform]) -> Self {
        let mut compiled = Self::default();
        for transform in transforms {
            match transform {
                Transform::HostHeaderRewrite(rewrite) => {
                    compiled.host = Some(CompiledRewrite::new(rewrite, Case::Ignored));
                }
                Transform::UrlRewrite(rewrite) => {
                    compiled.url = Some(CompiledRewrite::new(rewrite, Case::Sensitive));
                }
            }
        }
        compiled
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.host.is_none() && self.url.is_none()
    }

    /// Rewrites what the regular expressions match. A host is matched without its port, which
    /// stays unless the replacement brings one.
    ///
    /// # Errors
    /// The rule's own fault: a result that is no Host or no request target, or is too long.
    pub(crate) fn apply(
        &self,
        host: &[u8],
        path_and_query: &[u8],
    ) -> Result<Rewritten, TransformFailed> {
        let mut rewritten = Rewritten::default();
        if let Some(rewrite) = &self.host {
            rewritten.host = rewrite.host(host)?;
        }
        if let Some(rewrite) = &self.url {
            rewritten.path_and_query = rewrite.url(path_and_query)?;
        }
        Ok(rewritten)
    }
}

impl CompiledRewrite {
    fn new(rewrite: &Rewrite, case: Case) -> Self {
        let own = |piece| match piece {
            ReplacePiece::Text(text) => Piece::Text(text.to_owned()),
            ReplacePiece::Group(group) => Piece::Group(group),
        };
        Self {
            regex: search_regex(&rewrite.regex, case)
                .expect("a rule with a bad regex has faults and is not compiled"),
            replace: replace_pieces(&rewrite.replace)
                .into_iter()
                .map(own)
                .collect(),
        }
    }

    fn host(&self, host: &[u8]) -> Result<Option<Vec<u8>>, TransformFailed> {
        let name = host::without_port(host);
        let port = &host[name.len()..];
        let Some(mut new) = self.replace_first(name).ok_or(TransformFailed::Host)? else {
            return Ok(None);
        };
        if host::without_port(&new).len() == new.len() {
            new.extend(port);
        }
        match host::is_valid(&new) {
            true => Ok(Some(new)),
            false => Err(TransformFailed::Host),
        }
    }

    fn url(&self, url: &[u8]) -> Result<Option<Vec<u8>>, TransformFailed> {
        let new = self.replace_first(url).ok_or(TransformFailed::Url)?;
        match new.as_deref().is_none_or(is_request_target) {
            true => Ok(new),
            false => Err(TransformFailed::Url),
        }
    }

    /// None: too long. None within: no match.
    fn replace_first(&self, text: &[u8]) -> Option<Option<Vec<u8>>> {
        let Some(captures) = self.regex.captures(text) else {
            return Some(None);
        };
        let whole = captures.get_match();
        let mut new = text[..whole.start()].to_vec();
        for piece in &self.replace {
            let bytes = match piece {
                Piece::Text(text) => text.as_bytes(),
                // A group that took no part in the match is empty.
                Piece::Group(group) => captures
                    .get(*group)
                    .map_or(&[][..], |group| group.as_bytes()),
            };
            if new.len() + bytes.len() > MAX_REWRITTEN_BYTES {
                return None;
            }
            new.extend(bytes);
        }
        new.extend(&text[whole.end()..]);
        (new.len() <= MAX_REWRITTEN_BYTES).then_some(Some(new))
    }
}

/// Origin-form (RFC 9112 3.2.1), as loosely as a client may send it: no byte that would end it.
fn is_request_target(target: &[u8]) -> bool {
    let is_bad = |byte: &u8| *byte <= b' ' || matches!(byte, 0x7f | b'#');
    target.starts_with(b"/") && !target.iter().any(is_bad)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rewrite(regex: &str, replace: &str) -> Rewrite {
        Rewrite {
            regex: regex.to_owned(),
            replace: replace.to_owned(),
        }
    }

    fn url(regex: &str, replace: &str, url: &[u8]) -> Result<Option<Vec<u8>>, TransformFailed> {
        let transforms = Transforms::new(&[Transform::UrlRewrite(rewrite(regex, replace))]);
        let rewritten = transforms.apply(b"a.test", url)?;
        assert_eq!(rewritten.host, None);
        Ok(rewritten.path_and_query)
    }

    fn host(regex: &str, replace: &str, host: &[u8]) -> Result<Option<Vec<u8>>, TransformFailed> {
        let transforms = Transforms::new(&[Transform::HostHeaderRewrite(rewrite(regex, replace))]);
        let rewritten = transforms.apply(host, b"/")?;
        assert_eq!(rewritten.path_and_query, None);
        Ok(rewritten.host)
    }

    #[test]
    fn first_match_is_replaced() {
        let table: [(&str, &str, &[u8], &[u8]); 8] = [
            ("^/api/(.*)$", "/$1", b"/api/v1?a=b", b"/v1?a=b"),
            ("a", "b", b"/aaa", b"/baa"),
            ("/(a+)/(b+)", "/$2/$1/$2", b"/aa/b/c", b"/b/aa/b/c"),
            ("^/(x)?", "/[$1]", b"/y", b"/[]y"),
            ("[?]a=(.*)", "/$1", b"/p?a=b", b"/p/b"),
            ("p", "$", b"/p", b"/$"),
            ("^", "/v2", b"/a", b"/v2/a"),
            ("b", "", b"/abc\xff", b"/ac\xff"),
        ];
        for (regex, replace, from, to) in table {
            assert_eq!(url(regex, replace, from), Ok(Some(to.to_vec())), "{regex}");
        }
    }

    #[test]
    fn no_match_changes_nothing() {
        assert_eq!(url("/api", "/", b"/API"), Ok(None));
        assert_eq!(url("a", "/", b"*"), Ok(None));
        assert_eq!(host("a", "b", b"c:80"), Ok(None));
        assert!(Transforms::default().is_empty());
        assert_eq!(
            Transforms::default().apply(b"", b""),
            Ok(Rewritten::default())
        );
    }

    #[test]
    fn port_stays_unless_replaced() {
        let table: [(&str, &str, &[u8], &[u8]); 6] = [
            (
                "^shop-(.+)[.]com$",
                "$1.internal",
                b"Shop-A.com:80",
                b"A.internal:80",
            ),
            ("^a$", "b", b"a", b"b"),
            ("^a$", "b:81", b"a:80", b"b:81"),
            ("^a$", "[::1]", b"a:80", b"[::1]:80"),
            ("::1", "::2", b"[::1]:80", b"[::2]:80"),
            ("^.*$", "$$", b"a", b"$$"),
        ];
        for (regex, replace, from, to) in table {
            assert_eq!(host(regex, replace, from), Ok(Some(to.to_vec())), "{regex}");
        }
    }

    #[test]
    fn bad_results_are_the_rules_fault() {
        for (regex, replace, from) in [
            ("^/", "", &b"/a"[..]),
            ("^.*$", "http://evil.test/", b"/a"),
            ("a", "#", b"/a"),
            ("a", "b", b"/a\r\n"),
            ("a", "b", b"/a b"),
        ] {
            assert_eq!(
                url(regex, replace, from),
                Err(TransformFailed::Url),
                "{regex}"
            );
        }
        for (regex, replace) in [
            ("a", ""),
            ("a", "b/c"),
            ("a", "b:x"),
            ("a", "u@b"),
            ("a", ":"),
        ] {
            assert_eq!(
                host(regex, replace, b"a"),
                Err(TransformFailed::Host),
                "{replace}"
            );
        }
    }

    #[test]
    fn repeated_groups_cannot_grow_without_bound() {
        let long = format!("/{}", "a".repeat(16 << 10));
        let failed = Err(TransformFailed::Url);
        assert_eq!(url("(.+)", &"$1".repeat(512), long.as_bytes()), failed);
        assert_eq!(url("^", "/", long.as_bytes()), failed);
    }

    proptest! {
        #[test]
        fn results_are_clean_whatever_comes(
            regex in prop::sample::select(vec!["(.*)", "a", "^/?(.)", "[^a]+", "(?s)(.+)$"]),
            replace in "[/a:$?.-]{0,4}",
            from in prop::collection::vec(prop_oneof![any::<u8>(), Just(b'/'), Just(b'a')], 0..8),
        ) {
            if let Ok(Some(new)) = url(regex, &replace, &from) {
                prop_assert_eq!(new[0], b'/');
                let is_clean = |byte: &u8| *byte > b' ' && *byte != 0x7f && *byte != b'#';
                prop_assert!(new.iter().all(is_clean));
            }
            if let Ok(Some(new)) = host(regex, &replace, &from) {
                prop_assert!(host::is_valid(&new));
            }
        }
    }
}
