use std::{net::IpAddr, num::NonZeroUsize, path::PathBuf, time::Duration};

use clap::{Args, ValueEnum, builder::NonEmptyStringValueParser};
use minicloud_autoscaler::CrashPoint;

use super::value;
use crate::endpoint::Endpoint;

#[derive(Debug, Args)]
pub(crate) struct UpArgs {
    /// Configuration file [default: ./minicloud.yaml if there is one, else the built-in example].
    #[arg(
        short,
        long,
        value_name = "FILE",
        env = "MINICLOUD_CONFIG",
        hide_env_values = true
    )]
    pub(crate) config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) state: StateArgs,
    #[command(flatten)]
    pub(crate) api: ApiArgs,
    /// Where instances live.
    #[arg(long, value_enum, default_value_t = ProviderName::Process)]
    pub(crate) provider: ProviderName,
    #[command(flatten)]
    pub(crate) balancing: BalancingArgs,
}

#[derive(Debug, Args)]
pub(crate) struct LbArgs {
    #[command(flatten)]
    pub(crate) source: BalancerSource,
    #[command(flatten)]
    pub(crate) balancing: BalancingArgs,
    /// Folder that keeps the last snapshot, to serve from it while the autoscaler is away.
    #[arg(
        long,
        value_name = "DIR",
        env = "MINICLOUD_STATE_DIR",
        hide_env_values = true
    )]
    pub(crate) state_dir: Option<PathBuf>,
    /// Where /healthz, /metrics and /report are served.
    #[arg(long, value_name = "ENDPOINT", default_value = "127.0.0.1:8091")]
    pub(crate) admin: Endpoint,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct BalancerSource {
    /// Serve this file's listeners and target groups, as it changes; no autoscaler is asked.
    #[arg(
        short,
        long,
        value_name = "FILE",
        env = "MINICLOUD_CONFIG",
        hide_env_values = true
    )]
    pub(crate) config: Option<PathBuf>,
    /// Serve what the autoscaler there says, and report to it.
    #[arg(
        long,
        value_name = "ENDPOINT",
        env = "MINICLOUD_AUTOSCALER",
        hide_env_values = true
    )]
    pub(crate) autoscaler: Option<Endpoint>,
}

/// What `up` and `lb` share.
#[derive(Debug, Args)]
pub(crate) struct BalancingArgs {
    /// Address that the listeners bind; may be repeated [default: 127.0.0.1 and ::1].
    #[arg(long, value_name = "IP")]
    pub(crate) bind: Vec<IpAddr>,
    /// Worker threads of the balancer [default: one a core].
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<NonZeroUsize>,
    /// Zone that the balancer is in; its targets come first for target groups with
    /// `cross_zone: false` [default: none, all zones are alike].
    #[arg(long, value_name = "ZONE", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) availability_zone: Option<String>,
    /// Log each request as a line, to stdout or to FILE.
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true, default_missing_value = "-")]
    pub(crate) access_log: Option<PathBuf>,
    /// Form of its lines.
    #[arg(long, value_enum, requires = "access_log", default_value_t = LogFormat::Json)]
    pub(crate) access_log_format: LogFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// An Application Load Balancer's own, for what reads those.
    Alb,
    /// Objects that also tell of each attempt, and of the time in the queue.
    Json,
}

#[derive(Debug, Args)]
pub(crate) struct AutoscalerArgs {
    /// Configuration file [default: ./minicloud.yaml if there is one, else the built-in example].
    #[arg(
        short,
        long,
        value_name = "FILE",
        env = "MINICLOUD_CONFIG",
        hide_env_values = true
    )]
    pub(crate) config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) state: StateArgs,
    #[command(flatten)]
    pub(crate) api: ApiArgs,
    /// The API's port is published on the host's loopback only (a container's `ports:` that
    /// begin with 127.0.0.1), so no token is needed.
    #[arg(long)]
    pub(crate) api_published_on_loopback: bool,
    /// Where instances live.
    #[arg(long, value_enum, default_value_t = ProviderName::Docker)]
    pub(crate) provider: ProviderName,
    /// An agent to read CPU figures from; may be repeated.
    #[arg(
        long = "agent",
        value_name = "ENDPOINT",
        default_value = "127.0.0.1:8092"
    )]
    pub(crate) agents: Vec<Endpoint>,
    /// Socket for the balancer alone: it can read snapshots and report there, nothing else.
    #[arg(long, value_name = "ENDPOINT")]
    pub(crate) lb_listen: Option<Endpoint>,
    /// Network that instances join, for `--provider docker` outside Compose, where the
    /// project's own network `pool` is it.
    #[arg(
        long,
        value_name = "NAME",
        env = "MINICLOUD_DOCKER_NETWORK",
        hide_env_values = true
    )]
    pub(crate) docker_network: Option<String>,
    /// Kill this process once the step is reached, as `kill -9` would: for tests.
    #[arg(long, value_name = "STEP", hide = true)]
    pub(crate) crash_at: Option<CrashPoint>,
}

/// The control API, with the console at its address.
#[derive(Debug, Args)]
pub(crate) struct ApiArgs {
    /// Where the control API and the console listen.
    #[arg(
        id = "api",
        long = "api",
        value_name = "ADDR:PORT",
        default_value = "127.0.0.1:8090"
    )]
    pub(crate) address: Endpoint,
    /// Whoever has the token in this file may use the API; needed to listen beyond loopback.
    #[arg(
        long,
        value_name = "FILE",
        env = "MINICLOUD_TOKEN_FILE",
        hide_env_values = true
    )]
    pub(crate) token_file: Option<PathBuf>,
    /// Let API and console show and change nothing; the configuration file goes on to count.
    #[arg(long)]
    pub(crate) read_only: bool,
}

#[derive(Debug, Args)]
pub(crate) struct AgentArgs {
    /// Where /metrics and /healthz are served.
    #[arg(long, value_name = "ENDPOINT", default_value = "127.0.0.1:8092")]
    pub(crate) listen: Endpoint,
    /// Where the host's cgroups are mounted.
    #[arg(long, value_name = "DIR", default_value = "/sys/fs/cgroup")]
    pub(crate) cgroup_root: PathBuf,
    /// Time between two samples.
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = value::duration)]
    pub(crate) interval: Duration,
}

#[derive(Debug, Args)]
pub(crate) struct StateArgs {
    /// Folder that outlives the process [default: $XDG_STATE_HOME/minicloud, or
    /// ~/.local/state/minicloud].
    #[arg(
        long,
        value_name = "DIR",
        env = "MINICLOUD_STATE_DIR",
        hide_env_values = true
    )]
    pub(crate) state_dir: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProviderName {
    /// Child processes.
    Process,
    /// Containers of the local engine.
    Docker,
}
