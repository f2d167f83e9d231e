use minicloud_autoscaler::foreign_change::Resolution;

use super::{connect, groups};
use crate::{cli::ResolveArgs, failure::Failure, output::show};

pub(crate) async fn run(args: ResolveArgs) -> Result<(), Failure> {
    let api = connect(&args.reading.connection)?;
    let resolution = match args.word.adopt {
        true => Resolution::Adopt,
        false => Resolution::Revert,
    };
    let group = api.resolve(&args.group, resolution).await?;
    show(args.reading.output, &group, |group, output| {
        groups::listing().render([group], output)
    })
}
