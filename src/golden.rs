//! Files that hold what is expected, word for word.

use std::{env, fs};

/// Compares `text` with the file at `path`, which `MINICLOUD_BLESS=1` writes anew.
pub(crate) fn check(path: &str, text: &str) {
    if env::var_os("MINICLOUD_BLESS").is_some() {
        fs::write(path, text).unwrap();
    }
    let written = fs::read_to_string(path).unwrap_or_default();
    // Line by line: two long texts side by side tell nobody what differs.
    for (number, (written, made)) in written.lines().zip(text.lines()).enumerate() {
        assert_eq!(written, made, "{path}:{}", number + 1);
    }
    assert!(
        written == text,
        "{path} is out of date: MINICLOUD_BLESS=1 cargo test -p minicloud --bin minicloud"
    );
}
