//! A shell in an instance, for whoever signs a challenge with the key that the instance was
//! launched with; the API's token, where it wants one, is asked for besides.
//!
//! An SSH endpoint would verify by itself and then need [`open`] and [`carry`] alone.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    Json,
    body::Body,
    extract::{FromRequest, Request, State},
    http::{HeaderValue, StatusCode, header},
    response::Response,
};
use futures_util::{SinkExt, StreamExt};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::{OwnedSemaphorePermit, mpsc, watch},
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, sleep, timeout},
};
use tokio_util::{
    codec::{FramedRead, FramedWrite},
    sync::CancellationToken,
};

use super::{
    Api,
    body::JsonBody,
    exec,
    fault::Fault,
    key_pairs::random,
    segment::Segment,
    shell_frame::{ShellCodec, ShellFrame},
    wire::ShellRequest,
};
use crate::{
    describe::Instance,
    instance::InstanceId,
    key_pair::{Challenge, Challenges, PublicKey, Refusal},
    provider::{ExecCommand, ExecInput, ExecOutput, ExecSession, Stdin, Terminal},
};

/// What the connection is upgraded to.
pub const SHELL_PROTOCOL: &str = "minicloud-shell";
/// A shell in which nothing is typed and that says nothing for so long ends.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30 * 60);
/// How soon a client that has gone without a word is found out.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// For the connection to be handed over once the upgrade is granted.
const UPGRADE_LIMIT: Duration = Duration::from_secs(10);
/// Any that exists is shorter.
const MAX_TERM: usize = 64;

/// Challenges given, and shells that are open: they end with it.
#[derive(Default)]
pub(super) struct Shells {
    challenges: Mutex<Challenges>,
    open: Mutex<JoinSet<()>>,
}

impl Shells {
    fn challenges(&self) -> MutexGuard<'_, Challenges> {
        self.challenges
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn spawn(&self, shell: impl Future<Output = ()> + Send + 'static) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        while open.try_join_next().is_some() {}
        open.spawn(shell);
    }
}

/// A nonce to sign with the key that the instance was launched with.
#[utoipa::path(
    post,
    path = "/v1/instances/{id}/shell/challenge",
    operation_id = "CreateShellChallenge",
    tag = "instances",
    params(("id" = String, Path)),
    responses((status = 200, body = Challenge))
)]
pub(super) async fn challenge(
    State(api): State<Arc<Api>>,
    Segment(id): Segment,
) -> Result<Json<Challenge>, Fault> {
    let id: InstanceId = id.parse()?;
    key_of(&api, &id)?;
    let random = random()?;
    let mut challenges = api.sessions.shells.challenges();
    Ok(Json(challenges.give(&id, random, Instant::now())))
}

/// Opens a shell: the connection becomes a stream of frames, `minicloud-shell`.
#[utoipa::path(
    post,
    path = "/v1/instances/{id}/shell",
    operation_id = "OpenShell",
    tag = "instances",
    params(("id" = String, Path)),
    request_body = ShellRequest,
    responses((status = 101))
)]
pub(super) async fn shell(
    State(api): State<Arc<Api>>,
    Segment(id): Segment,
    mut request: Request,
) -> Result<Response, Fault> {
    let id: InstanceId = id.parse()?;
    let upgrade = wanted_upgrade(&mut request)?;
    let JsonBody(asked) = JsonBody::<ShellRequest>::from_request(request, &()).await?;
    let key = key_of(&api, &id)?;
    let taken = {
        let mut challenges = api.sessions.shells.challenges();
        let now = Instant::now();
        challenges.take(&id, &asked.nonce, &asked.signature, &key, now)
    };
    taken.map_err(|refusal| refused(refusal, &id))?;
    let (session, slot) = open(&api, id, asked.command, asked.terminal).await?;
    let shutdown = api.shutdown.clone();
    api.sessions.shells.spawn(async move {
        if let Ok(Ok(connection)) = timeout(UPGRADE_LIMIT, upgrade).await {
            carry(TokioIo::new(connection), session, shutdown).await;
        }
        drop(slot);
    });
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static(SHELL_PROTOCOL));
    Ok(response)
}

fn wanted_upgrade(request: &mut Request) -> Result<OnUpgrade, Fault> {
    let named = request.headers().get(header::UPGRADE);
    let is_ours = named.is_some_and(|name| name.as_bytes() == SHELL_PROTOCOL.as_bytes());
    let upgrade = request.extensions_mut().remove::<OnUpgrade>();
    upgrade.filter(|_| is_ours).ok_or_else(|| {
        Fault::new(
            StatusCode::UPGRADE_REQUIRED,
            "UpgradeRequired",
            format!("a shell needs a connection of its own: send `Connection: upgrade` and `Upgrade: {SHELL_PROTOCOL}`, as `minicloud ssh` does"),
        )
    })
}

fn key_of(api: &Api, id: &InstanceId) -> Result<PublicKey, Fault> {
    let view = api.view.borrow();
    let mut instances = view
        .auto_scaling_groups
        .iter()
        .flat_map(|group| &group.instances);
    let found: Option<&Instance> = instances.find(|instance| instance.instance_id == *id);
    let instance = found.ok_or_else(|| exec::unknown_instance(id))?;
    instance.public_key.clone().ok_or_else(|| {
        Fault::new(
            StatusCode::CONFLICT,
            "OperationNotPermitted",
            format!("{id} was launched without a key pair: name one as key_name in its launch template and replace the instance, or use `minicloud exec`"),
        )
    })
}

