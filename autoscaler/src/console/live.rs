use std::{
    collections::HashMap,
    convert::Infallible,
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
    time::Duration,
};

use axum::{
    http::{HeaderMap, StatusCode, header},
    response::sse::{Event, KeepAlive, Sse},
};
use futures_util::{Stream, StreamExt, stream};
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::{
    Console,
    page::{self, Page, Refusal},
    session::Session,
};

/// Pages that are renewed at once; each holds a connection. The next one is still shown.
const MAX_STREAMS: usize = 32;
/// A comment that keeps proxies from closing what is only quiet.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// The places of streams.
pub(super) struct LiveStreams(Arc<Semaphore>);

impl LiveStreams {
    pub(super) fn new() -> Self {
        Self(Arc::new(Semaphore::new(MAX_STREAMS)))
    }
}

/// Whether a page's address is asked for as what renews the page.
pub(super) fn wants_events(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT);
    accept.is_some_and(|accept| accept.as_bytes().starts_with(b"text/event-stream"))
}

/// One page that somebody looks at.
struct Viewer<P> {
    console: Arc<Console>,
    session: Session,
    page: P,
    looks: watch::Receiver<u64>,
    /// Of each section as it was sent last.
    sent: HashMap<&'static str, u64>,
    _place: OwnedSemaphorePermit,
}

/// Sends each section of `page` when it has changed, at most once a second, until the session
/// ends or the page is gone.
///
/// # Errors
/// Too many pages are being renewed.
pub(super) fn stream<P: Page>(
    console: Arc<Console>,
    session: Session,
    page: P,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Refusal> {
    let places = Arc::clone(&console.streams.0);
    let place = places.try_acquire_owned().map_err(|_| {
        let message = format!("{MAX_STREAMS} pages are renewed already: close one of them.");
        Refusal::new(StatusCode::SERVICE_UNAVAILABLE, message)
    })?;
    let shutdown = console.api.shutdown.clone();
    let viewer = Viewer {
        looks: console.api.statistics.looks(),
        console,
        session,
        page,
        sent: HashMap::new(),
        _place: place,
    };
    let batches = stream::unfold(viewer, |mut viewer| async {
        let batch = viewer.next().await?;
        Some((stream::iter(batch.into_iter().map(Ok)), viewer))
    });
    let events = batches.flatten().take_until(shutdown.cancelled_owned());
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

impl<P: Page> Viewer<P> {
    async fn next(&mut self) -> Option<Vec<Event>> {
        self.looks.changed().await.ok()?;
        let view = self.console.api.view.borrow().clone();
        if !self.console.guard.is_session(&self.session, view.time) {
            return None;
        }
        let sections = page::all_sections(&self.console, &view, &self.page).await;
        let sections = sections.ok()?;
        let mut events = Vec::new();
        for section in sections {
            let mut hasher = DefaultHasher::new();
            section.html.hash(&mut hasher);
            let digest = hasher.finish();
            if self.sent.insert(section.id, digest) != Some(digest) {
                let data = json!({ "id": section.id, "html": section.html });
                events.push(Event::default().event("section").data(data.to_string()));
            }
        }
        events.push(Event::default().event("look").data("{}"));
        Some(events)
    }
}
