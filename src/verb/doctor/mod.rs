//! Looks whether this machine has what minicloud needs.
//!
//! [`facts`] asks the machine and concludes nothing; [`judge`] concludes and asks nothing.

mod engine;
mod facts;
mod judge;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;

use minicloud_autoscaler::provider::docker::ENGINE_CALLS;
use serde::Serialize;

use self::facts::Facts;
use crate::{
    cli::{DoctorArgs, Output},
    failure::Failure,
    output::{Listing, Tone, plain, print, show},
};

const UNWELL: u8 = 1;

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Diagnosis {
    findings: Vec<Finding>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Finding {
    check: &'static str,
    verdict: Verdict,
    found: String,
    /// What to do about it; empty where nothing is to be done.
    #[serde(skip_serializing_if = "String::is_empty")]
    fix: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Ok,
    /// Something does not work, or not as well as it could.
    Warn,
    /// minicloud does not work like this.
    Fail,
}

/// Prints what was found; answers the exit code.
pub(crate) async fn run(args: DoctorArgs) -> Result<u8, Failure> {
    if args.print_socket_allowlist {
        return print(allowlist().as_bytes()).map(|()| 0);
    }
    let facts = Facts::gather(&args.reading.connection).await;
    let diagnosis = Diagnosis {
        findings: judge::all(&facts),
    };
    show(args.reading.output, &diagnosis, text)?;
    let mut findings = diagnosis.findings.iter();
    match findings.any(|finding| finding.verdict == Verdict::Fail) {
        true => Ok(UNWELL),
        false => Ok(0),
    }
}

fn text(diagnosis: &Diagnosis, output: Output) -> String {
    let findings = &diagnosis.findings;
    match output {
        Output::Wide | Output::Name => listing().render(findings, output),
        _ => findings.iter().map(lines).collect(),
    }
}

/// A line for what was found, and one for what to do.
fn lines(finding: &Finding) -> String {
    let Finding {
        check,
        verdict,
        found,
        fix,
    } = finding;
    let verdict = verdict.tone().paint(&format!("{:<4}", verdict.word()));
    let mut lines = format!("{verdict}  {check:<10}  {}\n", plain(found));
    if !fix.is_empty() {
        // A String takes whatever is written to it.
        let _ = writeln!(lines, "{:18}{}", "", plain(fix));
    }
    lines
}

fn listing() -> Listing<Finding> {
    Listing::new(|finding: &Finding| finding.check.to_owned())
        .column("VERDICT", |finding| {
            finding.verdict.tone().cell(finding.verdict.word())
        })
        .column("CHECK", |finding| finding.check.into())
        .column("FOUND", |finding| finding.found.clone().into())
        .column("TO DO", |finding| finding.fix.clone().into())
}

impl Verdict {
    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }

    fn tone(self) -> Tone {
        match self {
            Self::Ok => Tone::Good,
            Self::Warn => Tone::Busy,
            Self::Fail => Tone::Bad,
        }
    }
}

fn allowlist() -> String {
    let calls = Listing::new(
        |call: &minicloud_autoscaler::provider::docker::EngineCall| {
            format!("{} {}", call.method, call.path)
        },
    )
    .column("METHOD", |call| call.method.into())
    .column("PATH", |call| call.path.into())
    .column("FOR", |call| call.purpose.into());
    calls.render(ENGINE_CALLS, Output::Table)
}
