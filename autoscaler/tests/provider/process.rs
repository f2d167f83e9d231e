//! Real processes keep the contract, and leave nothing behind.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command as StdCommand,
    time::Duration,
};

use minicloud_autoscaler::{
    instance::InstanceId,
    instance_type::InstanceType,
    launch_template::{LaunchTemplate, ProcessTemplate, UserData},
    now::SystemClock,
    provider::{
        ExecError, InstanceProvider, LaunchError, ObservedState,
        process::{ProcessConfig, ProcessProvider},
    },
};
use tempfile::TempDir;

use super::{
    contract_tests,
    harness::{
        Behaviour, Command, Harness, eventually, find, listen, request, template, unique,
        until_exited, until_running,
    },
    run,
};

/// Runs until a file of the instance's own appears.
const SERVES: &str = r#": > "$FLAGS/$MINICLOUD_INSTANCE_ID.ready"
while [ ! -e "$FLAGS/$MINICLOUD_INSTANCE_ID.end" ]; do sleep 0.05; done; exit 3"#;
const DEAF: &str =
    r#"trap "" TERM; : > "$FLAGS/$MINICLOUD_INSTANCE_ID.ready"; while :; do sleep 0.2; done"#;

struct Processes {
    folder: TempDir,
    owner: String,
}

fn processes() -> Processes {
    Processes {
        folder: TempDir::new().unwrap(),
        owner: unique("owner"),
    }
}

