//! Bytes for property tests: pieces that heads and bodies are made of, in any order.

use proptest::{collection::vec, prelude::*, sample::select};

/// What is read, and what is mostly refused.
type Pieces = (&'static [&'static str], &'static [&'static str]);

const REQUEST_LINES: Pieces = (
    &[
        "GET / HTTP/1.1\r\n",
        "POST /a?b HTTP/1.1\r\n",
        "HEAD http://x/p HTTP/1.1\r\n",
        "OPTIONS * HTTP/1.1\n",
        "GET / HTTP/1.0\r\n",
        "\r\nGET / HTTP/1.1\r\n",
        "CONNECT a:1 HTTP/1.1\r\n",
    ],
    &[
        "GET /a b HTTP/1.1\r\n",
        "GET /\r\n",
        "GET / HTTP/2.0\r\n",
        "GET /a/very/long/path/of/many/letters HTTP/1.1\r\n",
    ],
);
const STATUS_LINES: Pieces = (
    &[
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.1 204\r\n",
        "HTTP/1.1 304 \n",
        "HTTP/1.1 101 Switching\r\n",
        "HTTP/1.0 200 OK\r\n",
    ],
    &[
        "HTTP/1.1 1000 No\r\n",
        "HTTP/1.1 099 No\r\n",
        "HTTP/2 200\r\n",
    ],
);
const FIELDS: Pieces = (
    &[
        "Content-Length: 3\r\n",
        "Content-Length: 0\r\n",
        "Content_Length: 4\r\n",
        "Transfer-Encoding: chunked\r\n",
        "transfer_encoding:chunked\r\n",
        "Connection: close\r\n",
        "Connection: keep-alive, X, cookie\r\n",
        "Connection: upgrade\r\n",
        "Upgrade: websocket\r\n",
        "Upgrade: h2c\r\n",
        "Expect: 100-continue\r\n",
        "Keep-Alive: timeout=5\r\n",
        "TE: trailers\r\n",
        "Cookie: c=d\r\n",
        "X:y\r\n",
        "X: \u{e9} \t\n",
        "X-Forwarded-For: 1.1.1.1, 2.2.2.2\r\n",
    ],
    &[
        "host:b:80\n",
        "Content-Length: 3, 3\r\n",
        "content-length: 4\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding : chunked\r\n",
        " folded\r\n",
        ": nameless\r\n",
        "X-Long: 3456789012345678901234567890123456789012345678\r\n",
    ],
);
const CHUNKS: &[&str] = &[
    "3\r\nabc\r\n",
    "3;a=b\r\nabc\r\n",
    "A \r\n0123456789\r\n",
    "0003\r\n\r\n\r\r\n",
    "3\nabc\n",
    "3\r\nabcd\r\n",
    "0x3\r\nabc\r\n",
    "fffffffffffffffff\r\n",
    "0\r\n\r\n",
    "0\r\nX: y\r\nHost: a\r\n\r\n",
    "0\r\nX : y\r\n\r\n",
    "0;\r\nX:y\n\r\n",
];

/// More cases than the default, as they are cheap and the odd pieces are rare.
pub(crate) fn config() -> ProptestConfig {
    ProptestConfig {
        cases: 2000,
        ..ProptestConfig::default()
    }
}

/// Most with a Host field, so that many are read to the end.
pub(crate) fn request_heads() -> impl Strategy<Value = Vec<u8>> {
    heads(REQUEST_LINES, "Host: a\r\n")
}

pub(crate) fn response_heads() -> impl Strategy<Value = Vec<u8>> {
    heads(STATUS_LINES, "")
}

pub(crate) fn chunked_bodies() -> impl Strategy<Value = Vec<u8>> {
    (vec(select(CHUNKS), 0..5), edits()).prop_map(|(chunks, edits)| edit(chunks.concat(), edits))
}

fn heads(lines: Pieces, first_field: &'static str) -> impl Strategy<Value = Vec<u8>> {
    let start = (
        piece(lines),
        prop_oneof![9 => Just(first_field), 1 => Just("")],
    );
    let end = prop_oneof![8 => Just("\r\n"), 1 => Just("\n"), 1 => Just("")];
    (start, vec(piece(FIELDS), 0..6), end, edits()).prop_map(
        |((line, first), fields, end, edits)| {
            edit(format!("{line}{first}{}{end}body", fields.concat()), edits)
        },
    )
}

fn piece((sound, odd): Pieces) -> impl Strategy<Value = &'static str> {
    prop_oneof![15 => select(sound), 1 => select(odd)]
}

/// Where a byte is put in place of another, or before it.
fn edits() -> impl Strategy<Value = Vec<(prop::sample::Index, u8, bool)>> {
    let byte = prop_oneof![select(&b"\r\n \t:,\0a0#"[..]), any::<u8>()];
    let edit = (any::<prop::sample::Index>(), byte, any::<bool>());
    prop_oneof![2 => Just(Vec::new()), 1 => vec(edit, 1..3)]
}

fn edit(text: String, edits: Vec<(prop::sample::Index, u8, bool)>) -> Vec<u8> {
    let mut text = text.into_bytes();
    for (index, byte, replaces) in edits {
        let at = index.index(text.len() + 1);
        let end = if replaces {
            (at + 1).min(text.len())
        } else {
            at
        };
        text.splice(at..end, [byte]);
    }
    text
}

pub(crate) fn cuts() -> impl Strategy<Value = Vec<prop::sample::Index>> {
    prop_oneof![vec(any::<prop::sample::Index>(), 0..6), Just(Vec::new())]
}

/// The ends of reads that make up `len` bytes: those of `cuts`, or of each byte if none.
pub(crate) fn ends(cuts: &[prop::sample::Index], len: usize) -> Vec<usize> {
    let mut ends: Vec<usize> = match cuts {
        [] => (0..len).collect(),
        cuts => cuts.iter().map(|cut| cut.index(len + 1)).collect(),
    };
    ends.push(len);
    ends.sort_unstable();
    ends
}
