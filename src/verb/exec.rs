use std::io::{self, Write};

use bytes::Bytes;
use minicloud_autoscaler::api::ExecFrame;

use super::connect;
use crate::{
    cli::ExecArgs,
    exec_stream::ExecStream,
    failure::{Exit, Failure},
};

/// Runs the command with its output as ours; answers its exit code. Leaving (Ctrl-C) closes
/// the connection, and that ends the command.
pub(crate) async fn run(args: ExecArgs) -> Result<u8, Failure> {
    stream(args).await.map_err(|failure| match failure.exit {
        Exit::CommandNotFound | Exit::NotExecutable => failure,
        _ => failure.with_exit(Exit::ExecFailed),
    })
}

async fn stream(args: ExecArgs) -> Result<u8, Failure> {
    let api = connect(&args.connection)?;
    let mut frames = ExecStream::open(&api, &args.instance, args.command).await?;
    loop {
        match frames.next().await? {
            ExecFrame::Stdout(bytes) => copy(io::stdout(), &bytes),
            ExecFrame::Stderr(bytes) => copy(io::stderr(), &bytes),
            ExecFrame::ExitCode(code) => return Ok(u8::try_from(code).unwrap_or(u8::MAX)),
            ExecFrame::Error(error) => {
                return Err(Failure::command_failed(&args.instance, error.message));
            }
        }?;
    }
}

/// As under a shell: where nobody reads any more, the command is ended.
fn copy(mut to: impl Write, bytes: &Bytes) -> Result<(), Failure> {
    to.write_all(bytes)
        .and_then(|()| to.flush())
        .map_err(|error| Failure::output_closed(&error))
}
