use std::{num::NonZeroUsize, path::PathBuf, str::FromStr, time::Duration};

use clap::{Parser, ValueEnum};

const DEFAULT_ROUNDS: NonZeroUsize = NonZeroUsize::new(15).expect("not zero");
const QUICK_ROUNDS: NonZeroUsize = NonZeroUsize::new(4).expect("not zero");

/// The data plane, side by side with other proxies on this machine.
#[derive(Debug, Parser)]
#[command(name = "data_plane")]
pub(crate) struct Options {
    /// Measured rounds, three times as long at a fixed rate as at saturation. One before them is
    /// thrown away.
    #[arg(long, default_value_t = DEFAULT_ROUNDS)]
    pub(crate) rounds: NonZeroUsize,
    /// Length of a measured round at saturation.
    #[arg(long, default_value_t = 0.4)]
    pub(crate) seconds: f64,
    /// Sizes of the answers.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "100,10k,1m")]
    pub(crate) sizes: Vec<Size>,
    /// Worker threads or processes of the proxies at saturation; the fixed rate and the idle
    /// connections have one.
    #[arg(long, value_delimiter = ',', default_value = "1,2")]
    pub(crate) workers: Vec<NonZeroUsize>,
    /// Rows to measure, of those that there would be.
    #[arg(long, value_delimiter = ',')]
    pub(crate) only: Vec<String>,
    /// nginx binaries, as names on PATH or as paths; those that are not there are left out.
    #[arg(
        long,
        value_delimiter = ',',
        env = "MINICLOUD_BENCH_NGINX",
        default_value = "nginx,nginx126"
    )]
    pub(crate) nginx: Vec<PathBuf>,
    /// HAProxy binaries, likewise.
    #[arg(
        long,
        value_delimiter = ',',
        env = "MINICLOUD_BENCH_HAPROXY",
        default_value = "haproxy,haproxy30"
    )]
    pub(crate) haproxy: Vec<PathBuf>,
    /// Caddy binaries, likewise.
    #[arg(
        long,
        value_delimiter = ',',
        env = "MINICLOUD_BENCH_CADDY",
        default_value = "caddy"
    )]
    pub(crate) caddy: Vec<PathBuf>,
    /// Another build of minicloud, as a row of its own beside `lb`; may be repeated.
    #[arg(long = "build", value_name = "NAME=FILE")]
    pub(crate) builds: Vec<Build>,
    /// Idle connections, as far as the limit of descriptors allows.
    #[arg(long, default_value_t = 10_000)]
    pub(crate) idle: usize,
    /// Few rounds and one worker, whatever is said above: a look, not a figure.
    #[arg(long)]
    quick: bool,
    #[arg(long)]
    pub(crate) skip_saturation: bool,
    #[arg(long)]
    pub(crate) skip_rate: bool,
    #[arg(long)]
    pub(crate) skip_idle: bool,
    /// Given by `cargo bench`.
    #[arg(long, hide = true)]
    pub(crate) bench: bool,
    /// Serve as one of the backends; the bench starts itself so.
    #[arg(long, hide = true)]
    pub(crate) backend: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Size {
    #[value(name = "100")]
    Bytes100,
    #[value(name = "10k")]
    Kib10,
    #[value(name = "1m")]
    Mib1,
}

#[derive(Clone, Debug)]
pub(crate) struct Build {
    pub(crate) name: String,
    pub(crate) program: PathBuf,
}

impl Options {
    pub(crate) fn read() -> Self {
        let mut options = Self::parse();
        if options.quick {
            options.rounds = QUICK_ROUNDS;
            options.workers = vec![NonZeroUsize::MIN];
        }
        options
    }

    pub(crate) fn window(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }
}

impl Size {
    pub(crate) const ALL: [Self; 3] = [Self::Bytes100, Self::Kib10, Self::Mib1];

    pub(crate) fn bytes(self) -> usize {
        match self {
            Self::Bytes100 => 100,
            Self::Kib10 => 10 * 1024,
            Self::Mib1 => 1024 * 1024,
        }
    }

    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Bytes100 => "/100b",
            Self::Kib10 => "/10k",
            Self::Mib1 => "/1m",
        }
    }

    pub(crate) fn name(self) -> &'static str {
        &self.path()[1..]
    }
}

impl FromStr for Build {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, program) = text.split_once('=').ok_or("expected NAME=FILE")?;
        Ok(Self {
            name: name.to_owned(),
            program: program.into(),
        })
    }
}
