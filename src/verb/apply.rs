use std::io::{self, BufRead, IsTerminal};

use bytes::Bytes;

use super::{connect, plan};
use crate::{
    cli::{ApplyArgs, Output},
    failure::Failure,
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
    let is_told = matches!(output, Output::Table | Output::Wide);
    if is_told || planned.is_empty() {
        show(output, &planned, plan::text)?;
    }
    if planned.is_empty() {
        return Ok(());
    }
    if !args.yes {
        // Stdout is the answer's, and nobody agrees to what was not shown.
        if !is_told {
            say(&planned);
        }
        confirm()?;
    }
    let applied = api.apply(&file, text, &planned).await?;
    if !is_told {
        return show(output, &applied, plan::text);
    }
    let [added, changed, removed] = applied.counts();
    say(format_args!(
        "applied: {added} added, {changed} changed, {removed} removed"
    ));
    Ok(())
}

/// Anything but the whole word is a no.
fn confirm() -> Result<(), Failure> {
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        return Err(Failure::no_terminal_to_ask_at());
    }
    say("Apply these changes? Only `yes` is taken for one:");
    let mut answer = String::new();
    match stdin.lock().read_line(&mut answer) {
        Ok(_) if answer.trim() == "yes" => Ok(()),
        _ => Err(Failure::not_agreed()),
    }
}
