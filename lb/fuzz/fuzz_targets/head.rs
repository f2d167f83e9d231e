//! Heads and chunked bodies: no panic, no dependence on how reads are cut, nothing forwarded
//! that is read otherwise, and no verdict milder than that of ALB's guardian.

#![no_main]

use http_desync_guardian::{
    http_token_utils::{CL, TE, TokenSimilarity, determine_similarity},
    request_analyzer::HttpRequestData,
};
use libfuzzer_sys::fuzz_target;
use minicloud_lb::fuzzing;

fuzz_target!(|input: &[u8]| {
    fuzzing::http1(input);
    let text = input.get(1..).unwrap_or_default();
    if let Some((len, class)) = fuzzing::classify(text) {
        let head = &text[..len];
        if !head.split(|&byte| byte == b'\n').any(is_guessed) {
            let verdict = HttpRequestData::analyze_raw_request(head);
            assert!(class >= verdict.tier as u8, "{verdict}");
        }
    }
});

/// The guardian takes signs for any letters at the end of a name, and forgives one letter too
/// many (`T!!!!!!!!!!!!!!!!`, `Transferr-Encodin'+`): we go by the letters that are there.
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
