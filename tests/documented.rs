//! The pages say what is so: their commands are run, and what they show is what comes.
//!
//! Blocks of `sh` and `console` in README.md and docs run in order, a page against a minicloud of
//! its own. Ports and the id `i-0123abcd` stand for those of the test. A block that cannot run
//! says why in a comment before it: `<!-- not run: REASON -->`. `<!-- processes -->` and
//! `<!-- Docker -->` keep one to where it belongs; a page that has one for Docker runs there too.
//! `<!-- file: NAME -->` makes a file of the block that follows.

mod output;
mod page;

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tokio::process::Command;

use self::page::{Block, Mark, Step};
use crate::support::{
    BUSY_MACHINE, MINICLOUD,
    api::Api,
    compose::{Compose, engine, image},
    machine::Machine,
    up::Up,
    wait::until,
};

/// A group shrinks once its load has been gone for two minutes: nothing on a page takes longer.
const PATIENCE: Duration = Duration::from_secs(240);
const BOOT: Duration = Duration::from_secs(90);

/// Where the commands of a page run.
struct Place {
    provider: Mark,
    api: Api,
    port: u16,
    folder: PathBuf,
    environment: Vec<(&'static str, String)>,
}

/// Blocks that nobody could mistake for something else.
#[test]
fn blocks_say_what_they_are() {
    for path in pages() {
        for block in blocks(&path) {
            let place = format!("{}:{}", path.display(), block.line);
            assert!(
                !block.language.is_empty(),
                "{place}: say sh, console, yaml or text after the fence"
            );
            if let Mark::NotRun(reason) = &block.mark {
                assert!(
                    block.has_commands() && reason.len() > 8,
                    "{place}: not run, and why?"
                );
            }
            let first = block.text.split_whitespace().next();
            assert!(
                block.has_commands()
                    || first.is_none_or(|word| !["minicloud", "$"].contains(&word)),
                "{place}: commands are sh or console"
            );
        }
    }
}

#[test]
fn links_lead_somewhere() {
    for path in pages() {
        let text = fs::read_to_string(&path).unwrap();
        let links = text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next());
        let links = links.filter(|link| !link.contains("://") && !link.starts_with('#'));
        for link in links {
            let file = link.split('#').next().unwrap_or_default();
            let target = path.parent().unwrap().join(file);
            assert!(target.exists(), "{}: nothing at {link}", path.display());
        }
    }
}

/// A page that is found by what a program says must quote what it says.
#[test]
fn troubleshooting_quotes_what_is_said() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/how-to/troubleshooting.md")).unwrap();
    let sources: String = ["src", "autoscaler/src", "lb/src"]
        .into_iter()
        .flat_map(|folder| files(&root.join(folder), "rs"))
        .map(|path| unbroken(&fs::read_to_string(path).unwrap()))
        .collect();
    let headings = page.lines().filter_map(|line| line.strip_prefix("### `"));
    for heading in headings {
        for part in heading.trim_end_matches('`').split("...") {
            assert!(sources.contains(part), "nothing says `{part}` any more");
        }
    }
}