fn refused(refusal: Refusal, id: &InstanceId) -> Fault {
    let unauthorized =
        |message| Fault::new(StatusCode::FORBIDDEN, "UnauthorizedOperation", message);
    match refusal {
        Refusal::NoChallenge => unauthorized(format!(
            "there is no such challenge for {id}: it is answered already, or has expired; ask for another"
        )),
        Refusal::Unauthorized => unauthorized(format!(
            "the key is not the one that {id} was launched with; `minicloud instances -o json` names that one"
        )),
        Refusal::Throttled(left) => Fault::new(
            StatusCode::TOO_MANY_REQUESTS,
            "RequestLimitExceeded",
            format!(
                "too many wrong keys for {id}: try again in {} s",
                left.as_secs().max(1)
            ),
        ),
    }
}

async fn open(
    api: &Api,
    id: InstanceId,
    command: Vec<String>,
    terminal: Option<Terminal>,
) -> Result<(ExecSession, OwnedSemaphorePermit), Fault> {
    let argv = match command.is_empty() {
        true => vec!["/bin/sh".to_owned()],
        false => command,
    };
    exec::check(&argv)?;
    let stdin = match terminal {
        Some(terminal) if !is_term(&terminal.term) => {
            return Err(Fault::validation(
                "terminal.term: not the name of a terminal",
            ));
        }
        Some(terminal) => Stdin::Terminal(terminal),
        None => Stdin::Piped,
    };
    exec::start(api, id, ExecCommand { argv, stdin }).await
}

fn is_term(term: &str) -> bool {
    (1..=MAX_TERM).contains(&term.len()) && term.bytes().all(|b| b.is_ascii_graphic())
}

/// Until the command has ended, or the client, or there was nothing to carry for too long.
/// What ends it otherwise than by its exit code ends the command.
async fn carry(
    connection: impl AsyncRead + AsyncWrite,
    session: ExecSession,
    shutdown: CancellationToken,
) {
    let (from, to) = tokio::io::split(connection);
    let from = FramedRead::new(from, ShellCodec);
    let to = FramedWrite::new(to, ShellCodec);
    let (heard_in, heard) = watch::channel(());
    tokio::select! {
        () = listen(from, session.input, heard_in) => {}
        () = tell(to, session.output, heard, shutdown) => {}
    }
}

/// Ends with the client. A command that does not read holds up who types.
async fn listen(
    mut from: FramedRead<impl AsyncRead + Unpin, ShellCodec>,
    mut input: Option<mpsc::Sender<ExecInput>>,
    heard: watch::Sender<()>,
) {
    while let Some(Ok(frame)) = from.next().await {
        heard.send_replace(());
        let typed = match frame {
            ShellFrame::Stdin(bytes) => ExecInput::Bytes(bytes),
            ShellFrame::Resize(size) => ExecInput::Resize(size),
            ShellFrame::StdinEnd => {
                input = None;
                continue;
            }
            // A client has nothing else to say.
            _ => return,
        };
        // A command that reads no more is told nothing more, and goes on.
        if let Some(sender) = &input
            && sender.send(typed).await.is_err()
        {
            input = None;
        }
    }
}

async fn tell(
    mut to: FramedWrite<impl AsyncWrite + Unpin, ShellCodec>,
    mut output: mpsc::Receiver<ExecOutput>,
    mut heard: watch::Receiver<()>,
    shutdown: CancellationToken,
) {
    let mut idle = std::pin::pin!(sleep(IDLE_TIMEOUT));
    let mut keep_alive = interval(KEEP_ALIVE);
    keep_alive.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let mut is_alive = true;
        let frame = tokio::select! {
            said = output.recv() => frame(said),
            Ok(()) = heard.changed() => {
                idle.as_mut().reset(Instant::now() + IDLE_TIMEOUT);
                continue;
            }
            () = &mut idle => {
                let minutes = IDLE_TIMEOUT.as_secs() / 60;
                ShellFrame::Error(format!("nothing was typed or said for {minutes} minutes"))
            }
            () = shutdown.cancelled() => ShellFrame::Error("the autoscaler is shutting down".to_owned()),
            _ = keep_alive.tick() => {
                is_alive = false;
                ShellFrame::KeepAlive
            }
        };
        if is_alive {
            idle.as_mut().reset(Instant::now() + IDLE_TIMEOUT);
        }
        let is_last = matches!(frame, ShellFrame::Exit(_) | ShellFrame::Error(_));
        if to.send(frame).await.is_err() || is_last {
            return;
        }
    }
}

fn frame(said: Option<ExecOutput>) -> ShellFrame {
    match said {
        Some(ExecOutput::Stdout(bytes)) => ShellFrame::Stdout(bytes),
        Some(ExecOutput::Stderr(bytes)) => ShellFrame::Stderr(bytes),
        Some(ExecOutput::Exit(code)) => ShellFrame::Exit(code),
        None => ShellFrame::Error("the command's exit code was lost".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn idle_shell_ends() {
        let (_said, output) = mpsc::channel(1);
        let session = ExecSession {
            output,
            input: None,
        };
        let (near, far) = tokio::io::duplex(1024);
        let start = Instant::now();
        let carrying = carry(near, session, CancellationToken::new());
        let listening = async {
            let mut frames = FramedRead::new(far, ShellCodec);
            while let Some(Ok(ShellFrame::KeepAlive)) = frames.next().await {}
        };
        tokio::join!(carrying, listening);
        assert_eq!(start.elapsed(), IDLE_TIMEOUT);
    }

    #[tokio::test(start_paused = true)]
    async fn client_that_leaves_ends_the_session() {
        let (said, output) = mpsc::channel(1);
        let session = ExecSession {
            output,
            input: None,
        };
        let (near, far) = tokio::io::duplex(1024);
        drop(far);
        carry(near, session, CancellationToken::new()).await;
        assert!(said.is_closed());
    }
}
