use minicloud_autoscaler::host;

use crate::{cli::ValidateArgs, failure::Failure, output::say, role::ConfigFile};

pub(crate) fn run(args: ValidateArgs) -> Result<(), Failure> {
    let file = ConfigFile::find(args.file);
    for warning in file.read(None)?.warnings(host::size()) {
        say(format_args!("warning: {warning}"));
    }
    say(format_args!("{} is valid", file.name()));
    Ok(())
}
