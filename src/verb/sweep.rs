use minicloud_autoscaler::StateDir;

use crate::{
    cli::{ProviderName, SweepArgs},
    failure::{Exit, Failure},
    output::say,
    role::{Provider, open_state},
};

/// Ends what carries the mark of the state folder. Its lock shows that no autoscaler runs
/// that would launch it all again.
pub(crate) async fn run(args: SweepArgs) -> Result<(), Failure> {
    let state_dir = open_state(args.state.state_dir)?;
    sweep(ProviderName::Process, "child process", &state_dir).await?;
    match sweep(ProviderName::Docker, "container", &state_dir).await {
        // A machine without an engine has no containers.
        Err(failure) if failure.exit == Exit::Unreachable => {
            say(format_args!("no containers looked for: {}", failure.what()));
            Ok(())
        }
        swept => swept,
    }
}

async fn sweep(name: ProviderName, what: &str, state_dir: &StateDir) -> Result<(), Failure> {
    let provider = Provider::open(name, state_dir, None).await?;
    let swept = provider.sweep().await?;
    for id in &swept {
        say(format_args!("ended {what} {id}"));
    }
    if swept.is_empty() {
        say(format_args!("no {what} left behind"));
    }
    Ok(())
}
