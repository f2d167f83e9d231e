//! Whether what a page shows is what came: ids, times and measured figures differ from run to
//! run, the rest does not.

/// `...` stands for any lines where it is alone on one, for any text within one.
pub(super) fn matches(expected: &str, shown: &str) -> bool {
    let expected: Vec<_> = expected.trim().lines().map(shape).collect();
    let shown: Vec<_> = shown.trim().lines().map(shape).collect();
    lines_match(&expected, &shown)
}

fn lines_match(expected: &[String], shown: &[String]) -> bool {
    match expected.split_first() {
        None => shown.is_empty(),
        Some((first, rest)) if first == "..." => {
            (0..=shown.len()).any(|skipped| lines_match(rest, &shown[skipped..]))
        }
        Some((first, rest)) => shown
            .split_first()
            .is_some_and(|(line, after)| line_matches(first, line) && lines_match(rest, after)),
    }
}

fn line_matches(expected: &str, shown: &str) -> bool {
    let mut parts = expected.split("...");
    let Some(mut rest) = parts.next().and_then(|part| shown.strip_prefix(part)) else {
        return false;
    };
    let parts: Vec<_> = parts.collect();
    let Some((last, inner)) = parts.split_last() else {
        return rest.is_empty();
    };
    for part in inner {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// A line without what differs: words one space apart, and `#` for ids, percentages, fractions
/// and ports.
fn shape(line: &str) -> String {
    let words: Vec<_> = line.split_whitespace().collect();
    let shapes = words.iter().enumerate().map(|(index, word)| {
        let is_percentage = words
            .get(index + 1)
            .is_some_and(|next| next.starts_with('%'));
        shape_of_word(word, is_percentage)
    });
    shapes.collect::<Vec<_>>().join(" ")
}

fn shape_of_word(word: &str, is_percentage: bool) -> String {
    let bare = word.trim_matches(|c: char| ",.:;()".contains(c));
    let is_id = bare
        .strip_prefix("i-")
        .is_some_and(|hex| hex.len() >= 8 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let is_number = |text: &str| text.parse::<f64>().is_ok();
    let is_time = bare.len() >= 19 && bare.ends_with('Z') && bare.starts_with("20");
    let is_measured = is_number(bare) && (is_percentage || bare.contains('.'));
    if is_id || is_time || is_measured || bare == "-" {
        return word.replace(bare, "#");
    }
    match word.rsplit_once(':') {
        Some((host, port)) if host.contains("localhost") || host.contains("127.0.0.1") => {
            let digits = port.trim_start_matches(|c: char| c.is_ascii_digit());
            format!("{host}:#{digits}")
        }
        _ => word.to_owned(),
    }
}

#[test]
fn only_what_is_measured_differs() {
    for (expected, shown) in [
        (
            "hello from i-5b00138c, zone a",
            "hello from i-0123abcd, zone a\n",
        ),
        ("web  1  2  1 %  80 %", "web 1   2  34 % 80 %"),
        ("at http://localhost:8080/", "at http://localhost:10004/"),
        ("a\n...\nb", "a\n1\n2\nb"),
        ("a\n...\nb", "a\nb"),
        (
            "cause: ... scale out 1 -> 2",
            "cause: 1 x 99 / 80: scale out 1 -> 2",
        ),
    ] {
        assert!(matches(expected, shown), "{expected} / {shown}");
    }
    for (expected, shown) in [
        ("web 1 2 1", "web 1 2 2"),
        ("a", "a\nb"),
        ("a\n...\nb", "a\n1"),
        ("... scale out", "... scale in"),
        ("InService", "Pending"),
    ] {
        assert!(!matches(expected, shown), "{expected} / {shown}");
    }
}
