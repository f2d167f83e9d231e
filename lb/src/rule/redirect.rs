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
