//! The command line: what can be said. What it does is in `verb` and `role`.

#[cfg(test)]
mod documented;
mod guide;
mod key_pair;
mod launch_template;
#[cfg(test)]
mod reference;
mod refresh;
mod role;
mod value;
mod verb;

use std::ffi::OsString;

use clap::{ColorChoice, Parser, Subcommand};

pub(crate) use self::{
    guide::{CompletionsArgs, DocsArgs, DoctorArgs, ManArgs},
    key_pair::{
        CreateArgs as CreateKeyPairArgs, DeleteArgs as DeleteKeyPairArgs,
        ImportArgs as ImportKeyPairArgs, KeyPairArgs, KeyPairVerb,
    },
    launch_template::{
        CreateArgs as CreateLaunchTemplateArgs,
        CreateVersionArgs as CreateLaunchTemplateVersionArgs, DataSource,
        DeleteArgs as DeleteLaunchTemplateArgs, LaunchTemplateArgs, LaunchTemplateVerb,
        LaunchTemplatesArgs, SetDefaultArgs as SetDefaultLaunchTemplateArgs,
        ShowArgs as ShowLaunchTemplateArgs,
    },
    refresh::{Protected, RefreshArgs, RefreshesArgs},
    role::{
        AgentArgs, ApiArgs, AutoscalerArgs, BalancingArgs, LbArgs, LogFormat, ProviderName, UpArgs,
    },
    verb::{
        ActivitiesArgs, ApplyArgs, ConfigArgs, Connection, DeleteScheduledActionArgs, DemoArgs,
        DemoVerb, DrainArgs, EventsArgs, ExecArgs, ExplainArgs, FloodArgs, GroupReading,
        HealthcheckArgs, InstancesArgs, LogsArgs, Output, PlanArgs, ProtectArgs,
        PutScheduledActionArgs, Reading, ResolveArgs, ScaleArgs, ScheduledActionsArgs, SshArgs,
        StressArgs, SuspensionArgs, SweepArgs, TargetsArgs, TerminateArgs, TopArgs, UndrainArgs,
        ValidateArgs, Watching, WhichRuleArgs, WhyArgs,
    },
};

