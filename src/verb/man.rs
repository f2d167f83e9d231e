use std::io;

use clap::{Command, CommandFactory};
use clap_mangen::Man;

use crate::{
    cli::{Cli, ManArgs},
    failure::Failure,
    output::print,
};

/// As `man` reads it: `minicloud man up | man -l -`.
pub(crate) fn run(args: ManArgs) -> Result<(), Failure> {
    let verb = args.verb.join(" ");
    let command = command(&args.verb).ok_or_else(|| Failure::verb_unknown(&verb))?;
    let page = page(command).map_err(|error| Failure::stdout_closed(&error))?;
    print(&page)
}

/// The command that these words name, with its whole name.
fn command(words: &[String]) -> Option<Command> {
    let mut root = Cli::command();
    root.build();
    let mut words = words.iter();
    words
        .try_fold(&root, |command, word| command.find_subcommand(word))
        .cloned()
}

fn page(command: Command) -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    Man::new(command).render(&mut page)?;
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page() {
        let titled = |words: &[&str]| {
            let words: Vec<_> = words.iter().map(|word| (*word).to_owned()).collect();
            let page = page(command(&words)?).unwrap();
            Some(String::from_utf8(page).unwrap())
        };
        assert!(titled(&[]).unwrap().contains(".TH minicloud"));
        let stress = titled(&["demo", "stress"]).unwrap();
        assert!(stress.contains("minicloud-demo-stress"), "{stress}");
        assert!(titled(&["nothing"]).is_none());
    }
}
