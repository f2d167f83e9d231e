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
