//! What facts mean. Pure.

use std::net::IpAddr;

use jiff::SignedDuration;
use minicloud_autoscaler::provider::docker::API_VERSION;

use super::{
    Finding, Verdict,
    engine::{Answers, Engine},
    facts::{Cgroup, Facts, NAME, Port},
};

/// The engine of 20.10: the oldest that is looked at.
const OLDEST_API: (usize, usize) = (1, 41);
/// Health checks and warm-ups are counted in seconds: more than this is seen.
const CLOCKS_APART: SignedDuration = SignedDuration::from_secs(2);
/// The facts are gathered in seconds: a clock that is set right by slewing stays below it.
const DRIFT: SignedDuration = SignedDuration::from_millis(500);
const WITHOUT: &str = "`minicloud up` does without: its instances are child processes";

pub(super) fn all(facts: &Facts) -> Vec<Finding> {
    let mut findings = vec![engine(&facts.engine)];
    if let Engine::Answers(answers) = &facts.engine {
        findings.extend([kind(answers), limits(answers)]);
    }
    findings.push(compose(facts.compose.as_deref()));
    findings.push(cgroup(facts.cgroup));
    findings.extend(
        facts
            .ports
            .iter()
            .map(|(number, state)| port(*number, state)),
    );
    findings.push(localhost(&facts.localhost));
    findings.push(clock(&facts.engine, facts.drift));
    findings
}

fn finding(
    check: &'static str,
    verdict: Verdict,
    found: impl Into<String>,
    fix: impl Into<String>,
) -> Finding {
    Finding {
        check,
        verdict,
        found: found.into(),
        fix: fix.into(),
    }
}

fn engine(engine: &Engine) -> Finding {
    let told = |verdict, found: String, fix: String| finding("engine", verdict, found, fix);
    match engine {
        Engine::NotASocket(host) => told(
            Verdict::Fail,
            format!("DOCKER_HOST is {host}: only unix:// sockets are spoken to"),
            "unset DOCKER_HOST, or point it at a socket: DOCKER_HOST=unix:///var/run/docker.sock"
                .to_owned(),
        ),
        Engine::Absent { socket, others } => match others.first() {
            Some(other) => told(
                Verdict::Warn,
                format!("no engine at {socket}, and one at {other}"),
                format!("export DOCKER_HOST=unix://{other}"),
            ),
            None => told(
                Verdict::Warn,
                format!("no engine at {socket}"),
                format!("start one (`systemctl start docker`) for containers. {WITHOUT}"),
            ),
        },
        Engine::Denied { socket } => told(
            Verdict::Fail,
            format!("no permission to use {socket}"),
            format!(
                "join the group that owns it (`ls -l {socket}`; `sudo usermod -aG docker $USER`, then log in again)"
            ),
        ),
        Engine::Silent { socket, why } => told(
            Verdict::Fail,
            format!("the engine at {socket} does not answer: {why}"),
            "see `systemctl status docker` and `journalctl -u docker`".to_owned(),
        ),
        Engine::Answers(answers) => api(answers),
    }
}

/// The highest version that both sides speak.
fn api(answers: &Answers) -> Finding {
    let told = |verdict, found, fix: &str| finding("engine", verdict, found, fix);
    let version = &answers.version;
    let (ours, engine) = (API_VERSION, &version.version);
    let range = format!("{} to {}", version.min_api_version, version.api_version);
    let (Some(lowest), Some(highest)) = (
        number(&version.min_api_version),
        number(&version.api_version),
    ) else {
        let found = format!("the engine at {} tells no API version", answers.socket);
        let fix = "see that it is a container engine that listens there";
        return told(Verdict::Fail, found, fix);
    };
    let agreed = highest.min(ours);
    let spoken = format!("{engine}, API {range}: {}.{} is spoken", agreed.0, agreed.1);
    match agreed {
        agreed if agreed < lowest => told(
            Verdict::Fail,
            format!(
                "{engine} speaks API {range}, minicloud up to {}.{}",
                ours.0, ours.1
            ),
            "use a newer minicloud, or let the engine speak older versions (DOCKER_MIN_API_VERSION)",
        ),
        agreed if agreed < OLDEST_API => told(
            Verdict::Warn,
            spoken,
            "nobody has tried an engine that old: upgrade it to 20.10 or later",
        ),
        _ => told(Verdict::Ok, spoken, ""),
    }
}