impl Processes {
    fn state_dir(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    fn of(&self, state_dir: PathBuf, owner: &str) -> ProcessProvider {
        let config = ProcessConfig::new(state_dir, owner.to_owned(), "/bin/echo".into());
        ProcessProvider::new(config, SystemClock)
    }

    fn script(&self, script: &str) -> LaunchTemplate {
        let mut template = template("sturdy");
        let flags = self.folder.path().to_str().unwrap().to_owned();
        template.env.insert("FLAGS".to_owned(), flags);
        let command = ["sh", "-c", script].map(str::to_owned).to_vec();
        template.process = Some(ProcessTemplate { command });
        template
    }

    fn record(&self, id: &InstanceId) -> PathBuf {
        let folder = self.state_dir().join("instances").join(id.as_str());
        folder.join("record.json")
    }

    /// What the record says, with a change.
    fn rewrite_record(&self, id: &InstanceId, change: impl FnOnce(&mut serde_json::Value)) {
        let mut record = serde_json::from_slice(&fs::read(self.record(id)).unwrap()).unwrap();
        change(&mut record);
        fs::write(self.record(id), record.to_string()).unwrap();
    }

    fn pid(&self, id: &InstanceId) -> String {
        let record: serde_json::Value =
            serde_json::from_slice(&fs::read(self.record(id)).unwrap()).unwrap();
        record["leader"]["pid"].to_string()
    }

    /// Live processes whose environment or command line has this word.
    fn living(&self, word: &str) -> usize {
        let pids = fs::read_dir("/proc").unwrap().flatten();
        pids.filter(|entry| is_alive(&entry.path()) && mentions(&entry.path(), word))
            .count()
    }
}

/// Cgroups of this name, or below one of this name.
fn cgroups(name: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut pending = vec![PathBuf::from("/sys/fs/cgroup")];
    while let Some(folder) = pending.pop() {
        let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
        let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        pending.extend(folders.map(|entry| entry.path()));
        if folder.to_string_lossy().contains(name) {
            found.push(folder);
        }
    }
    found
}

fn is_alive(process: &Path) -> bool {
    fs::read_to_string(process.join("stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

fn mentions(process: &Path, word: &str) -> bool {
    ["environ", "cmdline"].into_iter().any(|file| {
        fs::read(process.join(file))
            .is_ok_and(|text| text.windows(word.len()).any(|part| part == word.as_bytes()))
    })
}

impl Harness for Processes {
    type Provider = ProcessProvider;

    async fn provider(&self) -> ProcessProvider {
        self.of(self.state_dir(), &self.owner)
    }

    async fn stranger(&self) -> Option<ProcessProvider> {
        let state_dir = self.folder.path().join("stranger");
        Some(self.of(state_dir, &format!("{}-stranger", self.owner)))
    }

    fn template(&self, behaviour: Behaviour) -> LaunchTemplate {
        match behaviour {
            Behaviour::Serves => self.script(SERVES),
            Behaviour::Deaf => self.script(DEAF),
            Behaviour::Missing => {
                let mut template = template("sturdy");
                let command = vec!["no-such-program".to_owned()];
                template.process = Some(ProcessTemplate { command });
                template
            }
        }
    }

    fn script(&self, script: &str) -> Option<LaunchTemplate> {
        Some(self.script(script))
    }

    fn serves_if(&self, condition: &str) -> Option<LaunchTemplate> {
        Some(self.script(&format!("{condition} || exit 9\n{SERVES}")))
    }

    /// What `/proc` counts for its processes.
    async fn cpu(&self, id: &InstanceId) -> Option<Duration> {
        let pids = fs::read_dir("/proc").unwrap().flatten();
        let ours = pids
            .map(|entry| entry.path())
            .filter(|process| mentions(process, id.as_str()));
        let ticks = ours.filter_map(|process| {
            let stat = fs::read_to_string(process.join("stat")).ok()?;
            let (_, fields) = stat.rsplit_once(')')?;
            let mut fields = fields.split_ascii_whitespace().skip(11);
            let (user, system): (u64, u64) =
                (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
            Some(user + system)
        });
        Some(Duration::from_millis(10 * ticks.sum::<u64>()))
    }

    fn command(&self, command: Command) -> Option<Vec<String>> {
        let script = match command {
            Command::SaysHello => "echo hello".to_owned(),
            Command::Cat => "cat".to_owned(),
            Command::SaysWindowSize => {
                "[ -t 0 ] && [ -t 1 ] && read line && stty size && exit 5".to_owned()
            }
            Command::SaysBothAndFails => "printf out; printf err >&2; exit 3".to_owned(),
            Command::ExitsWith3 => "exit 3".to_owned(),
            Command::Prints(name) => format!("printf %s \"${name}\""),
            // A child of its own, so that the whole group has to go.
            Command::Lasts => ": lasts; sleep 1000; :".to_owned(),
            Command::NotExecutable => return Some(vec!["/etc/passwd".to_owned()]),
            Command::IsReady => r#"test -e "$FLAGS/$MINICLOUD_INSTANCE_ID.ready""#.to_owned(),
        };
        Some(["sh", "-c", &script].map(str::to_owned).to_vec())
    }

    async fn end(&self, _: &ProcessProvider, id: &InstanceId) {
        fs::write(self.folder.path().join(format!("{id}.end")), "").unwrap();
    }

    async fn running_commands(&self, id: &InstanceId) -> usize {
        let pids = fs::read_dir("/proc").unwrap().flatten();
        pids.map(|entry| entry.path())
            .filter(|process| is_alive(process) && mentions(process, id.as_str()))
            .filter(|process| mentions(process, ": lasts;"))
            .count()
    }

    async fn clean_up(&self) {
        self.provider().await.sweep().await.unwrap();
        self.stranger().await.unwrap().sweep().await.unwrap();
        assert_eq!(cgroups(&self.owner), [] as [PathBuf; 0], "a cgroup is left");
        // Everything a test starts carries its owner or its folder.
        for word in [&self.owner, self.folder.path().to_str().unwrap()] {
            eventually("no process is left", async || {
                (self.living(word) == 0).then_some(())
            })
            .await;
        }
    }
}

contract_tests!([flavor = "multi_thread", worker_threads = 2] Some(processes()));

#[tokio::test]
async fn launch_that_crashed_after_its_intent_is_repeated() {
    run(processes(), async |harness| {
        let (provider, request) = running(harness).await;
        let id = &request.instance_id;
        let intent = fs::read(harness.record(id)).unwrap();
        provider.terminate(id).await.unwrap();
        fs::create_dir_all(harness.record(id).parent().unwrap()).unwrap();
        fs::write(harness.record(id), intent).unwrap();
        harness.rewrite_record(id, |record| record["leader"] = serde_json::Value::Null);

        let provider = harness.provider().await;
        let detail = until_exited(&provider, id).await;
        assert!(detail.contains("interrupted"), "{detail}");
        provider.launch(&request).await.unwrap();
        until_running(&provider, id).await;
        assert_eq!(provider.list().await.unwrap().len(), 1);
    })
    .await;
}

#[tokio::test]
async fn launch_that_crashed_after_its_spawn_is_found() {
    run(processes(), async |harness| {
        let (provider, request) = running(harness).await;
        let id = &request.instance_id;
        let before = find(&provider, id).await;
        let pid = harness.pid(id);
        drop(provider);
        harness.rewrite_record(id, |record| record["leader"] = serde_json::Value::Null);
        let provider = harness.provider().await;
        provider.launch(&request).await.unwrap();
        assert_eq!(find(&provider, id).await, before);
        assert_eq!(harness.pid(id), pid, "remembered again");
    })
    .await;
}

#[tokio::test]
async fn instance_is_found_when_every_record_is_lost() {
    run(processes(), async |harness| {
        let (provider, request) = running(harness).await;
        let id = &request.instance_id;
        let before = find(&provider, id).await.unwrap();
        drop(provider);
        fs::remove_dir_all(harness.state_dir()).unwrap();
        let provider = harness.provider().await;
        let after = find(&provider, id).await.unwrap();
        assert_eq!(after.state, before.state);
        assert_eq!(
            after.launch_template_version,
            before.launch_template_version
        );
        let drift = after.launch_time.duration_since(before.launch_time);
        assert!(drift.abs().as_secs() <= 2, "{drift}");
        provider.terminate(id).await.unwrap();
        assert!(provider.list().await.unwrap().is_empty());
    })
    .await;
}

#[tokio::test]
async fn recycled_pid_is_not_killed() {
    run(processes(), async |harness| {
        let (provider, request) = running(harness).await;
        let id = &request.instance_id;
        harness.end(&provider, id).await;
        until_exited(&provider, id).await;
        let mut stranger = StdCommand::new("sleep").arg("1000").spawn().unwrap();
        harness.rewrite_record(id, |record| record["leader"]["pid"] = stranger.id().into());
        let provider = harness.provider().await;
        provider.terminate(id).await.unwrap();
        let alive = stranger.try_wait().unwrap().is_none();
        stranger.kill().unwrap();
        stranger.wait().unwrap();
        assert!(alive, "a stranger was killed");
    })
    .await;
}

#[tokio::test]
async fn daemons_that_left_the_group_end_too() {
    run(processes(), async |harness| {
        // One in a session of its own, one that is deaf as well, one without its environment.
        let request = request(harness.script(
            r#"setsid sleep 1001 & setsid sh -c 'trap "" TERM; sleep 1002' & env -i sleep 1003 &
            : > "$FLAGS/started"; wait"#,
        ));
        let provider = harness.provider().await;
        provider.launch(&request).await.unwrap();
        let started = harness.folder.path().join("started");
        eventually("the daemons are started", async || {
            started.exists().then_some(())
        })
        .await;
        provider.terminate(&request.instance_id).await.unwrap();
        assert!(provider.list().await.unwrap().is_empty());
    })
    .await;
}

#[tokio::test]
async fn instance_without_its_leader_has_ended() {
    run(processes(), async |harness| {
        let request = request(harness.script("setsid sleep 1001 & exit 4"));
        let provider = harness.provider().await;
        provider.launch(&request).await.unwrap();
        let detail = until_exited(&provider, &request.instance_id).await;
        assert_eq!(detail, "exit code 4");
        provider.terminate(&request.instance_id).await.unwrap();
        assert_eq!(find(&provider, &request.instance_id).await, None);
    })
    .await;
}

#[tokio::test]
async fn killed_instance_says_by_which_signal() {
    run(processes(), async |harness| {
        let (provider, request) = running(harness).await;
        let pid = harness.pid(&request.instance_id);
        let killed = StdCommand::new("kill").args(["-9", &pid]).status();
        assert!(killed.unwrap().success());
        let detail = until_exited(&provider, &request.instance_id).await;
        assert_eq!(detail, "killed by signal 9");
    })
    .await;
}

#[tokio::test]
async fn command_is_not_taken_for_the_instance() {
    run(processes(), async |harness| {
        let (provider, request) = running(harness).await;
        let id = &request.instance_id;
        let lasts = harness.command(Command::Lasts).unwrap();
        let session = provider.exec(id, lasts).await.unwrap();
        eventually("the command runs", async || {
            (harness.running_commands(id).await == 1).then_some(())
        })
        .await;
        fs::remove_dir_all(harness.state_dir()).unwrap();
        harness.end(&provider, id).await;
        let other = harness.provider().await;
        until_exited(&other, id).await;
        drop(session);
    })
    .await;
}

#[tokio::test]
async fn minicloud_in_a_command_is_this_executable() {
    run(processes(), async |harness| {
        let (provider, request) = running(harness).await;
        let command = ["minicloud", "hello"].map(str::to_owned).to_vec();
        let session = provider.exec(&request.instance_id, command).await.unwrap();
        assert_eq!(listen(session).await.stdout, "hello\n");
    })
    .await;
}

#[tokio::test]
async fn large_output_arrives_whole_at_a_slow_reader() {
    run(processes(), async |harness| {
        let (provider, request) = running(harness).await;
        let script = "head -c 1000000 /dev/zero | tr '\\0' x; printf end";
        let command = ["sh", "-c", script].map(str::to_owned).to_vec();
        let session = provider.exec(&request.instance_id, command).await.unwrap();
        // The command has long ended by the time that its output is read.
        tokio::time::sleep(std::time::Duration::from_millis(600)).await;
        let said = listen(session).await;
        assert_eq!(said.stdout.len(), 1_000_003);
        assert_eq!(said.code, Some(0));
    })
    .await;
}

#[tokio::test]
async fn secrets_of_the_autoscaler_are_not_inherited() {
    // What is harmless, what the provider and the template set, and what a shell adds.
    const KNOWN: [&str; 14] = [
        "PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ", "TMPDIR", "PORT", "BIND",
        "FLAGS", "PWD", "SHLVL", "_",
    ];
    run(processes(), async |harness| {
        let (provider, request) = running(harness).await;
        let command = ["sh", "-c", "env"].map(str::to_owned).to_vec();
        let session = provider.exec(&request.instance_id, command).await.unwrap();
        let said = listen(session).await.stdout;
        for line in said.lines() {
            let name = line.split('=').next().unwrap();
            assert!(
                name.starts_with("MINICLOUD_") || KNOWN.contains(&name),
                "{line}"
            );
        }
        assert!(said.contains("BIND=127.0.0.1"), "{said}");
    })
    .await;
}

#[tokio::test]
async fn hostile_templates_are_refused() {
    run(processes(), async |harness| {
        let provider = harness.provider().await;
        let serves = || request(harness.template(Behaviour::Serves));
        let mut hostile = Vec::new();
        for name in ["", "MINICLOUD_OWNER=x", "A\0B"] {
            let mut request = serves();
            let env = &mut request.launch_template.env;
            env.insert(name.to_owned(), "x".to_owned());
            hostile.push(request);
        }
        for command in [
            vec![],
            vec![String::new()],
            vec!["a\0b".to_owned()],
            vec!["/etc".to_owned()],
        ] {
            let mut request = serves();
            request.launch_template.process = Some(ProcessTemplate { command });
            hostile.push(request);
        }
        let mut request = serves();
        request.launch_template.process = None;
        hostile.push(request);
        let change: [fn(&mut LaunchTemplate); 4] = [
            |template| template.mounts = vec!["/srv:/srv".parse().unwrap()],
            |template| template.user = Some("nobody".to_owned()),
            |template| template.working_dir = Some("/no/such/folder".to_owned()),
            |template| {
                template.instance_type = Some(InstanceType {
                    name: "huge".to_owned(),
                    vcpus: 1000.0,
                    memory: 1 << 30,
                });
            },
        ];
        for change in change {
            let mut request = serves();
            change(&mut request.launch_template);
            hostile.push(request);
        }
        for request in hostile {
            let answer = provider.launch(&request).await;
            assert!(
                matches!(answer, Err(LaunchError::Template(_))),
                "{request:?}: {answer:?}"
            );
        }
        assert!(provider.list().await.unwrap().is_empty());
    })
    .await;
}

#[tokio::test]
async fn state_folder_that_cannot_be_written_is_told() {
    run(processes(), async |harness| {
        fs::write(harness.state_dir(), "a file where the folder should be").unwrap();
        let provider = harness.provider().await;
        let answer = provider
            .launch(&request(harness.template(Behaviour::Serves)))
            .await;
        let error = answer.unwrap_err();
        assert!(error.to_string().contains("--state-dir"), "{error}");
        fs::remove_file(harness.state_dir()).unwrap();
    })
    .await;
}

async fn running(
    harness: &Processes,
) -> (
    ProcessProvider,
    minicloud_autoscaler::provider::LaunchRequest,
) {
    let provider = harness.provider().await;
    let request = request(harness.template(Behaviour::Serves));
    provider.launch(&request).await.unwrap();
    let instance = find(&provider, &request.instance_id).await.unwrap();
    assert!(matches!(instance.state, ObservedState::Running { .. }));
    (provider, request)
}

/// An instance with a quota; `None`, where the machine lets no cgroup be made.
async fn held(
    harness: &Processes,
    template: LaunchTemplate,
) -> Option<(
    ProcessProvider,
    minicloud_autoscaler::provider::LaunchRequest,
)> {
    let provider = harness.provider().await;
    let request = request(LaunchTemplate {
        cpus: Some(0.5),
        memory: Some(64 << 20),
        ..template
    });
    provider.launch(&request).await.unwrap();
    let listed = find(&provider, &request.instance_id).await.unwrap();
    listed.faults.is_empty().then_some((provider, request))
}

#[tokio::test]
async fn command_joins_the_cgroup_of_its_instance() {
    run(processes(), async |harness| {
        let serves = harness.template(Behaviour::Serves);
        let Some((provider, request)) = held(harness, serves).await else {
            return;
        };
        let id = &request.instance_id;
        until_running(&provider, id).await;
        let command = ["cat", "/proc/self/cgroup"].map(str::to_owned).to_vec();
        let session = provider.exec(id, command).await.unwrap();
        let said = listen(session).await.stdout;
        assert!(said.contains(id.as_str()), "{said}");
        let missing = vec!["no-such-command".to_owned()];
        let refused = provider.exec(id, missing).await;
        assert!(matches!(refused, Err(ExecError::CommandNotFound(_))));
    })
    .await;
}

#[tokio::test]
async fn missing_program_is_told_behind_a_quota() {
    run(processes(), async |harness| {
        let provider = harness.provider().await;
        let mut request = request(harness.template(Behaviour::Missing));
        request.launch_template.cpus = Some(0.5);
        let refused = provider.launch(&request).await;
        assert!(
            matches!(refused, Err(LaunchError::Template(_))),
            "{refused:?}"
        );
        assert_eq!(find(&provider, &request.instance_id).await, None);
    })
    .await;
}

#[tokio::test]
async fn daemon_without_mark_or_parent_ends_by_its_cgroup() {
    run(processes(), async |harness| {
        let script =
            "(setsid env -i sh -c 'sleep 1007 & ' &)\n: > \"$FLAGS/started\"; wait; sleep 1000";
        let Some((provider, request)) = held(harness, harness.script(script)).await else {
            return;
        };
        eventually("the daemon is started", async || {
            (harness.living("sleep\u{0}1007") == 1).then_some(())
        })
        .await;
        provider.terminate(&request.instance_id).await.unwrap();
        assert_eq!(harness.living("sleep\u{0}1007"), 0);
    })
    .await;
}

#[tokio::test]
async fn cgroup_goes_though_its_record_is_lost() {
    run(processes(), async |harness| {
        let serves = harness.template(Behaviour::Serves);
        let Some((provider, _)) = held(harness, serves).await else {
            return;
        };
        assert!(!cgroups(&harness.owner).is_empty());
        drop(provider);
        fs::remove_dir_all(harness.state_dir()).unwrap();
        // That nothing is left is for the cleaning up to see.
        assert_eq!(harness.provider().await.sweep().await.unwrap().len(), 1);
    })
    .await;
}

#[tokio::test]
async fn user_data_runs_though_the_state_folder_is_relative() {
    run(processes(), async |harness| {
        let here = std::env::current_dir().unwrap();
        let up: PathBuf = here.components().skip(1).map(|_| "..").collect();
        let relative = up.join(harness.state_dir().strip_prefix("/").unwrap());
        let mut template = harness.script("sleep 1000");
        template.working_dir = Some("/usr".to_owned());
        template.user_data_required = true;
        template.user_data = Some(UserData::try_new("#!/bin/sh\ntrue\n").unwrap());
        let request = request(template);
        let provider = harness.of(relative, &harness.owner);
        provider.launch(&request).await.unwrap();
        until_running(&provider, &request.instance_id).await;
        let seen = find(&provider, &request.instance_id).await.unwrap();
        assert_eq!(seen.faults, []);
    })
    .await;
}
