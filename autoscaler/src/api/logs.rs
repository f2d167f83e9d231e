use std::{convert::Infallible, sync::Arc};

use axum::{
    body::Body,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use futures_util::StreamExt;
use serde::Deserialize;

use super::{
    Api,
    exec::{is_known, unknown_instance},
    fault::Fault,
    segment::{Parameters, Segment},
};
use crate::{
    instance::InstanceId,
    provider::{LogRequest, ProviderError},
};

const DEFAULT_TAIL: u32 = 100;
const MAX_TAIL: u32 = 10_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LogParameters {
    /// Lines.
    tail: Option<u32>,
    #[serde(default)]
    follow: bool,
}

/// Streams what an instance has written, as it was written. A client that leaves drops the
/// stream, and so ends the reading.
pub(super) async fn logs(
    State(api): State<Arc<Api>>,
    Segment(id): Segment,
    Parameters(parameters): Parameters<LogParameters>,
) -> Result<Response, Fault> {
    let id: InstanceId = id.parse()?;
    let tail = parameters.tail.unwrap_or(DEFAULT_TAIL);
    if tail > MAX_TAIL {
        return Err(Fault::validation(format!(
            "tail: {tail} is above {MAX_TAIL} lines"
        )));
    }
    if !is_known(&api.view.borrow(), &id) {
        return Err(unknown_instance(&id));
    }
    let slot = api.sessions.log_slot()?;
    let wanted = LogRequest {
        tail,
        follow: parameters.follow,
    };
    let log = api.sessions.logs(id, wanted).await?;
    let shutdown = api.shutdown.clone();
    let pieces = log
        .take_until(shutdown.cancelled_owned())
        .map(move |piece| {
            // Held for as long as the log is read.
            let _slot = &slot;
            Ok::<_, Infallible>(piece)
        });
    let body = Body::from_stream(pieces);
    Ok(([(header::CONTENT_TYPE, "text/plain")], body).into_response())
}

impl From<ProviderError> for Fault {
    fn from(error: ProviderError) -> Self {
        let message = error.to_string();
        match error {
            ProviderError::Unreachable(_) => Self::unavailable("ProviderFailure", message),
            ProviderError::Failed(_) => Self::new(
                axum::http::StatusCode::BAD_GATEWAY,
                "ProviderFailure",
                message,
            ),
        }
    }
}