fn number(version: &str) -> Option<(usize, usize)> {
    let (major, minor) = version.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// Which kind of engine it is, where that changes something.
fn kind(answers: &Answers) -> Finding {
    let told = |verdict, found: &str, fix: &str| finding("kind", verdict, found, fix);
    let options = &answers.info.security_options;
    let mut components = answers.version.components.iter();
    if components.any(|component| component.name.contains("Podman")) {
        let fix = "it is not tested with minicloud: what fails works with Docker Engine";
        return told(Verdict::Warn, "Podman", fix);
    }
    if options
        .iter()
        .any(|option| option.contains("name=rootless"))
    {
        let fix = "CPU and memory are held to their limits only with cgroup v2 and delegated controllers: https://docs.docker.com/engine/security/rootless/";
        return told(Verdict::Warn, "rootless Docker", fix);
    }
    if answers.info.operating_system.contains("Docker Desktop") {
        let fix = "instances live in its virtual machine: reach them through the load balancer, and start the parts with `docker compose up`";
        return told(Verdict::Warn, "Docker Desktop", fix);
    }
    told(Verdict::Ok, &answers.info.operating_system, "")
}

fn limits(answers: &Answers) -> Finding {
    let info = &answers.info;
    let missing: Vec<_> = [
        (info.cpu_cfs_quota, "CPU quotas"),
        (info.memory_limit, "memory limits"),
    ]
    .into_iter()
    .filter_map(|(has, name)| (!has).then_some(name))
    .collect();
    match missing.is_empty() {
        true => finding("limits", Verdict::Ok, "CPU quotas and memory limits", ""),
        false => finding(
            "limits",
            Verdict::Warn,
            format!("the engine sets no {}", missing.join(" and no ")),
            "give its kernel the cgroup controllers cpu and memory; until then instances take what they get",
        ),
    }
}

fn compose(version: Option<&str>) -> Finding {
    let told = |verdict, found: String, fix: &str| finding("compose", verdict, found, fix);
    let Some(version) = version else {
        let fix = format!("install Docker Compose v2 for `docker compose up`. {WITHOUT}");
        return told(Verdict::Warn, "no `docker compose`".to_owned(), &fix);
    };
    let major = version.trim_start_matches('v').split('.').next();
    match major.and_then(|major| major.parse::<u32>().ok()) {
        Some(2..) => told(Verdict::Ok, version.to_owned(), ""),
        _ => told(
            Verdict::Warn,
            version.to_owned(),
            "install Docker Compose v2 for `docker compose up`",
        ),
    }
}

fn cgroup(cgroup: Cgroup) -> Finding {
    let told = |verdict, found, fix| finding("cgroup", verdict, found, fix);
    match cgroup {
        Cgroup::V2 => told(Verdict::Ok, "version 2", ""),
        Cgroup::Hybrid => told(Verdict::Ok, "version 1, version 2 beside it (hybrid)", ""),
        Cgroup::V1 => told(Verdict::Ok, "version 1", ""),
        Cgroup::Missing => told(
            Verdict::Fail,
            "none at /sys/fs/cgroup: the agent could measure no CPU",
            "mount the host's there, read-only is enough: `-v /sys/fs/cgroup:/sys/fs/cgroup:ro`",
        ),
    }
}

fn port(number: u16, state: &Port) -> Finding {
    let told = |verdict, found: String, fix: String| finding("port", verdict, found, fix);
    let elsewhere = match number {
        8090 => "--api 127.0.0.1:PORT",
        _ => "another `port` under `listeners`",
    };
    match state {
        Port::Free => told(Verdict::Ok, format!("{number} is free"), String::new()),
        Port::Ours => told(
            Verdict::Ok,
            format!("{number} is minicloud's own"),
            String::new(),
        ),
        Port::Taken => told(
            Verdict::Warn,
            format!("{number} is taken by another program"),
            format!("`ss -ltnp sport = :{number}` shows by which; stop it, or use {elsewhere}"),
        ),
        Port::Refused(why) => told(
            Verdict::Warn,
            format!("{number} cannot be listened on: {why}"),
            format!("use {elsewhere}"),
        ),
    }
}

fn localhost(found: &Result<Vec<IpAddr>, String>) -> Finding {
    let told = |verdict, found, fix| finding("localhost", verdict, found, fix);
    let fix = format!(
        "most programs will not find *.localhost (browsers and curl do): install libnss-myhostname, or use `curl -H 'Host: {NAME}' http://127.0.0.1:8080/`"
    );
    match found {
        Ok(addresses) if !addresses.is_empty() => {
            let shown: Vec<_> = addresses.iter().map(ToString::to_string).collect();
            let shown = format!("{NAME} is {}", shown.join(", "));
            match addresses.iter().all(IpAddr::is_loopback) {
                true => told(Verdict::Ok, shown, String::new()),
                false => told(
                    Verdict::Warn,
                    format!("{shown}, another machine"),
                    "ask whoever runs your DNS why .localhost leaves this machine (RFC 6761, 6.3)"
                        .to_owned(),
                ),
            }
        }
        Ok(_) => told(Verdict::Warn, format!("{NAME} has no address"), fix),
        Err(why) => told(Verdict::Warn, format!("{NAME} is not found: {why}"), fix),
    }
}

fn clock(engine: &Engine, drift: SignedDuration) -> Finding {
    let told = |verdict, found: String, fix: &str| finding("clock", verdict, found, fix);
    if drift.abs() > DRIFT {
        return told(
            Verdict::Warn,
            format!("it was set by {:.1} s meanwhile", drift.as_secs_f64()),
            "let it settle: schedules follow it, waits and health checks do not",
        );
    }
    let ahead = match engine {
        Engine::Answers(answers) => answers.ahead,
        _ => None,
    };
    match ahead {
        Some(ahead) if ahead.abs() > CLOCKS_APART => told(
            Verdict::Warn,
            format!("the engine's is {:.1} s off ours", ahead.as_secs_f64()),
            "set both by NTP; a virtual machine that slept is right again after its restart",
        ),
        Some(_) => told(
            Verdict::Ok,
            "steady, and the engine's agrees".to_owned(),
            "",
        ),
        None => told(Verdict::Ok, "steady".to_owned(), ""),
    }
}
