//! The last requests that failed, for those who ask why.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use minicloud_lb_api::RequestFailure;

/// Kept; beyond that the oldest go.
const KEPT: usize = 256;
/// Of these, as many as a report carries.
const REPORTED: usize = 32;
/// Bytes of one text that came with a request.
const MAX_TEXT: usize = 512;

/// A ring that is only touched when a request fails, and by those who read it.
#[derive(Debug, Default)]
pub(crate) struct Failures(Mutex<VecDeque<RequestFailure>>);

impl Failures {
    pub(crate) fn push(&self, failure: RequestFailure) {
        let mut ring = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ring.truncate(KEPT - 1);
        ring.push_front(failure);
    }

    /// All that are kept, newest first.
    pub(crate) fn all(&self) -> Vec<RequestFailure> {
        self.newest(KEPT)
    }

    /// Those that are told to others.
    pub(crate) fn reported(&self) -> Vec<RequestFailure> {
        self.newest(REPORTED)
    }

    fn newest(&self, count: usize) -> Vec<RequestFailure> {
        let ring = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ring.iter().take(count).cloned().collect()
    }
}

/// What a request's head says to those who look for it later.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Facts<'a> {
    pub(crate) method: &'a [u8],
    pub(crate) uri: &'a [u8],
    pub(crate) version: &'a [u8],
    pub(crate) host: &'a [u8],
    pub(crate) trace_id: Option<&'a [u8]>,
    pub(crate) traceparent: Option<&'a [u8]>,
}

impl<'a> Facts<'a> {
    /// Of a head that was accepted, a client's or one that was written for a target.
    pub(crate) fn of(head: &'a [u8]) -> Self {
        let mut facts = Self::default();
        let mut lines = head
            .split(|&byte| byte == b'\n')
            .map(<[u8]>::trim_ascii)
            .skip_while(|line| line.is_empty());
        let mut words = lines
            .next()
            .unwrap_or_default()
            .splitn(3, |&byte| byte == b' ');
        facts.method = words.next().unwrap_or_default();
        facts.uri = words.next().unwrap_or_default();
        facts.version = words.next().unwrap_or_default();
        for line in lines {
            let Some(colon) = line.iter().position(|&byte| byte == b':') else {
                continue;
            };
            let value = line[colon + 1..].trim_ascii();
            match line[..colon].trim_ascii() {
                name if name.eq_ignore_ascii_case(b"host") => facts.host = value,
                name if name.eq_ignore_ascii_case(b"x-amzn-trace-id") => {
                    facts.trace_id.get_or_insert(value);
                }
                name if name.eq_ignore_ascii_case(b"traceparent") => {
                    facts.traceparent.get_or_insert(value);
                }
                _ => {}
            }
        }
        facts
    }

    /// The request line with a whole URL, printable and bounded.
    pub(crate) fn request(&self) -> String {
        let mut text = printable(self.method);
        text.push(' ');
        if self.uri.starts_with(b"/") {
            text.push_str("http://");
            text.push_str(&printable(self.host));
        }
        text.push_str(&printable(self.uri));
        text.push(' ');
        text.push_str(&printable(self.version));
        text
    }
}

/// Bytes of a request for somebody's screen: ASCII, and not too many.
pub(crate) fn printable(bytes: &[u8]) -> String {
    let mut text = bytes[..bytes.len().min(MAX_TEXT)]
        .escape_ascii()
        .to_string();
    if text.len() > MAX_TEXT || bytes.len() > MAX_TEXT {
        text.truncate(MAX_TEXT);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ring_keeps_the_newest() {
        let failures = Failures::default();
        for number in 0..300 {
            failures.push(RequestFailure {
                cause: number.to_string(),
                ..RequestFailure::default()
            });
        }
        let all = failures.all();
        assert_eq!(all.len(), KEPT);
        assert_eq!((&*all[0].cause, &*all[KEPT - 1].cause), ("299", "44"));
        assert_eq!(failures.reported(), all[..REPORTED]);
    }

    #[test]
    fn head_tells_its_facts() {
        let head = b"\r\nGET /a?b HTTP/1.1\nHost: x:80\r\nTRACEPARENT:  00-1-2-01 \r\n\
            X-Amzn-Trace-Id: Root=1-2-3\r\nno colon\r\n\r\n";
        let facts = Facts::of(head);
        assert_eq!(facts.request(), "GET http://x:80/a?b HTTP/1.1");
        assert_eq!(facts.traceparent, Some(&b"00-1-2-01"[..]));
        assert_eq!(facts.trace_id, Some(&b"Root=1-2-3"[..]));
        assert_eq!(Facts::of(b"").request(), "  ");
    }

    #[test]
    fn hostile_texts_are_bounded_and_printable() {
        let long = b"\xff\x1b[2J\"".repeat(3000);
        let text = printable(&long);
        assert!(text.starts_with(r#"\xff\x1b[2J\""#), "{text}");
        assert!(text.chars().count() == MAX_TEXT + 1 && text.ends_with('…'));
        assert!(!text.contains(char::is_control));
        assert_eq!(printable(&[b'a'; MAX_TEXT]).len(), MAX_TEXT);
    }
}
