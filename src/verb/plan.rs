use minicloud_autoscaler::change_set::ChangeSet;

use super::connect;
use crate::{cli::PlanArgs, failure::Failure, output::show, role::ConfigFile};

/// As Terraform has it.
const CHANGES: u8 = 2;

pub(crate) async fn run(args: PlanArgs) -> Result<u8, Failure> {
    let file = ConfigFile::find(Some(args.file));
    let api = connect(&args.reading.connection)?;
    let changes = api.plan(&file, file.source()?.into()).await?;
    show(args.reading.output, &changes, ChangeSet::to_string)?;
    match args.detailed_exitcode && !changes.is_empty() {
        true => Ok(CHANGES),
        false => Ok(0),
    }
}
