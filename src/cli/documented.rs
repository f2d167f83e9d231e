//! Every command line of ours that a page shows is one that the program takes, whether the system
//! tests run it or not.

#[expect(
    dead_code,
    reason = "the system tests, which run the blocks, use the rest"
)]
#[path = "../../tests/documented/page.rs"]
mod page;

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::{CommandFactory, error::ErrorKind};

use super::Cli;

/// Where one command ends and another begins.
const BETWEEN: [&str; 10] = ["|", "||", "&&", "&", ";", ">", "2>", "do", "then", "done"];

#[test]
fn command_lines_of_the_pages_parse() {
    let mut seen = 0;
    for path in pages() {
        let text = fs::read_to_string(&path).unwrap();
        for block in page::blocks(&text)
            .iter()
            .filter(|block| block.has_commands())
        {
            for line in command_lines(block) {
                seen += 1;
                let parsed = Cli::command().try_get_matches_from(&line);
                let fits = parsed.as_ref().map_or_else(
                    |error| {
                        matches!(
                            error.kind(),
                            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
                        )
                    },
                    |_| true,
                );
                assert!(
                    fits,
                    "{}:{}: {}",
                    path.display(),
                    block.line,
                    parsed.unwrap_err()
                );
            }
        }
    }
    assert!(seen > 30, "only {seen} command lines found");
}

/// README.md and what is below docs.
fn pages() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pages = vec![root.join("README.md"), root.join("docs/README.md")];
    for folder in ["tutorial", "how-to", "concepts", "reference"] {
        let entries = fs::read_dir(root.join("docs").join(folder)).unwrap();
        let files = entries.map(|entry| entry.unwrap().path());
        pages.extend(files.filter(|path| path.extension().is_some_and(|it| it == "md")));
    }
    pages
}

/// Those that begin with `minicloud`, in words.
fn command_lines(block: &page::Block) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for step in block.steps() {
        for line in step.command.replace("\\\n", " ").lines() {
            let Some(words) = shlex::split(line) else {
                continue;
            };
            let commands = words.split(|word| BETWEEN.contains(&word.as_str()));
            let ours = commands.filter(|words| words.first().is_some_and(|it| it == "minicloud"));
            found.extend(ours.map(<[String]>::to_vec));
        }
    }
    found
}
