//! From what was said to what is done.

use std::process::ExitCode;

use tokio::runtime::{Builder, Runtime};

use crate::{cli::Verb, failure::Failure, logging, role, verb};

pub(crate) fn run(verb: Verb) -> Result<ExitCode, Failure> {
    let level = match verb {
        // Handles its own signals, logs nothing and builds its own runtime.
        Verb::SampleApp { args } => return Ok(sample_app::main_with_args(args.into_iter())),
        Verb::Lb(_) | Verb::Autoscaler(_) | Verb::Agent(_) => "info",
        _ => "warn",
    };
    logging::start(level, |name| std::env::var(name).ok())?;
    runtime(&verb)?.block_on(dispatch(verb))
}

async fn dispatch(verb: Verb) -> Result<ExitCode, Failure> {
    match verb {
        Verb::Ssh(args) => return verb::ssh::run(args).await.map(ExitCode::from),
        Verb::Exec(args) => return verb::exec::run(args).await.map(ExitCode::from),
        Verb::Doctor(args) => return verb::doctor::run(args).await.map(ExitCode::from),
        Verb::Plan(args) => return verb::plan::run(args).await.map(ExitCode::from),
        Verb::Status(args) => verb::status::run(args).await,
        Verb::Top(args) => verb::top::run(args).await,
        Verb::Groups(args) => verb::groups::run(args).await,
        Verb::Instances(args) => verb::instances::run(args).await,
        Verb::Targets(args) => verb::targets::run(args).await,
        Verb::Why(args) => verb::why::run(args).await,
        Verb::WhichRule(args) => verb::which_rule::run(args).await,
        Verb::SecurityGroups(args) => verb::security_groups::run(args).await,
        Verb::Activities(args) => verb::activities::run(args).await,
        Verb::Apply(args) => verb::apply::run(args).await,
        Verb::Protect(args) => verb::protect::run(args).await,
        Verb::Drain(args) => verb::drain::run(args).await,
        Verb::Undrain(args) => verb::drain::undo(args).await,
        Verb::Terminate(args) => verb::terminate::run(args).await,
        Verb::Refresh(args) => verb::refresh::run(args).await,
        Verb::Refreshes(args) => verb::refresh::list(args).await,
        Verb::Suspend(args) => verb::suspend::run(args).await,
        Verb::Resume(args) => verb::suspend::resume(args).await,
        Verb::Resolve(args) => verb::resolve::run(args).await,
        Verb::Explain(args) => verb::explain::run(args).await,
        Verb::Events(args) => verb::events::run(args).await,
        Verb::ScheduledActions(args) => verb::scheduled_actions::list(args).await,
        Verb::PutScheduledAction(args) => verb::scheduled_actions::put(args).await,
        Verb::DeleteScheduledAction(args) => verb::scheduled_actions::delete(args).await,
        Verb::Policies(args) => verb::policies::run(args).await,
        Verb::Alarms(args) => verb::alarms::run(args).await,
        Verb::Scale(args) => verb::scale::run(args).await,
        Verb::LaunchTemplates(args) => verb::launch_template::list(args).await,
        Verb::LaunchTemplate(args) => verb::launch_template::run(args.verb).await,
        Verb::KeyPairs(args) => verb::key_pair::list(args).await,
        Verb::KeyPair(args) => verb::key_pair::run(args.verb).await,
        Verb::InstanceTypes(args) => verb::instance_types::run(args).await,
        Verb::Healthcheck(args) => verb::healthcheck::run(args).await,
        Verb::Logs(args) => verb::logs::run(args).await,
        Verb::Docs(args) => verb::docs::run(args),
        Verb::Completions(args) => verb::completions::run(args),
        Verb::Man(args) => verb::man::run(args),
        Verb::Version => verb::version::run(),
        Verb::Validate(args) => verb::validate::run(args),
        Verb::Config(args) => verb::config::run(args).await,
        Verb::Schema => verb::describe::schema(),
        Verb::Openapi => verb::describe::openapi(),
        Verb::Grafana => verb::describe::grafana(),
        Verb::Sweep(args) => verb::sweep::run(args).await,
        Verb::Up(args) => role::up::run(args).await,
        Verb::Lb(args) => role::lb::run(args).await,
        Verb::Autoscaler(args) => role::autoscaler::run(args).await,
        Verb::Agent(args) => role::agent::run(args).await,
        Verb::Demo(args) => verb::demo::run(args).await,
        // Answered before there was a runtime.
        Verb::SampleApp { .. } => Ok(()),
    }
    .map(|()| ExitCode::SUCCESS)
}

/// One thread for a verb; two for a role, so that a slow disk does not hold up a heartbeat.
fn runtime(verb: &Verb) -> Result<Runtime, Failure> {
    let mut builder = match verb {
        Verb::Up(_) | Verb::Autoscaler(_) => Builder::new_multi_thread(),
        _ => Builder::new_current_thread(),
    };
    builder
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Failure::runtime(&error))
}
