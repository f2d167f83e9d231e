use clap::CommandFactory;

use crate::{
    cli::{Cli, CompletionsArgs},
    failure::Failure,
    output::print,
};

pub(crate) fn run(args: CompletionsArgs) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "minicloud", &mut script);
    print(&script)
}

#[cfg(test)]
mod tests {
    use clap_complete::Shell;

    use super::*;

    #[test]
    fn every_shell_is_told_of_every_verb() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish, Shell::PowerShell] {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "minicloud", &mut script);
            let script = String::from_utf8(script).unwrap();
            for verb in Cli::command().get_subcommands() {
                let name = verb.get_name();
                assert!(script.contains(name), "{shell}: {name}");
            }
        }
    }
}
