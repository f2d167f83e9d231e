use crate::{cli::ValidateArgs, failure::Failure, output::say, role::ConfigFile};

pub(crate) fn run(args: ValidateArgs) -> Result<(), Failure> {
    let file = ConfigFile::find(args.file);
    file.read(None)?;
    say(format_args!("{} is valid", file.name()));
    Ok(())
}
