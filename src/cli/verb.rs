use std::{net::IpAddr, path::PathBuf, time::Duration};

use clap::{Args, Subcommand, ValueEnum};
use jiff::Timestamp;
use minicloud_autoscaler::{instance::InstanceId, scaling_process::ScalingProcess};

use super::{role::StateArgs, value};
use crate::endpoint::Endpoint;

/// Where the control API is.
#[derive(Debug, Args)]
pub(crate) struct Connection {
    /// Where the control API is.
    #[arg(
        long,
        value_name = "ENDPOINT",
        env = "MINICLOUD_HOST",
        hide_env_values = true,
        default_value = "http://127.0.0.1:8090"
    )]
    pub(crate) host: Endpoint,
    /// File with the API's token, where it wants one.
    #[arg(
        long,
        value_name = "FILE",
        env = "MINICLOUD_TOKEN_FILE",
        hide_env_values = true
    )]
    pub(crate) token_file: Option<PathBuf>,
    /// Longest wait for the answer, and for what `--wait` waits for.
    #[arg(long, value_name = "TIME", value_parser = value::duration)]
    pub(crate) timeout: Option<Duration>,
}

/// A verb that shows something.
#[derive(Debug, Args)]
pub(crate) struct Reading {
    #[command(flatten)]
    pub(crate) connection: Connection,
    /// Form of the answer.
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    pub(crate) output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people.
    Table,
    /// The same with more columns.
    Wide,
    /// What the control API answers.
    Json,
    /// What names each, one a line, for `xargs` and the like.
    Name,
}

/// A verb that shows what is, and can go on showing it.
#[derive(Debug, Args)]
pub(crate) struct Watching {
    #[command(flatten)]
    pub(crate) reading: Reading,
    /// Go on until Ctrl-C: redraws on a terminal, adds lines that change elsewhere.
    #[arg(short, long)]
    pub(crate) watch: bool,
}

#[derive(Debug, Args)]
pub(crate) struct TopArgs {
    /// The group that is shown first; the others are a key away.
    #[arg(value_name = "GROUP")]
    pub(crate) group: Option<String>,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

#[derive(Debug, Args)]
pub(crate) struct InstancesArgs {
    #[arg(value_name = "GROUP")]
    pub(crate) group: Option<String>,
    #[command(flatten)]
    pub(crate) watching: Watching,
}

/// A verb that shows something of one group or of all.
#[derive(Debug, Args)]
pub(crate) struct GroupReading {
    #[arg(value_name = "GROUP")]
    pub(crate) group: Option<String>,
    #[command(flatten)]
    pub(crate) watching: Watching,
}

#[derive(Debug, Args)]
pub(crate) struct TargetsArgs {
    #[arg(value_name = "TARGET_GROUP")]
    pub(crate) target_group: Option<String>,
    #[command(flatten)]
    pub(crate) watching: Watching,
}

#[derive(Debug, Args)]
pub(crate) struct WhyArgs {
    /// The request's X-Amzn-Trace-Id, which a 5xx of the balancer's own carries, or its
    /// traceparent; a part of either is enough. Without, the last requests that failed.
    #[arg(value_name = "TRACE_ID")]
    pub(crate) trace_id: Option<String>,
    #[command(flatten)]
    pub(crate) watching: Watching,
}

#[derive(Debug, Args)]
pub(crate) struct WhichRuleArgs {
    /// As a client would ask for it; `http://` may be left out, and the port where there is one
    /// listener.
    #[arg(value_name = "URL")]
    pub(crate) url: String,
    #[arg(short = 'X', long, value_name = "METHOD", default_value = "GET")]
    pub(crate) method: String,
    /// A header of the request, such as `Host: shop.example`; may be repeated.
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", value_parser = value::header)]
    pub(crate) headers: Vec<(String, String)>,
    /// Where the request comes from.
    #[arg(long, value_name = "IP", default_value = "127.0.0.1")]
    pub(crate) source_ip: IpAddr,
    #[command(flatten)]
    pub(crate) reading: Reading,
}

#[derive(Debug, Args)]
pub(crate) struct ActivitiesArgs {
    #[arg(value_name = "GROUP")]
    pub(crate) group: Option<String>,
    /// How many, from 1 to 100.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u8).range(1..=100))]
    pub(crate) max_records: u8,
    /// Go on where an earlier answer ended.
    #[arg(long, value_name = "TOKEN")]
    pub(crate) next_token: Option<String>,
    /// Those of groups that are no longer there too.
    #[arg(long)]
    pub(crate) include_deleted_groups: bool,
    #[command(flatten)]
    pub(crate) watching: Watching,
}

#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    /// The configuration file that would come into force.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Exit with 2 where there are changes, with 0 where there are none.
    #[arg(long)]
    pub(crate) detailed_exitcode: bool,
    #[command(flatten)]
    pub(crate) reading: Reading,
}

