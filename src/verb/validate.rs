use minicloud_autoscaler::{
    host,
    now::{Clock, SystemClock},
};

use crate::{cli::ValidateArgs, failure::Failure, output::say, role::ConfigFile};

pub(crate) fn run(args: ValidateArgs) -> Result<(), Failure> {
    let file = ConfigFile::find(args.file);
    let config = file.read(None)?;
    let name = file.name();
    for warning in config.warnings(None, host::size(), SystemClock.now().wall) {
        say(format_args!("{name}: warning: {warning}"));
    }
    say(format_args!("{name} is valid"));
    Ok(())
}
