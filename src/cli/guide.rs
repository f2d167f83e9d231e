//! Verbs that help with the program itself.

use clap::Args;
use clap_complete::Shell;

use super::verb::Reading;

#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// Such as `source <(minicloud completions bash)` takes in at once.
    #[arg(value_enum, value_name = "SHELL")]
    pub(crate) shell: Shell,
}

#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    /// A command, such as `up` or `demo stress`.
    #[arg(value_name = "VERB")]
    pub(crate) verb: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct DocsArgs {
    /// A key of the configuration, a command, or what `minicloud docs` lists besides.
    #[arg(value_name = "SECTION")]
    pub(crate) section: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// Print the calls to the container engine that minicloud makes, and nothing else: for a
    /// proxy in front of its socket.
    #[arg(long)]
    pub(crate) print_socket_allowlist: bool,
    #[command(flatten)]
    pub(crate) reading: Reading,
}
