use minicloud_lb_api::notation::{UriPiece, uri_pieces};

use super::{RequestView, host};

/// Bytes of a Location. A template may repeat the request's path many times over.
const MAX_LOCATION_BYTES: usize = 16 << 10;

/// Sends a client elsewhere.
#[derive(Debug)]
pub(crate) struct Redirect {
    /// 301 or 302.
    pub(crate) status: u16,
    /// None: the request's.
    is_https: Option<bool>,
    host: Vec<Piece>,
    /// None: the request's.
    port: Option<u16>,
    path: Vec<Piece>,
    query: Vec<Piece>,
}

#[derive(Debug)]
enum Piece {
    Text(String),
    Protocol,
    Host,
    Port,
    Path,
    Query,
}

/// What keywords stand for in one request.
struct Own<'a> {
    protocol: &'static str,
    host: &'a [u8],
    port: String,
    path: &'a [u8],
    query: &'a [u8],
}

#[derive(Clone, Copy, PartialEq)]
enum Part {
    Host,
    Path,
    Query,
}

impl Redirect {
    /// Of a redirect without faults.
    pub(super) fn new(redirect: &minicloud_lb_api::Redirect) -> Self {
        Self {
            status: redirect.status_code,
            is_https: match &*redirect.protocol {
                "HTTP" => Some(false),
                "HTTPS" => Some(true),
                _ => None,
            },
            host: pieces(&redirect.host),
            port: redirect.port.parse().ok(),
            path: pieces(&redirect.path),
            query: pieces(&redirect.query),
        }
    }

    /// The Location: visible ASCII, with a port where it is not the protocol's own. None where
    /// the request's parts make none: no valid host, or more than 16 KiB.
    ///
    /// `#{port}` is the port that the client asked for, as Host has it, which is not the
    /// listener's where something in between maps ports.
    pub(crate) fn location<H>(&self, request: &RequestView<'_, H>) -> Option<Vec<u8>> {
        let port = host::port(request.host).unwrap_or(request.port);
        let own = Own {
            protocol: protocol(request.is_https),
            host: host::without_port(request.host),
            port: port.to_string(),
            path: request.path.strip_prefix(b"/").unwrap_or(request.path),
            query: request.query.unwrap_or_default(),
        };
        let is_https = self.is_https.unwrap_or(request.is_https);
        let mut location = format!("{}://", protocol(is_https)).into_bytes();
        let name = own.expand(&self.host, Part::Host)?;
        if !host::is_valid_name(&name) {
            return None;
        }
        location.extend(name);
        let port = self.port.unwrap_or(port);
        if port != default_port(is_https) {
            location.extend(format!(":{port}").bytes());
        }
        location.extend(own.expand(&self.path, Part::Path)?);
        let query = own.expand(&self.query, Part::Query)?;
        let query = match own.query.is_empty() {
            true => trim_ampersands(&query),
            false => &query,
        };
        if !query.is_empty() {
            location.push(b'?');
            location.extend(query);
        }
        (location.len() <= MAX_LOCATION_BYTES).then_some(location)
    }
}

impl Own<'_> {
    fn expand(&self, pieces: &[Piece], part: Part) -> Option<Vec<u8>> {
        let mut text = Vec::new();
        for piece in pieces {
            let bytes = match piece {
                Piece::Text(text) => text.as_bytes(),
                Piece::Protocol => self.protocol.as_bytes(),
                Piece::Host => self.host,
                Piece::Port => self.port.as_bytes(),
                Piece::Path => self.path,
                Piece::Query => self.query,
            };
            if text.len() + bytes.len() > MAX_LOCATION_BYTES {
                return None;
            }
            bytes.iter().for_each(|&byte| part.push(byte, &mut text));
        }
        Some(text)
    }
}

impl Part {
    /// Adds a byte, percent-encoded where it would end the part or is none of a URI's.
    fn push(self, byte: u8, text: &mut Vec<u8>) {
        let is_clean = byte.is_ascii_graphic() && !b"\"#<>\\^`{|}".contains(&byte);
        match self {
            // Checked as a whole.
            Self::Host => text.push(byte),
            Self::Path if is_clean && byte != b'?' => text.push(byte),
            Self::Query if is_clean => text.push(byte),
            Self::Path | Self::Query => text.extend(format!("%{byte:02X}").bytes()),
        }
    }
}

fn pieces(text: &str) -> Vec<Piece> {
    let pieces = uri_pieces(text).expect("a redirect with a bad keyword has faults");
    let own = |piece| match piece {
        UriPiece::Text(text) => Piece::Text(text.to_owned()),
        UriPiece::Protocol => Piece::Protocol,
        UriPiece::Host => Piece::Host,
        UriPiece::Port => Piece::Port,
        UriPiece::Path => Piece::Path,
        UriPiece::Query => Piece::Query,
    };
    pieces.into_iter().map(own).collect()
}

fn protocol(is_https: bool) -> &'static str {
    match is_https {
        true => "https",
        false => "http",
    }
}

fn default_port(is_https: bool) -> u16 {
    match is_https {
        true => 443,
        false => 80,
    }
}

