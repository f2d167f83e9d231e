use minicloud_autoscaler::api::{InstanceTypeInfo, InstanceTypes};

use super::connect;
use crate::{
    cli::Reading,
    failure::Failure,
    output::{show, table},
};

pub(crate) async fn run(args: Reading) -> Result<(), Failure> {
    let types: InstanceTypes = connect(&args.connection)?
        .read("/v1/instance-types")
        .await?;
    show(args.output, &types, |types| rows(&types.instance_types))
}

fn rows(types: &[InstanceTypeInfo]) -> String {
    let row = |of: &InstanceTypeInfo| {
        [
            of.instance_type.clone(),
            of.vcpu_info.default_vcpus.to_string(),
            of.memory_info.size_in_mib.to_string(),
        ]
    };
    table(["TYPE", "VCPUS", "MEMORY (MIB)"], types.iter().map(row))
}
