use super::{activities, connect};
use crate::{cli::TerminateArgs, failure::Failure, output::show};

pub(crate) async fn run(args: TerminateArgs) -> Result<(), Failure> {
    let api = connect(&args.reading.connection)?;
    let activity = api.terminate(&args.instance, args.decrement).await?;
    show(args.reading.output, &activity, |activity, output| {
        activities::listing().render([activity], output)
    })
}