/// Without the line breaks inside of texts.
fn unbroken(source: &str) -> String {
    let mut parts = source.split("\\\n");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + part.trim_start())
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_do_what_they_say_on_processes() {
    for path in pages() {
        let blocks = to_run(&path, &Mark::Processes);
        if blocks.is_empty() {
            continue;
        }
        let machine = match has_stress(&blocks) {
            true => Machine::alone().await,
            false => Machine::shared().await,
        };
        let up = Up::start_with(machine, &[], small);
        let place = Place::on_processes(&up);
        place.run_page(&path, &blocks).await;
        up.interrupt().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_do_what_they_say_on_docker() {
    for path in pages() {
        let blocks = to_run(&path, &Mark::Docker);
        if !blocks.iter().any(|block| block.mark == Mark::Docker) {
            continue;
        }
        let Some(_engine) = engine(Machine::alone()).await else {
            return;
        };
        let compose = Compose::up(small).await;
        let place = Place::on_docker(&compose);
        place.run_page(&path, &blocks).await;
        compose.down().await;
    }
}

/// README.md and what is below docs, but for what the program writes of itself.
fn pages() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pages = files(&root.join("docs"), "md");
    pages.push(root.join("README.md"));
    assert!(pages.len() > 10, "{pages:?}");
    let only = std::env::var("MINICLOUD_PAGE").unwrap_or_default();
    pages.retain(|path| path.to_string_lossy().contains(&only));
    pages
}

/// Below `folder`, sorted.
fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn blocks(path: &Path) -> Vec<Block> {
    page::blocks(&fs::read_to_string(path).unwrap())
}

fn to_run(path: &Path, provider: &Mark) -> Vec<Block> {
    let mut blocks = blocks(path);
    blocks.retain(|block| {
        let is_file = matches!(block.mark, Mark::File(_));
        let runs = block.mark == Mark::Everywhere || block.mark == *provider;
        is_file || block.has_commands() && runs
    });
    blocks
}

/// Instances that a stress saturates on a machine with other work too.
fn small(example: String) -> String {
    example.replace("cpus: 0.5", "cpus: 0.2")
}

fn has_stress(blocks: &[Block]) -> bool {
    blocks.iter().any(|block| block.text.contains("stress"))
}

impl Place {
    fn on_processes(up: &Up) -> Self {
        let folder = up.dir.path().to_owned();
        let programs = folder.join("bin");
        fs::create_dir(&programs).unwrap();
        symlink(MINICLOUD, programs.join("minicloud")).unwrap();
        let api = up.api;
        Self {
            provider: Mark::Processes,
            api,
            port: up.address.port(),
            environment: vec![("MINICLOUD_HOST", format!("http://{}", api.0))],
            folder,
        }
    }

    /// The README's alias, as a program.
    fn on_docker(compose: &Compose) -> Self {
        let folder = compose.config.path().to_owned();
        let programs = folder.join("bin");
        fs::create_dir(&programs).unwrap();
        let alias = "#!/bin/sh\nexec docker compose exec -T autoscaler minicloud \"$@\"\n";
        fs::write(programs.join("minicloud"), alias).unwrap();
        let executable = fs::Permissions::from_mode(0o755);
        fs::set_permissions(programs.join("minicloud"), executable).unwrap();
        Self {
            provider: Mark::Docker,
            api: compose.api,
            port: compose.address.port(),
            environment: compose.environment().into(),
            folder,
        }
    }

    async fn run_page(&self, path: &Path, blocks: &[Block]) {
        self.api.until_settled(1, BOOT).await;
        if has_stress(blocks) {
            // Who follows a page by hand has read it meanwhile.
            self.api.until_warm(BOOT).await;
        }
        eprintln!("{} ({:?})", path.display(), self.provider);
        for block in blocks {
            let place = format!("{}:{} ({:?})", path.display(), block.line, self.provider);
            if let Mark::File(name) = &block.mark {
                fs::write(self.folder.join(name), self.own_file(&block.text)).unwrap();
                continue;
            }
            for step in block.steps() {
                self.run_step(&place, &step).await;
            }
        }
    }

    /// What is shown may take a while to come; a command without output is run once.
    async fn run_step(&self, place: &str, step: &Step) {
        let Some(expected) = &step.output else {
            let shown = self.shell(&step.command).await;
            assert!(
                shown.is_ok(),
                "{place}: {}\n{}",
                step.command,
                shown.unwrap_err()
            );
            return;
        };
        until(&format!("{place}: {}", step.command), PATIENCE, || async {
            let shown = self.shell(&step.command).await?;
            match output::matches(expected, &shown) {
                true => Ok(()),
                false => Err(format!(
                    "the page shows\n{expected}\nand there came\n{shown}"
                )),
            }
        })
        .await;
    }

    /// What a command prints; where it fails, all that it said.
    async fn shell(&self, command: &str) -> Result<String, String> {
        let path = std::env::var("PATH").unwrap_or_default();
        let path = format!("{}:{path}", self.folder.join("bin").display());
        let output = Command::new("bash")
            .args(["-e", "-u", "-o", "pipefail", "-c", &self.own(command).await])
            .current_dir(&self.folder)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .env("PATH", path)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let output = tokio::time::timeout(PATIENCE, output).await;
        let output = output
            .map_err(|_| format!("not done within {PATIENCE:?}"))?
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        match output.status.success() {
            true => Ok(text(&output.stdout)),
            false => Err(format!(
                "{}\n{}{}",
                output.status,
                text(&output.stdout),
                text(&output.stderr)
            )),
        }
    }

    /// A configuration with the ports of this place, for a machine that runs tests.
    fn own_file(&self, text: &str) -> String {
        let listener = format!("port: {}, default_action", self.port);
        let text = text
            .replace("port: 8080, default_action", &listener)
            .replace("8090", &self.api.0.port().to_string());
        // As what runs: an equal launch template is no new version.
        small(text) + BUSY_MACHINE
    }

    /// With the ports and the instance of this place.
    async fn own(&self, command: &str) -> String {
        let mut command = command
            .replace("localhost:8080", &format!("localhost:{}", self.port))
            .replace("8090", &self.api.0.port().to_string());
        if self.provider == Mark::Docker {
            command = command.replace("minicloud-sample-app", &image("minicloud-sample-app"));
        }
        if command.contains(EXAMPLE_ID) {
            let instances = self.api.instances("InService").await.unwrap_or_default();
            let first = instances.into_iter().next();
            command = command.replace(EXAMPLE_ID, &first.unwrap_or_default());
        }
        command
    }
}

/// The pages' instance.
const EXAMPLE_ID: &str = "i-0123abcd";
