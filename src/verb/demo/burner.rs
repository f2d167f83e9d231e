use std::time::Duration;

use minicloud_autoscaler::{api::ExecFrame, instance::InstanceId};

use crate::{
    control_api::ControlApi,
    exec_stream::ExecStream,
    failure::{Exit, Failure},
};

/// What can burn CPU: the tutorial's own tool, the demo workload's, and for an instance that
/// is a child process, this very program.
const PROGRAMS: [&[&str]; 3] = [
    &["stress"],
    &["sample-app", "stress"],
    &["minicloud", "sample-app", "stress"],
];
const NOT_FOUND: i32 = Exit::CommandNotFound as i32;

/// Burns CPU in the instance for `time`. Dropped, it stops.
pub(super) async fn burn(
    api: &ControlApi,
    instance: &InstanceId,
    workers: u16,
    time: Duration,
) -> Result<(), Failure> {
    let seconds = time.as_secs().max(1).to_string();
    let workers = workers.to_string();
    for program in PROGRAMS {
        let flags = ["--cpu", &workers, "--timeout", &seconds];
        let command = program.iter().copied().chain(flags).map(str::to_owned);
        match run(api, instance, command.collect()).await {
            Ok(0) => return Ok(()),
            // Docker tells of a missing program by exit code where a shell wraps it.
            Ok(NOT_FOUND) => {}
            Ok(code) => {
                return Err(Failure::cannot_stress(
                    instance,
                    &format!("exit code {code}"),
                ));
            }
            Err(failure) if failure.exit == Exit::CommandNotFound => {}
            Err(failure) => return Err(Failure::cannot_stress(instance, &failure.what())),
        }
    }
    Err(Failure::cannot_stress(
        instance,
        "it has neither `stress` nor `sample-app`",
    ))
}

async fn run(
    api: &ControlApi,
    instance: &InstanceId,
    command: Vec<String>,
) -> Result<i32, Failure> {
    let mut frames = ExecStream::open(api, instance, command).await?;
    loop {
        match frames.next().await? {
            ExecFrame::ExitCode(code) => return Ok(code),
            ExecFrame::Error(error) => {
                return Err(Failure::command_failed(instance, error.message));
            }
            ExecFrame::Stdout(_) | ExecFrame::Stderr(_) => {}
        }
    }
}
