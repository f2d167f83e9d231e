use minicloud_autoscaler::{
    api::{Activities, AutoScalingGroups},
    command::{EnterStandby, ExitStandby},
    describe::Activity,
};

use super::{activities, connect, protect::by_group};
use crate::{
    cli::{DrainArgs, Output, UndrainArgs},
    failure::Failure,
    output::show,
};

/// Of AWS's `EnterStandby` and `ExitStandby`, a call.
const MOST_INSTANCES: usize = 20;

pub(crate) async fn run(args: DrainArgs) -> Result<(), Failure> {
    let api = connect(&args.reading.connection)?;
    let groups: AutoScalingGroups = api.read("/v1/groups").await?;
    let mut begun = Vec::new();
    for (group, instance_ids) in by_group(&groups, &args.instances)? {
        for instance_ids in instance_ids.chunks(MOST_INSTANCES) {
            let request = EnterStandby {
                instance_ids: instance_ids.to_vec(),
                should_decrement_desired_capacity: args.decrement,
            };
            begun.extend(api.enter_standby(group, &request).await?.activities);
        }
    }
    shown(begun, args.reading.output)
}

pub(crate) async fn undo(args: UndrainArgs) -> Result<(), Failure> {
    let api = connect(&args.reading.connection)?;
    let groups: AutoScalingGroups = api.read("/v1/groups").await?;
    let mut begun = Vec::new();
    for (group, instance_ids) in by_group(&groups, &args.instances)? {
        for instance_ids in instance_ids.chunks(MOST_INSTANCES) {
            let request = ExitStandby {
                instance_ids: instance_ids.to_vec(),
            };
            begun.extend(api.exit_standby(group, &request).await?.activities);
        }
    }
    shown(begun, args.reading.output)
}

fn shown(activities: Vec<Activity>, output: Output) -> Result<(), Failure> {
    let begun = Activities {
        activities,
        next_token: None,
    };
    show(output, &begun, |begun, output| {
        activities::listing().render(&begun.activities, output)
    })
}
