//! docs/reference/commands.md, written from the definition of the command line.

use clap::CommandFactory;

use super::Cli;

const HEAD: &str = include_str!("reference.md");

fn page() -> String {
    let mut command = Cli::command();
    command.build();
    let mut page = HEAD.to_owned();
    for verb in command
        .get_subcommands()
        .filter(|verb| verb.get_name() != "help")
    {
        section(&mut page, verb, 2);
    }
    page
}

fn section(page: &mut String, command: &clap::Command, depth: usize) {
    let help = command.clone().render_long_help().to_string();
    let help: Vec<_> = help.trim_end().lines().map(str::trim_end).collect();
    let name = command.get_bin_name().unwrap_or_else(|| command.get_name());
    page.push_str(&format!(
        "\n{} {name}\n\n```text\n{}\n```\n",
        "#".repeat(depth),
        help.join("\n")
    ));
    for inner in command
        .get_subcommands()
        .filter(|inner| inner.get_name() != "help")
    {
        section(page, inner, depth + 1);
    }
}

#[test]
fn reference_page_is_current() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/reference/commands.md");
    if std::env::var_os("MINICLOUD_BLESS").is_some() {
        std::fs::write(path, page()).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        written == page(),
        "docs/reference/commands.md is out of date: MINICLOUD_BLESS=1 cargo test -p minicloud reference_page"
    );
}
