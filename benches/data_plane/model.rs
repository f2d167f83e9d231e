//! Which proxies there are, and how each is told what to do.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{backend::Backend, options::Options, support::MINICLOUD};

/// The row that the ratios of the last line are of.
pub(crate) const SUBJECT: &str = "lb";
/// Connections beyond those of clients: to the backends, and for the checks of this bench.
const SPARE_CONNECTIONS: usize = 256;

/// What a proxy is to do.
#[derive(Clone, Copy)]
pub(crate) struct Task<'a> {
    pub(crate) port: u16,
    pub(crate) workers: usize,
    /// Connections of clients that it must be able to hold.
    pub(crate) clients: usize,
    pub(crate) backends: &'a [Backend; 2],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Minicloud,
    Nginx,
    Haproxy { splice: bool },
    Caddy,
}

/// A program that could be measured: a row of each table.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    pub(crate) name: String,
    pub(crate) version: String,
    program: PathBuf,
    kind: Kind,
}

impl Model {
    /// Our own build first, then whatever of the others is on this machine.
    pub(crate) fn find(options: &Options) -> Vec<Self> {
        let own = |name: &str, program: &Path| Self::new(name, program, Kind::Minicloud);
        let mut all = vec![own(SUBJECT, Path::new(MINICLOUD))];
        let builds = options.builds.iter();
        all.extend(builds.map(|build| own(&build.name, &build.program)));
        for program in &options.nginx {
            all.push(Self::new(&name(program), program, Kind::Nginx));
        }
        for program in &options.haproxy {
            let (plain, name) = (Kind::Haproxy { splice: false }, name(program));
            all.push(Self::new(&name, program, plain));
            let splicing = Kind::Haproxy { splice: true };
            all.push(Self::new(&format!("{name}-splice"), program, splicing));
        }
        for program in &options.caddy {
            all.push(Self::new(&name(program), program, Kind::Caddy));
        }
        let all: Vec<Self> = all.into_iter().flatten().collect();
        for name in &options.only {
            let is_there = all.iter().any(|model| model.name == *name);
            assert!(is_there, "--only {name}: there is no such row here");
        }
        let wanted = |model: &Self| options.only.is_empty() || options.only.contains(&model.name);
        all.into_iter().filter(wanted).collect()
    }

    /// None where the program is not installed.
    fn new(name: &str, program: &Path, kind: Kind) -> Option<Self> {
        let argument = match kind {
            Kind::Minicloud => "--version",
            Kind::Nginx | Kind::Haproxy { .. } => "-v",
            Kind::Caddy => "version",
        };
        let output = Command::new(program).arg(argument).output().ok()?;
        // nginx says it on stderr.
        let said = [output.stdout, output.stderr].concat();
        let version = String::from_utf8_lossy(&said)
            .lines()
            .next()
            .unwrap_or_default()
            .to_owned();
        Some(Self {
            name: name.to_owned(),
            version,
            program: program.to_owned(),
            kind,
        })
    }

    pub(crate) fn is_peer(&self) -> bool {
        self.kind != Kind::Minicloud
    }

    /// The command that does `task`, with its files in `dir`.
    pub(crate) fn command(&self, task: Task<'_>, dir: &Path) -> Command {
        let config = dir.join("config");
        fs::write(&config, self.config(task, dir)).unwrap();
        let mut command = Command::new(&self.program);
        match self.kind {
            Kind::Minicloud => command
                .args(["lb", "--bind", "127.0.0.1", "--config"])
                .arg(&config)
                .args(["--threads", &task.workers.to_string(), "--admin"])
                .arg(format!("unix:{}", dir.join("admin").display())),
            Kind::Nginx => command
                .args([Path::new("-c"), &config, Path::new("-p"), dir])
                .args([Path::new("-e"), &dir.join("error.log")]),
            Kind::Haproxy { .. } => command.args(["-db", "-q", "-f"]).arg(&config),
            Kind::Caddy => command
                .env("GOMAXPROCS", task.workers.to_string())
                .envs([("XDG_CONFIG_HOME", dir), ("XDG_DATA_HOME", dir)])
                .args(["run", "--adapter", "caddyfile", "--config"])
                .arg(&config),
        };
        command
    }

    fn config(&self, task: Task<'_>, dir: &Path) -> String {
        let connections = task.clients + SPARE_CONNECTIONS;
        self.template()
            .replace("<dir>", dir.to_str().unwrap())
            .replace("<port>", &task.port.to_string())
            .replace("<workers>", &task.workers.to_string())
            .replace("<connections>", &connections.to_string())
            .replace("<backend_a>", &task.backends[0].address.to_string())
            .replace("<backend_b>", &task.backends[1].address.to_string())
    }

    fn template(&self) -> String {
        match self.kind {
            Kind::Minicloud => include_str!("minicloud.yaml").to_owned(),
            Kind::Nginx => include_str!("nginx.conf").to_owned(),
            Kind::Haproxy { splice } => {
                let option = if splice { "option splice-auto" } else { "" };
                include_str!("haproxy.cfg").replace("<splice>", option)
            }
            Kind::Caddy => include_str!("Caddyfile").to_owned(),
        }
    }
}

fn name(program: &Path) -> String {
    let name = program.file_name().unwrap_or(program.as_os_str());
    name.to_string_lossy().into_owned()
}
