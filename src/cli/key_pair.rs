use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::verb::{Connection, Reading};

#[derive(Debug, Args)]
pub(crate) struct KeyPairArgs {
    #[command(subcommand)]
    pub(crate) verb: KeyPairVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeyPairVerb {
    /// Make a key pair; minicloud does not keep the private key.
    Create(CreateArgs),
    /// Make a key pair of a public key that exists.
    Import(ImportArgs),
    /// Delete a key pair; instances that were launched with it keep its public key.
    Delete(DeleteArgs),
}

#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// 1 to 255 visible ASCII characters.
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// New file for the private key, for its owner alone; else it goes to stdout.
    #[arg(long, value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// 1 to 255 visible ASCII characters.
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// File with an ed25519 public key, such as `~/.ssh/id_ed25519.pub`.
    #[arg(long, value_name = "FILE")]
    pub(crate) public_key_file: PathBuf,
    #[command(flatten)]
    pub(crate) reading: Reading,
}

#[derive(Debug, Args)]
pub(crate) struct DeleteArgs {
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) connection: Connection,
}
