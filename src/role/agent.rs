use minicloud_agent::{Agent, Config, Listener, serve};
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::signals::Signals;
use crate::{cli::AgentArgs, failure::Failure, socket::Socket};

/// Measures and serves until a signal.
pub(crate) async fn run(args: AgentArgs) -> Result<(), Failure> {
    let mut signals = Signals::listen()?;
    let socket = Socket::bind(&args.listen, "--listen").await?;
    let config = Config {
        cgroup_root: args.cgroup_root,
        interval: args.interval,
        ..Config::default()
    };
    let stop = CancellationToken::new();
    let agent = start(config, stop.clone())?;
    info!(listen = %args.listen, "agent measures");
    let serving = serve(socket.into(), agent, stop.clone());
    let stopping = async {
        signals.next().await;
        stop.cancel();
    };
    tokio::join!(serving, stopping);
    Ok(())
}

pub(super) fn start(config: Config, stop: CancellationToken) -> Result<Agent, Failure> {
    Agent::start(config, stop).map_err(|error| Failure::agent(&error))
}

impl From<Socket> for Listener {
    fn from(socket: Socket) -> Self {
        match socket {
            Socket::Tcp(listener) => Self::Tcp(listener),
            Socket::Unix(listener) => Self::Unix(listener),
        }
    }
}