/// An EC2 Auto Scaling group and an Application Load Balancer for this machine.
///
/// `minicloud up` starts everything; the other commands then show and change it. Data goes to
/// stdout, everything else to stderr. Exit codes: docs/reference/commands.md.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) verb: Verb,
    /// Colours; `auto` has them on a terminal, and minds NO_COLOR and CLICOLOR_FORCE.
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value_t = ColorChoice::Auto)]
    pub(crate) color: ColorChoice,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Run everything in this process: balancer, autoscaler, agent and, as children, instances.
    Up(UpArgs),
    /// One screen: load balancers, groups, targets, what is wrong.
    Status(Watching),
    /// Watch a group on a terminal, live, and act on it with a key.
    Top(TopArgs),
    /// List the Auto Scaling groups.
    Groups(Watching),
    /// List the instances of one group or all.
    Instances(InstancesArgs),
    /// List the targets of one target group or all, with their health.
    Targets(TargetsArgs),
    /// Tell why requests failed: rule, targets, tries and cause of each 5xx of the balancer's own.
    Why(WhyArgs),
    /// Tell which rule takes a URL, and why none before it does.
    WhichRule(WhichRuleArgs),
    /// List the security groups with what they let in.
    SecurityGroups(Watching),
    /// List what was launched and ended, newest first, with the cause.
    Activities(ActivitiesArgs),
    /// Show what a configuration file would change if it came into force.
    Plan(PlanArgs),
    /// Put a configuration file in force, after showing what that changes.
    Apply(ApplyArgs),
    /// Tell why a group did or did not act.
    Explain(ExplainArgs),
    /// Follow what happens: activities, capacities, conditions.
    Events(EventsArgs),
    /// List the scaling policies of one group or all, with what each concludes now.
    Policies(GroupReading),
    /// List the alarms of scaling policies, with their state and why.
    Alarms(GroupReading),
    /// Change a group's capacity.
    Scale(ScaleArgs),
    /// Protect instances from scale-in, or no longer.
    Protect(ProtectArgs),
    /// Take instances out of service without ending them: they finish what they hold, then are in
    /// standby; the group launches others in their place unless told to do without.
    #[command(visible_alias = "enter-standby")]
    Drain(DrainArgs),
    /// Put instances that are in standby back into service.
    #[command(visible_alias = "exit-standby")]
    Undrain(UndrainArgs),
    /// End an instance; its group replaces it unless told to do without.
    Terminate(TerminateArgs),
    /// Replace the instances of a group by new ones, a few at a time, without an outage.
    Refresh(RefreshArgs),
    /// List the last instance refreshes of a group.
    Refreshes(RefreshesArgs),
    /// Keep a group from doing something: from launching, ending, replacing, scaling.
    Suspend(SuspensionArgs),
    /// Let a group go on with what was suspended.
    Resume(SuspensionArgs),
    /// Say what becomes of instances that somebody else removed, stopped or started.
    Resolve(ResolveArgs),
    /// List the scheduled actions of one group or all, with the times at which they run next.
    ScheduledActions(ScheduledActionsArgs),
    /// Make a scheduled action, or replace the one of that name.
    PutScheduledAction(PutScheduledActionArgs),
    /// Delete a scheduled action.
    DeleteScheduledAction(DeleteScheduledActionArgs),
    /// List the launch templates, or the versions of one.
    LaunchTemplates(LaunchTemplatesArgs),
    /// Make, change, show or delete a launch template.
    LaunchTemplate(LaunchTemplateArgs),
    /// List the sizes that launch templates may name.
    InstanceTypes(Watching),
    /// List the key pairs.
    KeyPairs(Watching),
    /// Make, import or delete a key pair.
    KeyPair(KeyPairArgs),
    /// Show what the instances of a group, or one of them, write to stdout and stderr.
    Logs(LogsArgs),
    /// Run a command in an instance; its exit code becomes this one's.
    Exec(ExecArgs),
    /// Open a shell in an instance with the key that it was launched with.
    Ssh(SshArgs),
    /// Watch a group grow and shrink.
    Demo(DemoArgs),
    /// Check a configuration file, or the one that is built in.
    Validate(ValidateArgs),
    /// Show every value of the configuration in force, and where it comes from.
    Config(ConfigArgs),
    /// Print the JSON Schema of minicloud.yaml, for editors.
    Schema,
    /// Print the control API's description, OpenAPI 3.1 in JSON.
    Openapi,
    /// Print the dashboard for Grafana, to be imported there.
    Grafana,
    /// Look whether this machine has what minicloud needs, and say how to get what is missing.
    Doctor(DoctorArgs),
    /// Print a section of the reference: configuration, commands, exit codes.
    Docs(DocsArgs),
    /// Remove what a minicloud that is gone has left behind.
    Sweep(SweepArgs),
    /// Exit 0 where the part that listens there is ready, 1 where it is not.
    Healthcheck(HealthcheckArgs),
    /// Print what makes a shell complete these commands.
    Completions(CompletionsArgs),
    /// Print the manual page of minicloud, or of one of its commands.
    Man(ManArgs),
    /// Print the version.
    Version,
    /// Run the load balancer alone.
    Lb(LbArgs),
    /// Run the autoscaler alone.
    Autoscaler(AutoscalerArgs),
    /// Run the agent alone.
    Agent(AgentArgs),
    /// Run the demo workload, as instances do.
    #[command(disable_help_flag = true, disable_version_flag = true)]
    SampleApp {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, error::ErrorKind};

    use super::*;

    fn parse(line: &str) -> Result<Verb, clap::Error> {
        let words = std::iter::once("minicloud").chain(line.split_whitespace());
        Cli::try_parse_from(words).map(|cli| cli.verb)
    }

    #[test]
    fn definition_holds_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn tutorials_lines_parse() {
        for line in [
            "up",
            "up --config minicloud.yaml --state-dir /tmp/s --api 127.0.0.1:0 --provider docker",
            "lb --config lb.yaml --threads 2 --bind 0.0.0.0 --bind ::",
            "lb --autoscaler unix:/run/minicloud/lb.sock --access-log",
            "lb --autoscaler http://127.0.0.1:8090 --access-log=/tmp/access.log",
            "up --access-log --access-log-format alb",
            "autoscaler --api 0.0.0.0:8090 --api-published-on-loopback --agent agent:8092",
            "autoscaler --crash-at launched",
            "agent --listen 0.0.0.0:8092 --interval 500ms",
            "status -o json",
            "instances web",
            "targets",
            "top",
            "top web --timeout 5s",
            "security-groups",
            "why",
            "why 1-67891233-abcdef012345678912345678 -o json",
            "which-rule http://localhost:8080/cart -X POST -H Host:shop --source-ip ::1",
            "activities web --max-records 5 --next-token MTI --include-deleted-groups",
            "explain web -o json",
            "events",
            "events web -o json",
            "scheduled-actions web",
            "put-scheduled-action web up --recurrence @ --time-zone UTC --min 1",
            "put-scheduled-action web once --start-time 2030-01-01T00:00:00Z --desired 2",
            "delete-scheduled-action web up",
            "activities web --max-records 5",
            "policies web -o json",
            "alarms",
            "scale web --min 0 --max 0 --desired 0 --wait",
            "protect i-0123abcd i-0123abce --off",
            "terminate i-0123abcd --decrement -o json",
            "refresh web",
            "refresh web --skip-matching --min-healthy 50 --max-healthy 150 --warmup 10s --wait",
            "refresh web --protected refresh -o json",
            "refresh web --cancel --wait",
            "refreshes web --watch",
            "drain i-0123abcd i-0123abce --decrement",
            "undrain i-0123abcd -o json",
            "exit-standby i-0123abcd",
            "suspend web",
            "suspend web Launch AZRebalance -o json",
            "resume web Launch",
            "resolve web --adopt",
            "demo stress web --for 90s",
            "plan -f minicloud.yaml --detailed-exitcode -o json",
            "apply --file minicloud.yaml --yes",
            "launch-templates",
            "launch-templates web -o json",
            "launch-template create web --data {image:nginx,port:80}",
            "launch-template create-version web --source-version $Default -f web.yaml",
            "launch-template set-default web 2",
            "launch-template set-default web $Latest",
            "launch-template delete web",
            "launch-template delete web 1 2",
            "launch-template show web 3",
            "instance-types",
            "key-pairs -o json",
            "key-pair create ops --key-file ops.pem",
            "key-pair import ops --public-key-file id_ed25519.pub",
            "key-pair delete ops",
            "ssh i-0123abcd -i ops.pem",
            "ssh i-0123abcd -i ops.pem -- ls -i /",
            "validate",
            "sweep",
            "healthcheck unix:/run/x.sock",
            "doctor -o json",
            "doctor --print-socket-allowlist",
            "docs",
            "docs launch_templates",
            "completions bash",
            "man",
            "man demo stress",
            "version",
            "demo flood web --for 10s --rate 100",
            "logs web -f --tail 5",
            "logs i-0123abcd",
            "instances web -o name --watch --color never",
        ] {
            if let Err(error) = parse(line) {
                panic!("{line}: {error}");
            }
        }
    }

    #[test]
    fn command_of_an_instance_keeps_its_own_flags() {
        let Ok(Verb::Exec(exec)) = parse("exec i-0123abcd -- stress --cpu 1 -- --timeout 600")
        else {
            panic!("exec");
        };
        let command = ["stress", "--cpu", "1", "--", "--timeout", "600"];
        assert_eq!(exec.command, command);
        let Ok(Verb::SampleApp { args }) = parse("sample-app stress --cpu 1 --help") else {
            panic!("sample-app");
        };
        assert_eq!(args, ["stress", "--cpu", "1", "--help"]);
    }

    #[test]
    fn wrong_usage_is_refused() {
        for (line, kind) in [
            ("", ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand),
            ("launch", ErrorKind::InvalidSubcommand),
            ("lb", ErrorKind::MissingRequiredArgument),
            (
                "lb --config a --autoscaler b:1",
                ErrorKind::ArgumentConflict,
            ),
            (
                "up --access-log-format alb",
                ErrorKind::MissingRequiredArgument,
            ),
            ("scale web", ErrorKind::MissingRequiredArgument),
            (
                "put-scheduled-action web a --min 1",
                ErrorKind::MissingRequiredArgument,
            ),
            (
                "put-scheduled-action web a --start-time 2030-01-01T00:00:00Z",
                ErrorKind::MissingRequiredArgument,
            ),
            (
                "put-scheduled-action web a --start-time tomorrow --min 1",
                ErrorKind::ValueValidation,
            ),
            ("scale web --min -1", ErrorKind::UnknownArgument),
            ("scale web --min x", ErrorKind::ValueValidation),
            ("which-rule / -H x", ErrorKind::ValueValidation),
            ("which-rule", ErrorKind::MissingRequiredArgument),
            (
                "launch-template create web",
                ErrorKind::MissingRequiredArgument,
            ),
            (
                "launch-template set-default web latest",
                ErrorKind::ValueValidation,
            ),
            ("exec i-0123abcd", ErrorKind::MissingRequiredArgument),
            ("exec web -- true", ErrorKind::ValueValidation),
            ("demo stress web --for 90", ErrorKind::ValueValidation),
            ("status --host https://x:1", ErrorKind::ValueValidation),
            ("status -o yaml", ErrorKind::InvalidValue),
            ("drain", ErrorKind::MissingRequiredArgument),
            ("undrain i-0123abcd --decrement", ErrorKind::UnknownArgument),
            ("suspend", ErrorKind::MissingRequiredArgument),
            ("suspend web launch", ErrorKind::InvalidValue),
            ("plan", ErrorKind::MissingRequiredArgument),
            ("apply --yes", ErrorKind::MissingRequiredArgument),
            ("refresh web --min-healthy 101", ErrorKind::ValueValidation),
            ("refresh web --warmup 10", ErrorKind::ValueValidation),
            (
                "refresh web --cancel --skip-matching",
                ErrorKind::ArgumentConflict,
            ),
            ("refreshes", ErrorKind::MissingRequiredArgument),
        ] {
            let error = parse(line).expect_err(line);
            assert_eq!(error.kind(), kind, "{line}: {error}");
        }
    }
}
