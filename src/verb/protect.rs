use std::collections::BTreeMap;

use minicloud_autoscaler::{
    api::{AutoScalingGroups, Instances},
    command::InstanceProtection,
    instance::InstanceId,
};

use super::{connect, instances};
use crate::{cli::ProtectArgs, failure::Failure, output::show};

/// Of AWS's `SetInstanceProtection`, a call.
const MOST_INSTANCES: usize = 50;

pub(crate) async fn run(args: ProtectArgs) -> Result<(), Failure> {
    let api = connect(&args.reading.connection)?;
    let groups: AutoScalingGroups = api.read("/v1/groups").await?;
    let mut protected = Vec::new();
    for (group, instance_ids) in by_group(&groups, &args.instances)? {
        for instance_ids in instance_ids.chunks(MOST_INSTANCES) {
            let protection = InstanceProtection {
                instance_ids: instance_ids.to_vec(),
                protected_from_scale_in: !args.off,
            };
            let shown = api.protect(group, &protection).await?;
            let named = shown.instances.into_iter();
            protected.extend(named.filter(|one| instance_ids.contains(&one.instance_id)));
        }
    }
    let instances = Instances {
        instances: protected,
    };
    show(args.reading.output, &instances, |instances, output| {
        instances::listing().render(&instances.instances, output)
    })
}

/// The instances of each group, each once.
pub(super) fn by_group<'a>(
    groups: &'a AutoScalingGroups,
    ids: &[InstanceId],
) -> Result<BTreeMap<&'a str, Vec<InstanceId>>, Failure> {
    let mut by_group: BTreeMap<&str, Vec<InstanceId>> = BTreeMap::new();
    for id in ids {
        let mut owners = groups.auto_scaling_groups.iter();
        let owner = owners.find(|group| group.instances.iter().any(|one| one.instance_id == *id));
        let Some(owner) = owner else {
            return Err(Failure::instance_unknown(id));
        };
        let ids = by_group.entry(&owner.auto_scaling_group_name).or_default();
        if !ids.contains(id) {
            ids.push(id.clone());
        }
    }
    Ok(by_group)
}
