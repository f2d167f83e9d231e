use crate::{cli::ValidateArgs, failure::Failure, output::say, role::ConfigFile};

pub(crate) fn run(args: ValidateArgs) -> Result<(), Failure> {
    let file = ConfigFile::find(args.file);
    let config = file.read(None)?;
    say(format_args!(
        "{} is valid: {} groups, {} target groups, {} load balancers",
        file.name(),
        config.auto_scaling_groups.len(),
        config.target_groups.len(),
        config.load_balancers.len(),
    ));
    Ok(())
}
