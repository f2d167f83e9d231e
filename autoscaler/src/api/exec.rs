use std::{convert::Infallible, future::Future, pin::Pin, sync::Arc};

use axum::{
    body::Body,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::stream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::{
    Api,
    body::JsonBody,
    fault::Fault,
    segment::Segment,
    shell::Shells,
    wire::{ExecFrame, ExecRequest},
};
use crate::{
    describe::View,
    instance::InstanceId,
    provider::{
        ExecCommand, ExecError, ExecOutput, ExecSession, InstanceProvider, LogRequest, LogStream,
        ProviderError,
    },
};

/// Commands that run at once; each holds a connection and a process.
const MAX_SESSIONS: usize = 32;

/// Logs that are read at once; each holds a connection.
const MAX_LOGS: usize = 64;

/// Runs commands in instances and reads their logs, so many at a time.
#[derive(Clone)]
pub struct ExecSessions {
    provider: Arc<dyn Inside>,
    slots: Arc<Semaphore>,
    log_slots: Arc<Semaphore>,
    pub(super) shells: Arc<Shells>,
}

impl ExecSessions {
    pub fn new(provider: Arc<impl InstanceProvider>) -> Self {
        Self {
            provider,
            slots: Arc::new(Semaphore::new(MAX_SESSIONS)),
            log_slots: Arc::new(Semaphore::new(MAX_LOGS)),
            shells: Arc::default(),
        }
    }
}

impl ExecSessions {
    pub(crate) fn log_slot(&self) -> Result<OwnedSemaphorePermit, Fault> {
        let slots = Arc::clone(&self.log_slots);
        slots.try_acquire_owned().map_err(|_| {
            Fault::unavailable(
                "Throttling",
                format!("{MAX_LOGS} logs are read already: end one, then try again"),
            )
        })
    }

    pub(crate) async fn logs(
        &self,
        id: InstanceId,
        wanted: LogRequest,
    ) -> Result<LogStream, ProviderError> {
        self.provider.logs(id, wanted).await
    }
}

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The calls of an [`InstanceProvider`] that the API makes, with its type erased.
trait Inside: Send + Sync {
    fn logs(
        &self,
        id: InstanceId,
        wanted: LogRequest,
    ) -> BoxFuture<'_, Result<LogStream, ProviderError>>;

    fn exec(
        &self,
        id: InstanceId,
        command: ExecCommand,
    ) -> BoxFuture<'_, Result<ExecSession, ExecError>>;
}

impl<P: InstanceProvider> Inside for P {
    fn logs(
        &self,
        id: InstanceId,
        wanted: LogRequest,
    ) -> BoxFuture<'_, Result<LogStream, ProviderError>> {
        Box::pin(async move { InstanceProvider::logs(self, &id, wanted).await })
    }

    fn exec(
        &self,
        id: InstanceId,
        command: ExecCommand,
    ) -> BoxFuture<'_, Result<ExecSession, ExecError>> {
        Box::pin(async move { InstanceProvider::exec(self, &id, command).await })
    }
}

/// Runs a command in an instance and streams its output, one frame a line.
///
/// A client that leaves drops the stream, with it the session, and so ends the command.
#[utoipa::path(
    post,
    path = "/v1/instances/{id}/exec",
    operation_id = "ExecuteCommand",
    tag = "instances",
    params(("id" = String, Path)),
    request_body = ExecRequest,
    responses((status = 200, body = ExecFrame, content_type = "application/x-ndjson"))
)]
pub(super) async fn exec(
    State(api): State<Arc<Api>>,
    Segment(id): Segment,
    JsonBody(request): JsonBody<ExecRequest>,
) -> Result<Response, Fault> {
    let id: InstanceId = id.parse()?;
    check(&request.command)?;
    let (session, slot) = start(&api, id, request.command.into()).await?;
    let lines = Lines {
        session,
        shutdown: api.shutdown.clone(),
        _slot: slot,
    };
    let body = Body::from_stream(stream::unfold(Some(lines), next_line));
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], body).into_response())
}

/// Starts a command in an instance that is there, where there is room for one more.
pub(super) async fn start(
    api: &Api,
    id: InstanceId,
    command: ExecCommand,
) -> Result<(ExecSession, OwnedSemaphorePermit), Fault> {
    if !is_known(&api.view.borrow(), &id) {
        return Err(unknown_instance(&id));
    }
    let slots = Arc::clone(&api.sessions.slots);
    let slot = slots.try_acquire_owned().map_err(|_| {
        Fault::unavailable(
            "Throttling",
            format!("{MAX_SESSIONS} commands run already: end one, then try again"),
        )
    })?;
    let session = api.sessions.provider.exec(id, command).await?;
    Ok((session, slot))
}

pub(super) fn unknown_instance(id: &InstanceId) -> Fault {
    Fault::not_found(
        "InstanceNotFound",
        format!("there is no instance {id}; `minicloud instances` lists them"),
    )
}

struct Lines {
    session: ExecSession,
    shutdown: CancellationToken,
    _slot: OwnedSemaphorePermit,
}

type Line = Result<Bytes, Infallible>;

async fn next_line(lines: Option<Lines>) -> Option<(Line, Option<Lines>)> {
    let mut lines = lines?;
    let frame = tokio::select! {
        output = lines.session.output.recv() => frame(output),
        () = lines.shutdown.cancelled() => ExecFrame::Error(Fault::loop_gone().detail()),
    };
    let is_last = matches!(frame, ExecFrame::ExitCode(_) | ExecFrame::Error(_));
    let mut line = serde_json::to_vec(&frame).expect("a frame is made of strings and numbers");
    line.push(b'\n');
    Some((Ok(line.into()), (!is_last).then_some(lines)))
}

fn frame(output: Option<ExecOutput>) -> ExecFrame {
    match output {
        Some(ExecOutput::Stdout(bytes)) => ExecFrame::Stdout(bytes),
        Some(ExecOutput::Stderr(bytes)) => ExecFrame::Stderr(bytes),
        Some(ExecOutput::Exit(code)) => ExecFrame::ExitCode(code),
        None => ExecFrame::Error(
            Fault::unavailable("ProviderFailure", "the command's exit code was lost").detail(),
        ),
    }
}

pub(super) fn check(command: &[String]) -> Result<(), Fault> {
    if command.first().is_none_or(String::is_empty) {
        return Err(Fault::validation("command: names no program"));
    }
    match command.iter().any(|part| part.contains('\0')) {
        true => Err(Fault::validation("command: holds a NUL character")),
        false => Ok(()),
    }
}

pub(super) fn is_known(view: &View, id: &InstanceId) -> bool {
    view.auto_scaling_groups
        .iter()
        .flat_map(|group| &group.instances)
        .any(|instance| instance.instance_id == *id)
}
