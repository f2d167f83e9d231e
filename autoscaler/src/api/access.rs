use std::{net::SocketAddr, sync::Arc};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header, uri::Authority},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::{Api, fault::Fault};

/// Who may use a listener.
#[derive(Clone, Debug)]
pub enum Access {
    /// A Unix socket: whoever can open it.
    Socket,
    /// A loopback address without a token: every program of this machine, but no web page.
    /// A page's requests carry its own name in `Host` (after DNS rebinding) or in `Origin`.
    Loopback,
    /// As [`Loopback`](Self::Loopback), inside a container whose port is published on the
    /// host's loopback only. Other containers share the address, so the balancer's routes
    /// are not served on it.
    PublishedOnLoopback,
    /// Whoever has the token.
    Token(Token),
}

/// A shared secret, compared in constant time and never printed.
#[derive(Clone)]
pub struct Token(Vec<u8>);

#[derive(Debug, thiserror::Error)]
#[error(
    "a token has 16 to 512 visible characters and no space: make one with `openssl rand -hex 32`"
)]
pub struct TokenError;

#[derive(Debug, thiserror::Error)]
#[error(
    "refusing to serve the control API on {0} without a token: others on the network could run commands here. Give --token-file FILE, or listen on 127.0.0.1"
)]
pub struct AccessError(SocketAddr);

impl Access {
    /// What protects the API at `address`.
    ///
    /// # Errors
    /// An address that others can reach, and neither a token nor the word that the port is
    /// published on the host's loopback only.
    pub fn at(
        address: SocketAddr,
        token: Option<Token>,
        published_on_loopback: bool,
    ) -> Result<Self, AccessError> {
        match token {
            Some(token) => Ok(Self::Token(token)),
            None if address.ip().is_loopback() => Ok(Self::Loopback),
            None if published_on_loopback => Ok(Self::PublishedOnLoopback),
            None => Err(AccessError(address)),
        }
    }

    pub(super) fn serves_balancer(&self) -> bool {
        matches!(self, Self::Socket | Self::Loopback)
    }

    /// # Errors
    /// The request may not pass.
    pub(crate) fn check(&self, request: &Request) -> Result<(), Fault> {
        match self {
            Self::Socket => Ok(()),
            Self::Loopback | Self::PublishedOnLoopback => check_names(request),
            Self::Token(_) if is_probe(request.uri().path()) => Ok(()),
            Self::Token(token) => check_token(token, request.headers()),
        }
    }
}

impl Token {
    /// # Errors
    /// Anything too short to be secret, or that a header cannot carry.
    pub fn try_new(text: &str) -> Result<Self, TokenError> {
        let valid = (16..=512).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        valid
            .then(|| Self(text.as_bytes().to_vec()))
            .ok_or(TokenError)
    }

    /// In constant time.
    pub(crate) fn matches(&self, given: &[u8]) -> bool {
        let difference = self.0.iter().zip(given).fold(0, |difference, (a, b)| {
            std::hint::black_box(difference | (a ^ b))
        });
        difference == 0 && self.0.len() == given.len()
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(..)")
    }
}

/// Answers in place of the routes what may not reach them, unknown paths included.
pub(super) async fn guard(
    State(access): State<Arc<Access>>,
    request: Request,
    next: Next,
) -> Response {
    let mut response = match access.check(&request) {
        Ok(()) => next.run(request).await,
        Err(fault) => fault.into_response(),
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}

/// Of an API that is read only nothing but reading is answered.
pub(super) async fn refuse_changes(
    State(api): State<Arc<Api>>,
    request: Request,
    next: Next,
) -> Response {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    match reads || !api.read_only {
        true => next.run(request).await,
        false => Fault::read_only().into_response(),
    }
}

/// A healthcheck has no token, and learns one bit.
fn is_probe(path: &str) -> bool {
    matches!(path, "/healthz" | "/readyz")
}

fn check_token(token: &Token, headers: &HeaderMap) -> Result<(), Fault> {
    let given = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.as_bytes().split_at_checked("Bearer ".len()))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"Bearer "))
        .map(|(_, given)| given);
    match given.is_some_and(|given| token.matches(given)) {
        true => Ok(()),
        false => Err(Fault::new(
            StatusCode::UNAUTHORIZED,
            "AuthFailure",
            "this API wants its token: send `Authorization: Bearer TOKEN`",
        )),
    }
}

fn check_names(request: &Request) -> Result<(), Fault> {
    let refuse = |message| Err(Fault::new(StatusCode::FORBIDDEN, "AccessDenied", message));
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let named = match (hosts.next(), hosts.next()) {
        (Some(host), None) => host.to_str().is_ok_and(is_local),
        _ => false,
    };
    // A request line in absolute form names the host once more, and that name counts.
    let target = request.uri().authority();
    if !named || !target.is_none_or(|target| is_local(target.as_str())) {
        return refuse(
            "this API answers to localhost and 127.0.0.1 only: use that name in the URL",
        );
    }
    let origins = request.headers().get_all(header::ORIGIN);
    match origins.iter().all(is_local_origin) {
        true => Ok(()),
        false => refuse("this API does not answer to web pages of other hosts"),
    }
}

fn is_local_origin(origin: &HeaderValue) -> bool {
    origin
        .to_str()
        .ok()
        .and_then(|origin| origin.split_once("://"))
        .is_some_and(|(_, authority)| is_local(authority))
}

fn is_local(authority: &str) -> bool {
    let Ok(authority) = authority.parse::<Authority>() else {
        return false;
    };
    let host = authority.host().to_ascii_lowercase();
    !authority.as_str().contains('@')
        && (matches!(host.as_str(), "localhost" | "127.0.0.1" | "[::1]")
            || host.ends_with(".localhost"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_local() {
        for name in [
            "localhost",
            "LOCALHOST:8090",
            "app.localhost:1",
            "127.0.0.1:8090",
            "[::1]:8090",
        ] {
            assert!(is_local(name), "{name}");
        }
        for name in [
            "",
            "evil.example",
            "localhost.evil.example",
            "evillocalhost",
            "127.0.0.1.evil.example",
            "user@localhost",
            "localhost@evil.example",
            "localhost/..",
            "10.0.0.1",
            "0.0.0.0",
        ] {
            assert!(!is_local(name), "{name}");
        }
    }

    #[test]
    fn tokens_match_whole() {
        let token = Token::try_new("0123456789abcdef").unwrap();
        assert!(token.matches(b"0123456789abcdef"));
        for given in [
            "",
            "0123456789abcde",
            "0123456789abcdef0",
            "0123456789abcdeF",
        ] {
            assert!(!token.matches(given.as_bytes()), "{given}");
        }
        assert_eq!(format!("{token:?}"), "Token(..)");
        for bad in ["", "short", "with space 0123456789"] {
            assert!(Token::try_new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn open_addresses_need_a_token() {
        let token = || Token::try_new("0123456789abcdef").ok();
        let open = "0.0.0.0:8090".parse().unwrap();
        let loopback = "127.0.0.1:8090".parse().unwrap();
        assert!(Access::at(open, None, false).is_err());
        assert!(matches!(
            Access::at(open, None, true),
            Ok(Access::PublishedOnLoopback)
        ));
        assert!(matches!(
            Access::at(open, token(), false),
            Ok(Access::Token(_))
        ));
        assert!(matches!(
            Access::at(loopback, None, false),
            Ok(Access::Loopback)
        ));
    }
}
