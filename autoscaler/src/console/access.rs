use std::sync::Arc;

use askama::Template;
use axum::{
    Extension, Form,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header, uri::Authority},
    middleware::Next,
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;

use super::{
    Console,
    live::wants_events,
    page::{self, Refusal},
    session::{SESSION, Secret, Session},
};
use crate::api::Access;

const COOKIE: &str = "minicloud-session";

/// Nothing is loaded from elsewhere, framed or sent elsewhere; no inline script or style.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types minicloud";

/// Who may see and do what.
pub(super) struct Guard {
    access: Access,
    secret: Secret,
}

#[derive(Template)]
#[template(path = "console/login.html")]
struct LoginForm {
    next: String,
    wrong: bool,
    csrf: String,
}

#[derive(Deserialize)]
pub(super) struct Destination {
    #[serde(default)]
    next: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Login {
    token: String,
    #[serde(default)]
    next: String,
    csrf: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Logout {
    csrf: String,
}

impl Guard {
    pub(super) fn new(access: Access, secret: Secret) -> Self {
        Self { access, secret }
    }

    /// One logs in with the API's token.
    pub(super) fn wants_login(&self) -> bool {
        matches!(self.access, Access::Token(_))
    }

    pub(super) fn csrf_token(&self, session: &Session) -> String {
        self.secret.csrf_token(session)
    }

    /// # Errors
    /// A form that no page of this session has.
    pub(super) fn check_token(&self, session: &Session, token: &str) -> Result<(), Refusal> {
        match self.secret.is_csrf_token(session, token) {
            true => Ok(()),
            false => Err(Refusal::new(
                StatusCode::FORBIDDEN,
                "The form is of another session, or minicloud was restarted since. Open the page again and send it once more.",
            )),
        }
    }

    pub(super) fn is_session(&self, session: &Session, now: jiff::Timestamp) -> bool {
        match session {
            Session::Open => !self.wants_login(),
            Session::Cookie(cookie) => self.secret.is_session(cookie, now),
        }
    }

    fn session(&self, headers: &HeaderMap, now: jiff::Timestamp) -> Option<Session> {
        if !self.wants_login() {
            return Some(Session::Open);
        }
        let session = Session::Cookie(cookie(headers)?.to_owned());
        self.is_session(&session, now).then_some(session)
    }
}

/// Lets pass who may, tells the handlers their session, and tells browsers what pages may do.
pub(super) async fn guard(
    State(console): State<Arc<Console>>,
    mut request: Request,
    next: Next,
) -> Response {
    let mut response = match admit(&console, &request) {
        Ok(session) => {
            request.extensions_mut().insert(session);
            next.run(request).await
        }
        Err(Barred::Refused(refusal)) => refusal.into_response(),
        Err(Barred::LogIn { next }) => Redirect::to(&format!("/login?next={next}")).into_response(),
    };
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        // With `no-referrer` a form's Origin would be null.
        (header::REFERRER_POLICY, "same-origin"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    for name in ["cross-origin-opener-policy", "cross-origin-resource-policy"] {
        headers.insert(name, HeaderValue::from_static("same-origin"));
    }
    response
}

/// Who does not get what was asked for.
enum Barred {
    Refused(Refusal),
    /// Once logged in, `next` is where it was, percent-encoded.
    LogIn {
        next: String,
    },
}

fn admit(console: &Console, request: &Request) -> Result<Session, Barred> {
    let guard = &console.guard;
    let headers = request.headers();
    if !guard.wants_login() {
        // Names are what keeps other sites out where there is no token.
        let named = guard.access.check(request);
        named.map_err(|fault| Barred::Refused(fault.into()))?;
    }
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    // A page's own links and streams carry no Origin.
    if !reads || headers.contains_key(header::ORIGIN) {
        check_origin(headers).map_err(Barred::Refused)?;
    }
    let now = console.api.view.borrow().time;
    if let Some(session) = guard.session(headers, now) {
        return Ok(session);
    }
    let path = request.uri().path();
    if path == "/login" || path.starts_with("/assets/") {
        return Ok(Session::Open);
    }
    if wants_events(headers) || !reads {
        let refusal = Refusal::new(StatusCode::UNAUTHORIZED, "Log in first: open any page.");
        return Err(Barred::Refused(refusal));
    }
    let here = request.uri().path_and_query();
    let next = page::path_segment(here.map_or("/", |here| here.as_str()));
    Err(Barred::LogIn { next })
}

/// A form is sent by a page of this very origin; browsers say so with every POST.
fn check_origin(headers: &HeaderMap) -> Result<(), Refusal> {
    let authority = |value: &HeaderValue| -> Option<Authority> {
        let text = value.to_str().ok()?;
        let authority = text
            .split_once("://")
            .map_or(text, |(_, authority)| authority);
        authority.parse().ok()
    };
    let mut origins = headers.get_all(header::ORIGIN).iter();
    let origin = origins.next().and_then(authority);
    let host = headers.get(header::HOST).and_then(authority);
    match (origin, host, origins.next()) {
        (Some(origin), Some(host), None) if origin == host => Ok(()),
        _ => Err(Refusal::new(
            StatusCode::FORBIDDEN,
            "Only a page of this console may ask for this: the request's Origin is another, or missing. Programs use the API at /v1.",
        )),
    }
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(header::COOKIE).iter();
    let pairs = cookies
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='));
    let mut found = pairs.filter(|(name, _)| *name == COOKIE);
    found.next().map(|(_, value)| value)
}

pub(super) async fn form(
    State(console): State<Arc<Console>>,
    Extension(session): Extension<Session>,
    page::Asked(Destination { next }): page::Asked<Destination>,
) -> Result<Response, Refusal> {
    if !console.guard.wants_login() || session != Session::Open {
        return Ok(Redirect::to("/").into_response());
    }
    login_form(&console, next, false, StatusCode::OK)
}

/// Takes the API's token, and gives a cookie for it.
pub(super) async fn log_in(
    State(console): State<Arc<Console>>,
    Form(login): Form<Login>,
) -> Result<Response, Refusal> {
    console.guard.check_token(&Session::Open, &login.csrf)?;
    let Access::Token(token) = &console.guard.access else {
        return Ok(Redirect::to("/").into_response());
    };
    if !token.matches(login.token.trim().as_bytes()) {
        return login_form(&console, login.next, true, StatusCode::UNAUTHORIZED);
    }
    let now = console.api.view.borrow().time;
    let cookie = console.guard.secret.open_session(now);
    let cookie = set_cookie(&cookie, SESSION.as_secs());
    let headers = [(header::SET_COOKIE, cookie)];
    Ok((headers, Redirect::to(here_only(&login.next))).into_response())
}

pub(super) async fn log_out(
    State(console): State<Arc<Console>>,
    Extension(session): Extension<Session>,
    Form(logout): Form<Logout>,
) -> Result<Response, Refusal> {
    console.guard.check_token(&session, &logout.csrf)?;
    let headers = [(header::SET_COOKIE, set_cookie("", 0))];
    Ok((headers, Redirect::to("/login")).into_response())
}

fn login_form(
    console: &Console,
    next: String,
    wrong: bool,
    status: StatusCode,
) -> Result<Response, Refusal> {
    let csrf = console.guard.csrf_token(&Session::Open);
    let form = LoginForm { next, wrong, csrf };
    Ok((status, page::html(form.render()?)).into_response())
}

/// No script reads it, and no other site's request carries it.
fn set_cookie(value: &str, seconds: u64) -> String {
    format!("{COOKIE}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict")
}

/// A path of this console; the overview for anything that could lead elsewhere.
fn here_only(next: &str) -> &str {
    let is_path = next.starts_with('/') && !next.starts_with("//");
    let is_plain = next
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    match is_path && is_plain && next != "/login" {
        true => next,
        false => "/",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn login_leads_nowhere_else() {
        for (next, to) in [
            ("/groups/web?range=1h", "/groups/web?range=1h"),
            ("", "/"),
            ("//evil.example", "/"),
            ("/\\evil.example", "/"),
            ("https://evil.example", "/"),
            ("/a\r\nSet-Cookie: a=b", "/"),
            ("/login", "/"),
        ] {
            assert_eq!(here_only(next), to, "{next}");
        }
    }

    #[test]
    fn only_this_very_origin_may_post() {
        let check = |origin: Option<&str>, host: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, host.parse().unwrap());
            if let Some(origin) = origin {
                headers.insert(header::ORIGIN, origin.parse().unwrap());
            }
            check_origin(&headers).is_ok()
        };
        assert!(check(Some("http://localhost:8090"), "localhost:8090"));
        assert!(check(Some("https://cloud.home.arpa"), "cloud.home.arpa"));
        for origin in [
            None,
            Some("null"),
            Some("http://localhost:8080"),
            Some("http://web.localhost:8090"),
            Some("http://evil.example"),
            Some("http://localhost:8090.evil.example"),
        ] {
            assert!(!check(origin, "localhost:8090"), "{origin:?}");
        }
    }
}
