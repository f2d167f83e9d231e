use std::process::ExitCode;

fn main() -> ExitCode {
    sample_app::main_with_args(std::env::args_os().skip(1))
}
