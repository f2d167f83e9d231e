use clap::{Args, ValueEnum};

use super::{
    value,
    verb::{Reading, Watching},
};

#[derive(Debug, Args)]
pub(crate) struct RefreshArgs {
    #[arg(value_name = "GROUP")]
    pub(crate) group: String,
    /// Leave those as they are that have the group's launch template and version.
    #[arg(long)]
    pub(crate) skip_matching: bool,
    /// Percent of the desired capacity that stays in service, 0 to 100 [default: 100].
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(..=100))]
    pub(crate) min_healthy: Option<u8>,
    /// Percent of the desired capacity that may be there at once, 100 to 200; one instance more
    /// at the least where all stay in service [default: 110].
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(100..=200))]
    pub(crate) max_healthy: Option<u8>,
    /// How long a new instance is in service before it takes over [default: the group's
    /// default_instance_warmup].
    #[arg(long, value_name = "TIME", value_parser = value::whole_seconds)]
    pub(crate) warmup: Option<u32>,
    /// What becomes of instances that are protected from scale-in [default: wait].
    #[arg(long, value_enum, value_name = "WHAT")]
    pub(crate) protected: Option<Protected>,
    /// Begin nothing more of the refresh under way, and finish what it has begun.
    #[arg(long, conflicts_with_all = ["skip_matching", "min_healthy", "max_healthy", "warmup", "protected"])]
    pub(crate) cancel: bool,
    /// Return once it has ended; fail where it did.
    #[arg(long)]
    pub(crate) wait: bool,
    #[command(flatten)]
    pub(crate) reading: Reading,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Protected {
    /// They are replaced like the others.
    Refresh,
    /// They stay as they are.
    Ignore,
    /// The refresh waits an hour for their protection to go, and fails.
    Wait,
}

#[derive(Debug, Args)]
pub(crate) struct RefreshesArgs {
    #[arg(value_name = "GROUP")]
    pub(crate) group: String,
    #[command(flatten)]
    pub(crate) watching: Watching,
}