#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    #[arg(value_name = "GROUP")]
    pub(crate) group: String,
    #[command(flatten)]
    pub(crate) watching: Watching,
}

#[derive(Debug, Args)]
pub(crate) struct ApplyArgs {
    /// The configuration file that comes into force.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Do not ask.
    #[arg(short, long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) reading: Reading,
}

#[derive(Debug, Args)]
pub(crate) struct EventsArgs {
    /// What concerns the whole is shown as well.
    #[arg(value_name = "GROUP")]
    pub(crate) group: Option<String>,
    #[command(flatten)]
    pub(crate) reading: Reading,
}

#[derive(Debug, Args)]
pub(crate) struct ScheduledActionsArgs {
    #[arg(value_name = "GROUP")]
    pub(crate) group: Option<String>,
    #[command(flatten)]
    pub(crate) watching: Watching,
}

#[derive(Debug, Args)]
pub(crate) struct PutScheduledActionArgs {
    #[arg(value_name = "GROUP")]
    pub(crate) group: String,
    #[arg(value_name = "ACTION")]
    pub(crate) action: String,
    #[command(flatten)]
    pub(crate) times: ScheduledTimes,
    /// Whose clocks the recurrence reads [default: UTC].
    #[arg(long, value_name = "IANA_NAME", requires = "recurrence")]
    pub(crate) time_zone: Option<String>,
    /// A recurring action does not run after it.
    #[arg(long, value_name = "TIMESTAMP", requires = "recurrence")]
    pub(crate) end_time: Option<Timestamp>,
    #[command(flatten)]
    pub(crate) capacity: Capacity,
    #[command(flatten)]
    pub(crate) reading: Reading,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub(crate) struct ScheduledTimes {
    /// Cron: minutes, hours, day of month, month, day of week; in quotes.
    #[arg(long, value_name = "CRON")]
    pub(crate) recurrence: Option<String>,
    /// When it runs for the first time, such as 2030-01-01T08:00:00Z.
    #[arg(long, value_name = "TIMESTAMP")]
    pub(crate) start_time: Option<Timestamp>,
}

#[derive(Debug, Args)]
pub(crate) struct DeleteScheduledActionArgs {
    #[arg(value_name = "GROUP")]
    pub(crate) group: String,
    #[arg(value_name = "ACTION")]
    pub(crate) action: String,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

#[derive(Debug, Args)]
pub(crate) struct ScaleArgs {
    #[arg(value_name = "GROUP")]
    pub(crate) group: String,
    #[command(flatten)]
    pub(crate) capacity: Capacity,
    /// Return once as many instances as desired are in service.
    #[arg(long)]
    pub(crate) wait: bool,
    #[command(flatten)]
    pub(crate) reading: Reading,
}

#[derive(Clone, Copy, Debug, Args)]
#[group(required = true, multiple = true)]
pub(crate) struct Capacity {
    #[arg(long, value_name = "N")]
    pub(crate) min: Option<u32>,
    #[arg(long, value_name = "N")]
    pub(crate) max: Option<u32>,
    #[arg(long, value_name = "N")]
    pub(crate) desired: Option<u32>,
}

#[derive(Debug, Args)]
pub(crate) struct ProtectArgs {
    /// Instances in service.
    #[arg(value_name = "INSTANCE", required = true)]
    pub(crate) instances: Vec<InstanceId>,
    /// Take the protection away.
    #[arg(long)]
    pub(crate) off: bool,
    #[command(flatten)]
    pub(crate) reading: Reading,
}

#[derive(Debug, Args)]
pub(crate) struct DrainArgs {
    /// Instances in service.
    #[arg(value_name = "INSTANCE", required = true)]
    pub(crate) instances: Vec<InstanceId>,
    /// Lower the group's desired capacity with them, so that nothing takes their place.
    #[arg(long)]
    pub(crate) decrement: bool,
    #[command(flatten)]
    pub(crate) reading: Reading,
}

#[derive(Debug, Args)]
pub(crate) struct UndrainArgs {
    /// Instances in standby; the group's desired capacity rises by as many.
    #[arg(value_name = "INSTANCE", required = true)]
    pub(crate) instances: Vec<InstanceId>,
    #[command(flatten)]
    pub(crate) reading: Reading,
}

#[derive(Debug, Args)]
pub(crate) struct TerminateArgs {
    #[arg(value_name = "INSTANCE")]
    pub(crate) instance: InstanceId,
    /// Lower the group's desired capacity with it, so that nothing takes its place.
    #[arg(long)]
    pub(crate) decrement: bool,
    #[command(flatten)]
    pub(crate) reading: Reading,
}

#[derive(Debug, Args)]
pub(crate) struct SuspensionArgs {
    #[arg(value_name = "GROUP")]
    pub(crate) group: String,
    /// None named: all.
    #[arg(value_name = "PROCESS", value_parser = value::scaling_process())]
    pub(crate) processes: Vec<ScalingProcess>,
    #[command(flatten)]
    pub(crate) reading: Reading,
}

#[derive(Debug, Args)]
pub(crate) struct ResolveArgs {
    #[arg(value_name = "GROUP")]
    pub(crate) group: String,
    #[command(flatten)]
    pub(crate) word: ResolutionWord,
    #[command(flatten)]
    pub(crate) reading: Reading,
}

#[derive(Clone, Copy, Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct ResolutionWord {
    /// They were meant: the desired capacity follows.
    #[arg(long)]
    pub(crate) adopt: bool,
    /// Undo them: replace what is gone, end what was added.
    #[arg(long)]
    pub(crate) revert: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ExecArgs {
    #[command(flatten)]
    pub(crate) connection: Connection,
    #[arg(value_name = "INSTANCE")]
    pub(crate) instance: InstanceId,
    /// Program and arguments, after `--`.
    #[arg(
        value_name = "CMD",
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    pub(crate) command: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct LogsArgs {
    /// All instances of a group, or one.
    #[arg(value_name = "GROUP|INSTANCE")]
    pub(crate) of: String,
    /// Go on until Ctrl-C, with instances that are launched meanwhile.
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// The last lines of each, up to 10000.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(..=10_000))]
    pub(crate) tail: u32,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

#[derive(Debug, Args)]
pub(crate) struct SshArgs {
    #[arg(value_name = "INSTANCE")]
    pub(crate) instance: InstanceId,
    /// File with the private key, as `key-pair create` and ssh-keygen make it.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) identity_file: PathBuf,
    /// Program and arguments in place of a shell, after `--`.
    #[arg(value_name = "CMD", last = true)]
    pub(crate) command: Vec<String>,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    #[command(subcommand)]
    pub(crate) verb: DemoVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DemoVerb {
    /// Burn CPU in an instance of the group until it grows, then watch it shrink.
    Stress(StressArgs),
    /// Send requests at a fixed rate through the group's listener; tell how long the answers
    /// take and how many fail.
    Flood(FloodArgs),
}

#[derive(Debug, Args)]
pub(crate) struct FloodArgs {
    #[arg(value_name = "GROUP")]
    pub(crate) group: String,
    /// How long to send.
    #[arg(long = "for", value_name = "TIME", default_value = "30s", value_parser = value::duration)]
    pub(crate) duration: Duration,
    /// Requests a second, each on a connection of its own.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) rate: u32,
    /// Where to send them [default: the listener on 127.0.0.1 that leads to the group].
    #[arg(long, value_name = "ENDPOINT")]
    pub(crate) target: Option<Endpoint>,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

#[derive(Debug, Args)]
pub(crate) struct StressArgs {
    #[arg(value_name = "GROUP")]
    pub(crate) group: String,
    /// How long to burn.
    #[arg(long = "for", value_name = "TIME", default_value = "90s", value_parser = value::duration)]
    pub(crate) duration: Duration,
    /// Workers that burn, each a whole core if it gets one.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(crate) cpu: u16,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

#[derive(Debug, Args)]
pub(crate) struct ConfigArgs {
    /// A file, in place of what a control plane goes by.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) reading: Reading,
}

#[derive(Debug, Args)]
pub(crate) struct ValidateArgs {
    /// A minicloud.yaml, or a compose file, of which the labels are checked [default:
    /// ./minicloud.yaml if there is one, else the built-in example].
    #[arg(value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct SweepArgs {
    #[command(flatten)]
    pub(crate) state: StateArgs,
}

#[derive(Debug, Args)]
pub(crate) struct HealthcheckArgs {
    #[arg(
        value_name = "ENDPOINT",
        env = "MINICLOUD_HOST",
        hide_env_values = true,
        default_value = "http://127.0.0.1:8090"
    )]
    pub(crate) endpoint: Endpoint,
}
