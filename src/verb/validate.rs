use minicloud_autoscaler::{
    adopt::{is_compose_file, validate_compose},
    host,
    now::{Clock, SystemClock},
};

use crate::{cli::ValidateArgs, failure::Failure, output::say, role::ConfigFile};

pub(crate) fn run(args: ValidateArgs) -> Result<(), Failure> {
    let file = ConfigFile::find(args.file);
    let source = file.source()?;
    match is_compose_file(&source) {
        true => compose(&file, &source),
        false => minicloud(&file),
    }
}

fn minicloud(file: &ConfigFile) -> Result<(), Failure> {
    let config = file.read(None)?;
    let name = file.name();
    for warning in config.warnings(None, host::size(), SystemClock.now().wall) {
        say(format_args!("{name}: warning: {warning}"));
    }
    say(format_args!("{name} is valid"));
    Ok(())
}

/// The labels of a compose file, and what would keep its services from being adopted.
fn compose(file: &ConfigFile, source: &[u8]) -> Result<(), Failure> {
    let verdict =
        validate_compose(source, &file.folder()).map_err(|faults| file.invalid(&faults, source))?;
    let name = file.name();
    for note in &verdict.notes {
        say(format_args!("{name}:{note}"));
    }
    let services: Vec<_> = verdict
        .services
        .iter()
        .map(|it| it.service.as_str())
        .collect();
    match services[..] {
        [] => say(format_args!(
            "{name}: no service asks to be adopted; label it minicloud.enable: \"true\""
        )),
        _ => say(format_args!(
            "{name} is valid; to be adopted: {}",
            services.join(", ")
        )),
    }
    Ok(())
}
