use std::path::PathBuf;

use clap::{Args, Subcommand};
use minicloud_autoscaler::launch_template::VersionSelector;

use super::verb::{Reading, Watching};

#[derive(Debug, Args)]
pub(crate) struct LaunchTemplatesArgs {
    /// Name or id: list the versions of this one.
    #[arg(value_name = "NAME")]
    pub(crate) name: Option<String>,
    #[command(flatten)]
    pub(crate) watching: Watching,
}

#[derive(Debug, Args)]
pub(crate) struct LaunchTemplateArgs {
    #[command(subcommand)]
    pub(crate) verb: LaunchTemplateVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum LaunchTemplateVerb {
    /// Make a template; its first version is its default.
    Create(CreateArgs),
    /// Add a version to a template.
    CreateVersion(CreateVersionArgs),
    /// Make a version the default one.
    SetDefault(SetDefaultArgs),
    /// Delete a template, or single versions of it.
    Delete(DeleteArgs),
    /// Show what a version holds.
    Show(ShowArgs),
}

#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// 3 to 128 letters, digits, ( ) . - / and _.
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) data: DataArgs,
    #[command(flatten)]
    pub(crate) reading: Reading,
}

#[derive(Debug, Args)]
pub(crate) struct CreateVersionArgs {
    /// Name or id.
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// Version that members not given are taken from: a number, $Default or $Latest.
    #[arg(long, value_name = "VERSION")]
    pub(crate) source_version: Option<VersionSelector>,
    #[command(flatten)]
    pub(crate) data: DataArgs,
    #[command(flatten)]
    pub(crate) reading: Reading,
}

/// The members of a version, in the words of the configuration file's `launch_templates.NAME`.
#[derive(Debug, Args)]
pub(crate) struct DataArgs {
    #[command(flatten)]
    pub(crate) source: DataSource,
    /// What the version is for, up to 255 characters.
    #[arg(long, value_name = "TEXT")]
    pub(crate) version_description: Option<String>,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct DataSource {
    /// Its members as YAML or JSON: `{ image: nginx, port: 80 }`.
    #[arg(long, value_name = "MEMBERS")]
    pub(crate) data: Option<String>,
    /// File with its members, as YAML or JSON; `-` is stdin.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct SetDefaultArgs {
    /// Name or id.
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// A number, or $Latest.
    #[arg(value_name = "VERSION")]
    pub(crate) default_version: VersionSelector,
    #[command(flatten)]
    pub(crate) reading: Reading,
}

#[derive(Debug, Args)]
pub(crate) struct DeleteArgs {
    /// Name or id.
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// Numbers of versions to delete; without any, the template goes with all it has.
    #[arg(value_name = "VERSION")]
    pub(crate) versions: Vec<u64>,
    #[command(flatten)]
    pub(crate) connection: super::verb::Connection,
}

#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// Name or id.
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// A number, $Default or $Latest.
    #[arg(value_name = "VERSION", default_value = "$Latest")]
    pub(crate) selected: VersionSelector,
    #[command(flatten)]
    pub(crate) reading: Reading,
}
