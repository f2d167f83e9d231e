use crate::{failure::Failure, output::print};

pub(crate) fn run() -> Result<(), Failure> {
    print(concat!("minicloud ", env!("CARGO_PKG_VERSION"), "\n").as_bytes())
}
