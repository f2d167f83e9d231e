//! What `fuzz/` calls: each function panics if its input shows a fault of ours.

use crate::{
    heads,
    http1::{HeadLimits, Reason, RequestHead, properties},
    stickiness,
};

/// Any bytes as a request's head, a response's and a chunked body. The first byte says how
/// they are cut into reads.
pub fn http1(input: &[u8]) {
    let Some((&seed, text)) = input.split_first() else {
        return;
    };
    let step = usize::from(seed >> 1).max(1);
    let ends: Vec<usize> = (0..text.len()).step_by(step).chain([text.len()]).collect();
    properties::request(text, &ends);
    properties::response(text, &ends, seed & 1 == 1);
    properties::chunked(text, &ends);
    heads::properties::request(text);
    heads::properties::response(text, seed & 1 == 1);
}

/// The length of the request's head that `text` starts with, and its class from 0 on
/// (compliant); `None` if it is refused, or milder on purpose than ALB's guardian.
pub fn classify(text: &[u8]) -> Option<(usize, u8)> {
    let mut head = RequestHead::new();
    let len = head.parse(text, &HeadLimits::default()).ok()??;
    let is_milder = text.starts_with(b"\r")
        || text.starts_with(b"\n")
        || head.reason() == Some(Reason::SuspiciousHeader);
    (!is_milder).then(|| (len, head.classification() as u8))
}

/// Any bytes as a request's Cookie field.
pub fn cookies(input: &[u8]) {
    stickiness::properties::cookies(input);
}

/// Any listener's rules, and any request.
pub fn rules(input: &[u8]) {
    crate::rule::properties::any_rules(input);
}
