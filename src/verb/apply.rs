use std::io::{self, BufRead, IsTerminal};

use bytes::Bytes;
use minicloud_autoscaler::change_set::ChangeSet;

use super::connect;
use crate::{
    cli::{ApplyArgs, Output},
    failure::{Exit, Failure},
    output::{say, show},
    role::ConfigFile,
};

pub(crate) async fn run(args: ApplyArgs) -> Result<(), Failure> {
    let file = ConfigFile::find(Some(args.file));
    // Read once: what is reviewed is what is sent.
    let text: Bytes = file.source()?.into();
    let api = connect(&args.reading.connection)?;
    let planned = api.plan(&file, text.clone()).await?;
    let output = args.reading.output;
    if output == Output::Table || planned.is_empty() {
        show(output, &planned, ChangeSet::to_string)?;
    }
    if planned.is_empty() {
        return Ok(());
    }
    if !args.yes {
        // Stdout is the answer's, and nobody agrees to what was not shown.
        if output == Output::Json {
            say(&planned);
        }
        confirm()?;
    }
    let applied = api.apply(&file, text, &planned).await?;
    match output {
        Output::Table => {
            let [added, changed, removed] = applied.counts();
            say(format_args!(
                "applied: {added} added, {changed} changed, {removed} removed"
            ));
            Ok(())
        }
        Output::Json => show(output, &applied, ChangeSet::to_string),
    }
}

/// Anything but the whole word is a no.
fn confirm() -> Result<(), Failure> {
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        return Err(Failure::new(
            Exit::Failure,
            "nothing was applied: there is no terminal to ask at; review the plan and give --yes",
        ));
    }
    say("Apply these changes? Only `yes` is taken for one:");
    let mut answer = String::new();
    match stdin.lock().read_line(&mut answer) {
        Ok(_) if answer.trim() == "yes" => Ok(()),
        _ => Err(Failure::new(Exit::Failure, "nothing was applied")),
    }
}
