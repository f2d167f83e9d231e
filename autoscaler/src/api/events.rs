//! Events as they happen, as server-sent events (WHATWG HTML, 9.2).

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::sse::{self, KeepAlive, Sse},
};
use futures_util::{Stream, StreamExt, stream};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use utoipa::IntoParams;

use super::{Api, fault::Fault, segment::Parameters};
use crate::events::{Event, EventLog};

/// Streams at once; each holds a connection.
const MAX_STREAMS: usize = 32;
/// Events that are taken out of the ring at a time.
const BATCH: usize = 64;
/// A comment that keeps proxies from closing what is only quiet.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// The events, to so many readers at a time.
#[derive(Clone, Debug)]
pub struct EventStreams {
    log: EventLog,
    slots: Arc<Semaphore>,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct EventParameters {
    /// Those of this group, and those that concern the whole.
    auto_scaling_group_name: Option<String>,
}

/// One reader's place.
struct Reader {
    log: EventLog,
    newest: watch::Receiver<u64>,
    /// Id of the last event that was passed on.
    at: u64,
    /// It missed events before it came.
    missed: bool,
    group: Option<String>,
    done: bool,
    _slot: OwnedSemaphorePermit,
}

impl EventStreams {
    pub fn new(log: EventLog) -> Self {
        Self {
            log,
            slots: Arc::new(Semaphore::new(MAX_STREAMS)),
        }
    }
}

/// Events as they happen, as server-sent events.
///
/// From now on, or from after `Last-Event-ID`. A reader that missed events gets `reset`; one
/// that reads too slowly gets `end`, and may come back with the id that it has.
#[utoipa::path(
    get,
    path = "/v1/events",
    operation_id = "FollowEvents",
    tag = "status",
    params(EventParameters),
    responses((status = 200, body = Event, content_type = "text/event-stream"))
)]
pub(super) async fn follow(
    State(api): State<Arc<Api>>,
    Parameters(parameters): Parameters<EventParameters>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<sse::Event, Infallible>>>, Fault> {
    let slots = Arc::clone(&api.events.slots);
    let slot = slots.try_acquire_owned().map_err(|_| {
        Fault::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "Throttling",
            format!("{MAX_STREAMS} readers follow events already: end one of them"),
        )
    })?;
    let log = api.events.log.clone();
    let newest = log.newest();
    let (at, missed) = match last_event_id(&headers)? {
        None => (*newest.borrow(), false),
        Some(id) => match log.after(id, 0) {
            Ok(_) => (id, false),
            Err(_) => (log.beginning(), true),
        },
    };
    let reader = Reader {
        log,
        newest,
        at,
        missed,
        group: parameters.auto_scaling_group_name,
        done: false,
        _slot: slot,
    };
    let batches = stream::unfold(reader, |mut reader| async {
        let batch = reader.next().await?;
        Some((stream::iter(batch.into_iter().map(Ok)), reader))
    });
    let events = batches
        .flatten()
        .take_until(api.shutdown.clone().cancelled_owned());
    let keep_alive = KeepAlive::new().interval(KEEP_ALIVE);
    Ok(Sse::new(events).keep_alive(keep_alive))
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<u64>, Fault> {
    let Some(value) = headers.get("last-event-id") else {
        return Ok(None);
    };
    let id = value.to_str().ok().and_then(|id| id.parse().ok());
    id.map(Some).ok_or_else(|| {
        Fault::validation("Last-Event-ID is not an id that this API gave: send it as it came")
    })
}

impl Reader {
    /// What to send next; None ends the stream.
    async fn next(&mut self) -> Option<Vec<sse::Event>> {
        if self.done {
            return None;
        }
        if std::mem::take(&mut self.missed) {
            let message = "events were missed: read /v1/status for what is the case now";
            return Some(vec![notice("reset", message)]);
        }
        loop {
            // Only fails where the loop is gone.
            self.newest
                .wait_for(|newest| *newest > self.at)
                .await
                .ok()?;
            let Ok(events) = self.log.after(self.at, BATCH) else {
                self.done = true;
                let message =
                    "events came faster than they were read: come back with Last-Event-ID";
                return Some(vec![notice("end", message)]);
            };
            self.at = events.last().map_or(self.at, |event| event.id);
            let wanted = events.iter().filter(|event| self.wants(event));
            let frames: Vec<_> = wanted.map(|event| frame(event)).collect();
            if !frames.is_empty() {
                return Some(frames);
            }
        }
    }

    /// What concerns the whole concerns each group.
    fn wants(&self, event: &Event) -> bool {
        let (of, wanted) = (&event.auto_scaling_group_name, &self.group);
        of.is_none() || wanted.is_none() || of == wanted
    }
}

fn frame(event: &Event) -> sse::Event {
    let data = serde_json::to_string(event).expect("plain data always serialises");
    sse::Event::default()
        .id(event.id.to_string())
        .event(event.detail.name())
        .data(data)
}

fn notice(name: &str, message: &str) -> sse::Event {
    sse::Event::default()
        .event(name)
        .data(json!({ "type": name, "message": message }).to_string())
}