/// What joined a query that is not there to the template's own members.
fn trim_ampersands(query: &[u8]) -> &[u8] {
    let is_other = |byte: &u8| *byte != b'&';
    let Some(start) = query.iter().position(is_other) else {
        return &[];
    };
    let end = query
        .iter()
        .rposition(is_other)
        .map_or(start, |last| last + 1);
    &query[start..end]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::tests::request, *};

    fn wire(protocol: &str, host: &str, port: &str, path: &str, query: &str) -> Redirect {
        Redirect::new(&minicloud_lb_api::Redirect {
            protocol: protocol.to_owned(),
            host: host.to_owned(),
            port: port.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            status_code: 301,
        })
    }

    fn default() -> minicloud_lb_api::Redirect {
        minicloud_lb_api::Redirect::default()
    }

    fn location(redirect: &Redirect, host: &str, path: &str, query: Option<&str>) -> String {
        let request = RequestView {
            host: host.as_bytes(),
            path: path.as_bytes(),
            query: query.map(str::as_bytes),
            ..request()
        };
        let location = redirect.location(&request).unwrap_or_default();
        String::from_utf8(location).unwrap()
    }

    #[test]
    fn unchanged_parts_are_the_requests() {
        let redirect = Redirect::new(&default());
        for (host, path, query, expected) in [
            ("a.test:81", "/a/b", Some("c=d"), "http://a.test:81/a/b?c=d"),
            ("a.test:80", "/", None, "http://a.test/"),
            ("a.test", "/", Some(""), "http://a.test:8080/"),
            ("[::1]:81", "//x", None, "http://[::1]:81//x"),
            ("a.test:80", "*", None, "http://a.test/*"),
        ] {
            assert_eq!(location(&redirect, host, path, query), expected);
        }
    }

    #[test]
    fn keywords_and_ports_expand() {
        let query = "#{query}";
        for (redirect, expected) in [
            (
                wire("HTTPS", "#{host}", "443", "/#{path}", query),
                "https://a.test/b/c?d=e",
            ),
            (
                wire("HTTPS", "#{host}", "#{port}", "/#{path}", query),
                "https://a.test:81/b/c?d=e",
            ),
            (
                wire("HTTP", "www.#{host}", "80", "/new/#{path}", ""),
                "http://www.a.test/new/b/c",
            ),
            (
                wire("#{protocol}", "[::1]", "443", "/#{host}/#{port}", "x=1"),
                "http://[::1]:443/a.test/81?x=1",
            ),
            (
                wire(
                    "HTTP",
                    "b.test",
                    "1",
                    "/",
                    "#{query}&at=#{protocol}-#{host}-#{port}-#{path}",
                ),
                "http://b.test:1/?d=e&at=http-a.test-81-b/c",
            ),
        ] {
            assert_eq!(
                location(&redirect, "a.test:81", "/b/c", Some("d=e")),
                expected
            );
        }
    }

    #[test]
    fn ampersands_go_with_the_query_they_joined() {
        for template in ["#{query}&x=1", "x=1&#{query}"] {
            let redirect = wire("HTTPS", "a.test", "443", "/", template);
            for query in [None, Some("")] {
                assert_eq!(location(&redirect, "b", "/", query), "https://a.test/?x=1");
            }
        }
        let redirect = wire("HTTPS", "a.test", "443", "/", "&#{query}&");
        assert_eq!(location(&redirect, "b", "/", None), "https://a.test/");
    }

    #[test]
    fn hostile_parts_are_encoded_or_refused() {
        let redirect = wire("HTTPS", "#{host}", "443", "/#{path}", "#{query}");
        let hostile = "/a\r\nSet-Cookie: b\0\u{7f}é#?<>\"";
        assert_eq!(
            location(&redirect, "a.test", hostile, Some("c#d e\n?")),
            "https://a.test/a%0D%0ASet-Cookie:%20b%00%7F%C3%A9%23%3F%3C%3E%22?c%23d%20e%0A?"
        );
        for host in ["", ":80", "a b", "a\r\nb", "u@a", "a/b", "[::1", "é"] {
            assert_eq!(location(&redirect, host, "/", None), "", "{host}");
        }
        let many = wire(
            "HTTPS",
            "a",
            "443",
            &format!("/{}", "#{path}".repeat(18)),
            "",
        );
        assert_eq!(location(&many, "a", &"/".repeat(8 << 10), None), "");
    }

    proptest! {
        #[test]
        fn location_is_clean_whatever_comes(
            path_template in "/(#[{]path[}]|#[{]host[}]|#[{]port[}]|a){0,3}",
            query_template in "(#[{]query[}]|#[{]path[}]|&|a){0,3}",
            host in prop::collection::vec(any::<u8>(), 0..12),
            path in prop::collection::vec(any::<u8>(), 0..12),
            query in prop::option::of(prop::collection::vec(any::<u8>(), 0..12)),
            good_host in any::<bool>(),
        ) {
            let redirect = wire("HTTPS", "#{host}", "#{port}", &path_template, &query_template);
            let request = RequestView {
                host: if good_host { b"a.test:81" } else { &host },
                path: &path,
                query: query.as_deref(),
                ..request()
            };
            let location = redirect.location(&request);
            prop_assert!(!good_host || location.is_some());
            let location = location.unwrap_or_default();
            prop_assert!(location.iter().all(u8::is_ascii_graphic));
            prop_assert!(!location.contains(&b'#'));
            let mut parts = location.splitn(2, |&byte| byte == b'?').skip(1);
            prop_assert!(parts.all(|query| !query.is_empty()));
        }
    }
}
