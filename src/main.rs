//! `minicloud`: every role and every verb in one binary.

mod cli;
mod control_api;
mod dispatch;
mod endpoint;
mod exec_stream;
mod failure;
#[cfg(test)]
mod golden;
mod http_client;
mod logging;
mod metrics;
mod output;
mod role;
mod socket;
mod terminal;
mod traces;
mod verb;

use std::process::ExitCode;

use self::cli::Cli;
use clap::Parser;
use mimalloc::MiMalloc;

/// A pass over a thousand groups takes little more than half the time that it takes with the C
/// library's allocator; the balancer's memory and CPU are the same. `cargo bench --bench
/// control_loop` measures with it too.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    output::choose_color(cli.color);
    match dispatch::run(cli.verb) {
        Ok(code) => code,
        Err(failure) => {
            output::say(format_args!("minicloud: {failure}"));
            ExitCode::from(failure.exit as u8)
        }
    }
}
