use crate::{cli::ValidateArgs, failure::Failure, output::say, role::ConfigFile};

pub(crate) fn run(args: ValidateArgs) -> Result<(), Failure> {
    let file = ConfigFile::find(args.file);
    let config = file.read(None)?;
    for warning in config.unenforced(None) {
        say(format_args!("warning: {warning}"));
    }
    say(format_args!("{} is valid", file.name()));
    Ok(())
}
