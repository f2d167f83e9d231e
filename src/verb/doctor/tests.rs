use jiff::SignedDuration;

use super::{
    Diagnosis, Verdict,
    engine::{Answers, Component, Engine, Info, Version},
    facts::{Cgroup, Facts, Port},
    judge, text,
};
use crate::{cli::Output, golden};

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/verb/doctor/findings.txt");

fn answers() -> Answers {
    Answers {
        socket: "/var/run/docker.sock".to_owned(),
        version: Version {
            version: "29.0.1".to_owned(),
            api_version: "1.52".to_owned(),
            min_api_version: "1.44".to_owned(),
            components: Vec::new(),
        },
        info: Info {
            operating_system: "Debian GNU/Linux 12 (bookworm)".to_owned(),
            security_options: vec!["name=seccomp,profile=builtin".to_owned()],
            cgroup_version: "2".to_owned(),
            cpu_cfs_quota: true,
            memory_limit: true,
            system_time: String::new(),
        },
        ahead: Some(SignedDuration::ZERO),
    }
}

fn with(change: impl FnOnce(&mut Answers)) -> Engine {
    let mut answers = answers();
    change(&mut answers);
    Engine::Answers(Box::new(answers))
}

/// A machine on which all is well.
fn well() -> Facts {
    Facts {
        engine: with(|_| {}),
        cgroup: Cgroup::V2,
        ports: vec![(8080, Port::Free), (8090, Port::Free)],
        localhost: Ok(vec![[127, 0, 0, 1].into()]),
        drift: SignedDuration::ZERO,
        compose: Some("2.40.3".to_owned()),
    }
}

fn engine(engine: Engine) -> Facts {
    Facts { engine, ..well() }
}

fn socket() -> String {
    "/var/run/docker.sock".to_owned()
}

/// What is the matter, and the worst verdict that it comes to.
fn cases() -> Vec<(&'static str, Verdict, Facts)> {
    use Verdict::{Fail, Ok, Warn};
    let api = |lowest: &str, highest: &str| {
        let (lowest, highest) = (lowest.to_owned(), highest.to_owned());
        engine(with(|answers| {
            answers.version.min_api_version = lowest;
            answers.version.api_version = highest;
        }))
    };
    let option = |option: &str| {
        let option = option.to_owned();
        engine(with(|answers| answers.info.security_options.push(option)))
    };
    let podman = Component {
        name: "Podman Engine".to_owned(),
    };
    vec![
        ("all is well", Ok, well()),
        (
            "no engine",
            Warn,
            engine(Engine::Absent {
                socket: socket(),
                others: Vec::new(),
            }),
        ),
        (
            "an engine elsewhere",
            Warn,
            engine(Engine::Absent {
                socket: socket(),
                others: vec!["/run/user/1000/docker.sock".to_owned()],
            }),
        ),
        (
            "an engine over TCP",
            Fail,
            engine(Engine::NotASocket("tcp://10.0.0.1:2375".to_owned())),
        ),
        (
            "no rights",
            Fail,
            engine(Engine::Denied { socket: socket() }),
        ),
        (
            "an engine that hangs",
            Fail,
            engine(Engine::Silent {
                socket: socket(),
                why: "no answer within 5 s".to_owned(),
            }),
        ),
        ("a newer engine", Ok, api("1.44", "9.99")),
        ("an engine of tomorrow", Fail, api("9.0", "9.99")),
        ("an engine of 20.10", Ok, api("1.12", "1.41")),
        ("an engine of yesterday", Warn, api("1.12", "1.39")),
        ("no engine at all", Fail, api("", "")),
        ("rootless", Warn, option("name=rootless")),
        (
            "Podman",
            Warn,
            engine(with(|answers| answers.version.components.push(podman))),
        ),
        (
            "Desktop",
            Warn,
            engine(with(|answers| {
                answers.info.operating_system = "Docker Desktop".to_owned();
            })),
        ),
        (
            "no limits",
            Warn,
            engine(with(|answers| {
                answers.info.cpu_cfs_quota = false;
                answers.info.memory_limit = false;
            })),
        ),
        (
            "the engine's clock is late",
            Warn,
            engine(with(|answers| {
                answers.ahead = Some(SignedDuration::from_millis(-3500));
            })),
        ),
        (
            "the clock is set",
            Warn,
            Facts {
                drift: SignedDuration::from_secs(-7),
                ..well()
            },
        ),
        (
            "no Compose",
            Warn,
            Facts {
                compose: None,
                ..well()
            },
        ),
        (
            "Compose 1",
            Warn,
            Facts {
                compose: Some("1.29.2".to_owned()),
                ..well()
            },
        ),
        (
            "cgroup version 1",
            Ok,
            Facts {
                cgroup: Cgroup::V1,
                ..well()
            },
        ),
        (
            "cgroup hybrid",
            Ok,
            Facts {
                cgroup: Cgroup::Hybrid,
                ..well()
            },
        ),
        (
            "no cgroup",
            Fail,
            Facts {
                cgroup: Cgroup::Missing,
                ..well()
            },
        ),
        (
            "ports in use",
            Warn,
            Facts {
                ports: vec![(8080, Port::Ours), (8090, Port::Taken)],
                ..well()
            },
        ),
        (
            "ports refused",
            Warn,
            Facts {
                ports: vec![(8080, Port::Refused("Permission denied".to_owned()))],
                ..well()
            },
        ),
        (
            "localhost unknown",
            Warn,
            Facts {
                localhost: Err("Name or service not known".to_owned()),
                ..well()
            },
        ),
        (
            "localhost abroad",
            Warn,
            Facts {
                localhost: Result::Ok(vec![[192, 0, 2, 1].into()]),
                ..well()
            },
        ),
    ]
}

#[test]
fn verdicts_follow_from_facts() {
    let rank = |verdict: &Verdict| *verdict as u8;
    for (case, expected, facts) in cases() {
        let findings = judge::all(&facts);
        let worst = findings
            .iter()
            .map(|finding| finding.verdict)
            .max_by_key(rank);
        assert_eq!(worst, Some(expected), "{case}: {findings:?}");
        for finding in findings {
            let is_ok = finding.verdict == Verdict::Ok;
            assert_eq!(finding.fix.is_empty(), is_ok, "{case}: {finding:?}");
        }
    }
}

#[test]
fn findings_are_as_written_down() {
    let mut page = String::new();
    for (case, _, facts) in cases() {
        let diagnosis = Diagnosis {
            findings: judge::all(&facts),
        };
        let shown = text(&diagnosis, Output::Table);
        let shown = anstream::adapter::strip_str(&shown);
        page += &format!("# {case}\n{shown}\n");
    }
    golden::check(GOLDEN, &page);
}
