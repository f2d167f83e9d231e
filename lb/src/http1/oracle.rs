//! What AWS's http_desync_guardian, which ALB's classes come from, says of the same bytes.

use http_desync_guardian::{
    RequestSafetyTier,
    http_token_utils::{CL, TE, TokenSimilarity, determine_similarity},
    request_analyzer::HttpRequestData,
};
use proptest::prelude::*;

use super::{Classification, HeadLimits, Reason, RequestHead, samples};

fn ours(text: &[u8]) -> Option<(usize, RequestHead)> {
    let mut head = RequestHead::new();
    let len = head.parse(text, &HeadLimits::default()).ok()??;
    Some((len, head))
}

fn theirs(head: &[u8]) -> Classification {
    match HttpRequestData::analyze_raw_request(head).tier {
        RequestSafetyTier::Compliant => Classification::Compliant,
        RequestSafetyTier::Acceptable => Classification::Acceptable,
        RequestSafetyTier::Ambiguous => Classification::Ambiguous,
        RequestSafetyTier::Severe => Classification::Severe,
    }
}

/// Where we are milder, and why that is safe.
const MILDER: &[(&str, Classification, &str)] = &[
    (
        "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        Classification::Ambiguous,
        "RFC 9112 2.2 asks servers to skip an empty line; the guardian reads it as the request line",
    ),
    (
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer_Encoding: x\r\n\r\n",
        Classification::Severe,
        "the guardian reads the value of a look-alike; we neither read nor forward it",
    ),
    (
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent_Length: 4\r\n\r\n",
        Classification::Severe,
        "as above",
    ),
    (
        "GET / HTTP/1.1\r\nHost: a\r\nT!!!!!!!!!!!!!!!!: x\r\n\r\n",
        Classification::Severe,
        "the guardian takes signs for any letters at the end of a look-alike",
    ),
];

/// Whether the guardian takes the line's name for a look-alike that has other letters: it takes
/// signs for any letters at the end, and forgives one too many.
fn is_guessed(line: &[u8]) -> bool {
    let name = line.split(|&byte| byte == b':').next().unwrap_or_default();
    [TE, CL].iter().any(|important| {
        let is_same = letters(name).eq(letters(important));
        !is_same && determine_similarity(important, name) == TokenSimilarity::SameLetters
    })
}

fn letters(name: &[u8]) -> impl Iterator<Item = u8> {
    let letters = name.iter().filter(|byte| byte.is_ascii_alphanumeric());
    letters.map(u8::to_ascii_lowercase)
}

#[test]
fn milder_verdicts_are_deliberate() {
    for (text, verdict, why) in MILDER {
        let (_, head) = ours(text.as_bytes()).expect("it is read");
        assert!(head.classification() < *verdict, "{why}");
        assert_eq!(theirs(text.as_bytes()), *verdict, "{why}");
    }
}

proptest! {
    #![proptest_config(samples::config())]

    #[test]
    fn guardian_is_never_stricter(text in samples::request_heads()) {
        let Some((len, head)) = ours(&text) else {
            return Ok(());
        };
        let text = &text[..len];
        let starts_empty = text.starts_with(b"\r") || text.starts_with(b"\n");
        let has_look_alike = head.reason() == Some(Reason::SuspiciousHeader);
        let has_guessed = text.split(|&byte| byte == b'\n').any(is_guessed);
        if !starts_empty && !has_look_alike && !has_guessed {
            let class = head.classification();
            prop_assert!(class >= theirs(text), "{:?}", String::from_utf8_lossy(text));
        }
    }
}
