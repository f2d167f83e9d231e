use minicloud_autoscaler::{
    describe::AutoScalingGroup,
    scaling_process::{ScalingProcessQuery, SuspendedProcess},
};

use super::connect;
use crate::{
    cli::{Reading, SuspensionArgs},
    failure::Failure,
    output::{Listing, Tone, show},
};

pub(crate) async fn run(args: SuspensionArgs) -> Result<(), Failure> {
    let api = connect(&args.reading.connection)?;
    let query = ScalingProcessQuery {
        scaling_processes: args.processes,
    };
    let group = api.suspend(&args.group, &query).await?;
    shown(&args.reading, &group)
}

pub(crate) async fn resume(args: SuspensionArgs) -> Result<(), Failure> {
    let api = connect(&args.reading.connection)?;
    let query = ScalingProcessQuery {
        scaling_processes: args.processes,
    };
    let group = api.resume(&args.group, &query).await?;
    shown(&args.reading, &group)
}

/// What is suspended now.
fn shown(reading: &Reading, group: &AutoScalingGroup) -> Result<(), Failure> {
    show(reading.output, group, |group, output| {
        listing().render(&group.suspended_processes, output)
    })
}

pub(super) fn listing() -> Listing<SuspendedProcess> {
    Listing::new(|process: &SuspendedProcess| process.process_name.to_string())
        .column("SUSPENDED", |process| {
            Tone::Busy.cell(process.process_name.as_str())
        })
        .column("REASON", |process| process.suspension_reason.clone().into())
}
