use minicloud_autoscaler::api::{InstanceTypeInfo, InstanceTypes};

use super::watch;
use crate::{cli::Watching, control_api::ControlApi, failure::Failure, output::Listing};

pub(crate) async fn run(args: Watching) -> Result<(), Failure> {
    let fetch = async |api: &ControlApi| api.read::<InstanceTypes>("/v1/instance-types").await;
    watch::read(&args, fetch, |types, output| {
        listing().render(&types.instance_types, output)
    })
    .await
}

pub(super) fn listing() -> Listing<InstanceTypeInfo> {
    Listing::new(|of: &InstanceTypeInfo| of.instance_type.clone())
        .column("TYPE", |of| of.instance_type.clone().into())
        .column("VCPUS", |of| of.vcpu_info.default_vcpus.to_string().into())
        .column("MEMORY (MIB)", |of| {
            of.memory_info.size_in_mib.to_string().into()
        })
}
