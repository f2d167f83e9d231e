use minicloud_autoscaler::change_set::{ChangeSet, ResourceChange};

use super::connect;
use crate::{
    cli::{Output, PlanArgs},
    failure::Failure,
    output::{Listing, show},
    role::ConfigFile,
};

/// As Terraform has it.
const CHANGES: u8 = 2;

pub(crate) async fn run(args: PlanArgs) -> Result<u8, Failure> {
    let file = ConfigFile::find(Some(args.file));
    let api = connect(&args.reading.connection)?;
    let changes = api.plan(&file, file.source()?.into()).await?;
    show(args.reading.output, &changes, text)?;
    match args.detailed_exitcode && !changes.is_empty() {
        true => Ok(CHANGES),
        false => Ok(0),
    }
}

/// The sentences that the change set tells itself by, or what it changes.
pub(super) fn text(changes: &ChangeSet, output: Output) -> String {
    match output {
        Output::Name => Listing::new(|change: &ResourceChange| change.logical_resource_id.clone())
            .render(&changes.changes, output),
        _ => changes.to_string(),
    }
}
