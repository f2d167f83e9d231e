use std::{fmt::Write, future::Future, sync::Arc};

use askama::Template;
use axum::{
    BoxError,
    extract::{FromRequestParts, Path, Query},
    http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use serde::de::DeserializeOwned;

use super::{Console, live, session::Session};
use crate::{
    api::Fault,
    describe::{Condition, View},
};

/// Something to look at, at an address of its own.
pub(super) trait Page: Send + Sync + 'static {
    fn title(&self) -> String;

    /// The place in the navigation, one of [`PLACES`].
    fn place(&self) -> &'static str;

    /// What is on it now. Ids stay from time to time; what has another text is sent anew.
    ///
    /// # Errors
    /// There is nothing of that name, or not any more.
    fn sections(
        &self,
        console: &Console,
        view: &View,
    ) -> impl Future<Output = Result<Vec<Section>, Refusal>> + Send;

    /// What stands above the sections and does not change by itself: forms.
    ///
    /// # Errors
    /// As [`sections`](Self::sections).
    fn head(&self, _console: &Console, _view: &View) -> Result<String, Refusal> {
        Ok(String::new())
    }
}

/// A part of a page that is renewed by itself.
pub(super) struct Section {
    pub(super) id: &'static str,
    pub(super) html: String,
}

impl Section {
    pub(super) fn new(id: &'static str, template: &impl Template) -> Result<Self, Refusal> {
        let html = template.render()?;
        Ok(Self { id, html })
    }
}

/// Where one can go: the address, and what it is called.
pub(super) const PLACES: [(&str, &str); 5] = [
    ("/", "Overview"),
    ("/instances", "Instances"),
    ("/load-balancer", "Load balancer"),
    ("/activities", "Activities"),
    ("/configuration", "Configuration"),
];

#[derive(Template)]
#[template(path = "console/layout.html")]
struct Layout {
    title: String,
    place: &'static str,
    head: String,
    sections: Vec<Section>,
    /// It is renewed by itself.
    is_live: bool,
    /// One can log out.
    csrf: Option<String>,
    read_only: bool,
    version: &'static str,
}

#[derive(Template)]
#[template(path = "console/conditions.html")]
struct Conditions<'a> {
    conditions: Vec<(Option<&'a str>, &'a Condition)>,
}

/// A page that cannot be shown, or an action that cannot be done: why, and what to do.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    message: String,
}

/// Answers with the page, or with the stream that renews it.
pub(super) async fn answer(
    console: Arc<Console>,
    session: Session,
    headers: HeaderMap,
    page: impl Page,
) -> Response {
    if live::wants_events(&headers) {
        return match live::stream(console, session, page) {
            Ok(stream) => stream.into_response(),
            Err(refusal) => refusal.into_response(),
        };
    }
    match render(&console, &session, &page).await {
        Ok(text) => html(text),
        Err(refusal) => refusal.into_response(),
    }
}

async fn render(console: &Console, session: &Session, page: &impl Page) -> Result<String, Refusal> {
    let view = console.api.view.borrow().clone();
    let layout = Layout {
        title: page.title(),
        place: page.place(),
        head: page.head(console, &view)?,
        sections: all_sections(console, &view, page).await?,
        is_live: true,
        ..Layout::of(console, session)
    };
    Ok(layout.render()?)
}

/// What is wrong first, then what the page shows.
pub(super) async fn all_sections(
    console: &Console,
    view: &View,
    page: &impl Page,
) -> Result<Vec<Section>, Refusal> {
    let whole = view.conditions.iter().map(|condition| (None, condition));
    let groups = view.auto_scaling_groups.iter().flat_map(|group| {
        let name = group.auto_scaling_group_name.as_str();
        let conditions = group.conditions.iter();
        conditions.map(move |condition| (Some(name), condition))
    });
    let conditions = Conditions {
        conditions: whole.chain(groups).collect(),
    };
    let mut sections = vec![Section::new("conditions", &conditions)?];
    sections.extend(page.sections(console, view).await?);
    Ok(sections)
}

/// A page that asks or tells, and does not change by itself.
pub(super) fn still(
    console: &Console,
    session: &Session,
    title: String,
    place: &'static str,
    head: String,
) -> Result<String, Refusal> {
    let layout = Layout {
        title,
        place,
        head,
        ..Layout::of(console, session)
    };
    Ok(layout.render()?)
}

impl Layout {
    fn is_at(&self, address: &str) -> bool {
        self.place == address
    }

    fn of(console: &Console, session: &Session) -> Self {
        let logged_in = matches!(session, Session::Cookie(_));
        Self {
            title: String::new(),
            place: "",
            head: String::new(),
            sections: Vec::new(),
            is_live: false,
            csrf: logged_in.then(|| console.guard.csrf_token(session)),
            read_only: console.api.read_only,
            version: env!("CARGO_PKG_VERSION"),
        }
    }
}

/// A name as a piece of a path: percent-encoded but for what needs it in no URL (RFC 3986, 2.3).
pub(super) fn path_segment(name: &str) -> String {
    name.bytes().fold(String::new(), |mut segment, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                segment.push(char::from(byte));
            }
            other => drop(write!(segment, "%{other:02X}")),
        }
        segment
    })
}

pub(super) fn html(text: String) -> Response {
    let kind = [(header::CONTENT_TYPE, "text/html; charset=utf-8")];
    (kind, text).into_response()
}

#[derive(Template)]
#[template(path = "console/refusal.html")]
struct RefusalPage<'a> {
    status: StatusCode,
    message: &'a str,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
        }
    }

    pub(super) fn not_found(what: &str, name: &str) -> Self {
        let name = crate::api::excerpt(name);
        let message = format!("There is no {what} {name}, or not any more.");
        Self::new(StatusCode::NOT_FOUND, message)
    }

    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    pub(super) fn message(&self) -> &str {
        &self.message
    }
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self::new(fault.status(), fault.message())
    }
}

impl From<askama::Error> for Refusal {
    fn from(error: askama::Error) -> Self {
        let message = format!("The page could not be made: {error}");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, message)
    }
}

/// The variable parts of a page's path.
pub(super) struct Named<T>(pub(super) T);

/// The query of a page's address.
pub(super) struct Asked<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Named<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let path = Path::from_request_parts(parts, state).await;
        path.map(|Path(names)| Self(names))
            .map_err(|_| Refusal::new(StatusCode::NOT_FOUND, "There is no such page."))
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let query = Query::from_request_parts(parts, state).await;
        query.map(|Query(query)| Self(query)).map_err(|rejection| {
            let message = format!(
                "The address is not one of this page: {}.",
                rejection.body_text()
            );
            Refusal::new(StatusCode::BAD_REQUEST, message)
        })
    }
}

/// What the layers around a page answer in its place.
pub(super) async fn of_layer(error: BoxError) -> Refusal {
    Fault::of_layer(&error).into()
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let page = RefusalPage {
            status: self.status,
            message: &self.message,
        };
        let text = page.render().unwrap_or_else(|_| self.message.clone());
        let mut response = (self.status, html(text)).into_response();
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            // Who is turned away makes room.
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(header::CONNECTION, close);
        }
        response
    }
}
