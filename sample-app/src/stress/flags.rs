use std::{ffi::OsString, time::Duration};

/// More would only be a way to run out of threads.
const MAX_CPUS: u64 = 1024;
/// A hundred years: what tokio's timer is certain to take.
const MAX_SECONDS: u64 = 100 * 365 * 24 * 3600;

/// What the arguments ask for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wish {
    Run(Flags),
    /// Help was asked for, or no work at all: stress shows its usage for both.
    Usage,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Flags {
    pub(super) cpus: u64,
    /// Without one the hogs run until a signal ends them.
    pub(super) timeout: Option<Duration>,
    pub(super) quiet: bool,
    pub(super) verbose: bool,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum FlagError {
    #[error("unrecognized option: {0}")]
    Unknown(String),
    #[error("missing argument to option '{0}'")]
    Missing(&'static str),
    #[error("invalid number of cpu hogs: {0}: give 1 to {MAX_CPUS}")]
    Cpus(String),
    #[error("invalid timeout value: {0}: give a number above 0, such as 90, 90s, 5m or 1h")]
    Timeout(String),
}

pub(super) fn parse(args: impl Iterator<Item = OsString>) -> Result<Wish, FlagError> {
    let mut args = args.map(|arg| arg.to_string_lossy().into_owned());
    let mut flags = Flags::default();
    while let Some(flag) = args.next() {
        match flag.as_str() {
            "-c" | "--cpu" => flags.cpus = cpus(argument(&mut args, "--cpu")?)?,
            "-t" | "--timeout" => {
                flags.timeout = Some(timeout(argument(&mut args, "--timeout")?)?);
            }
            "-q" | "--quiet" => flags.quiet = true,
            "-v" | "--verbose" => flags.verbose = true,
            "-?" | "--help" => return Ok(Wish::Usage),
            _ => return Err(FlagError::Unknown(flag)),
        }
    }
    Ok(match flags.cpus {
        0 => Wish::Usage,
        _ => Wish::Run(flags),
    })
}

fn argument(
    args: &mut impl Iterator<Item = String>,
    flag: &'static str,
) -> Result<String, FlagError> {
    args.next().ok_or(FlagError::Missing(flag))
}

fn cpus(text: String) -> Result<u64, FlagError> {
    match text.parse() {
        Ok(cpus @ 1..=MAX_CPUS) => Ok(cpus),
        _ => Err(FlagError::Cpus(text)),
    }
}

fn timeout(text: String) -> Result<Duration, FlagError> {
    match seconds(&text) {
        Some(seconds @ 1..=MAX_SECONDS) => Ok(Duration::from_secs(seconds)),
        _ => Err(FlagError::Timeout(text)),
    }
}

fn seconds(text: &str) -> Option<u64> {
    let unit = match text.chars().next_back()? {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 24 * 3600,
        'y' => 365 * 24 * 3600,
        _ => return text.parse().ok(),
    };
    // The suffix is ASCII, so one byte from the end is a boundary.
    text[..text.len() - 1]
        .parse::<u64>()
        .ok()?
        .checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Wish, FlagError> {
        parse(line.split_whitespace().map(OsString::from))
    }

    fn run(cpus: u64, seconds: Option<u64>) -> Result<Wish, FlagError> {
        Ok(Wish::Run(Flags {
            cpus,
            timeout: seconds.map(Duration::from_secs),
            ..Flags::default()
        }))
    }

    #[test]
    fn flags_of_stress_are_taken() {
        assert_eq!(parsed("--cpu 2 --timeout 600"), run(2, Some(600)));
        assert_eq!(parsed("-t 5m -c 1"), run(1, Some(300)));
        assert_eq!(parsed("-c 1 -t 1h"), run(1, Some(3600)));
        assert_eq!(parsed("-c 1 -t 2d"), run(1, Some(172_800)));
        assert_eq!(parsed("-c 1 -t 7s"), run(1, Some(7)));
        assert_eq!(parsed("-c 1"), run(1, None));
        let wish = Flags {
            cpus: 1,
            quiet: true,
            verbose: true,
            ..Flags::default()
        };
        assert_eq!(parsed("-q -v --cpu 1"), Ok(Wish::Run(wish)));
    }

    #[test]
    fn usage_is_shown_for_no_work() {
        assert_eq!(parsed(""), Ok(Wish::Usage));
        assert_eq!(parsed("-t 5"), Ok(Wish::Usage));
        assert_eq!(parsed("--cpu 1 --help"), Ok(Wish::Usage));
    }

    #[test]
    fn wrong_flags_are_refused() {
        for (line, message) in [
            ("--bogus", "unrecognized option: --bogus"),
            ("--cpu=1", "unrecognized option: --cpu=1"),
            ("-c", "missing argument to option '--cpu'"),
            ("-c 1 -t", "missing argument to option '--timeout'"),
            ("-c 0", "invalid number of cpu hogs: 0: give 1 to 1024"),
            ("-c -1", "invalid number of cpu hogs: -1: give 1 to 1024"),
            (
                "-c 9999",
                "invalid number of cpu hogs: 9999: give 1 to 1024",
            ),
        ] {
            assert_eq!(parsed(line).unwrap_err().to_string(), message);
        }
        for time in [
            "0",
            "0s",
            "",
            "s",
            "1x",
            "-1",
            "99999999999999999999",
            "9999999999999999d",
            "1é",
        ] {
            let args = ["-c", "1", "-t", time].map(OsString::from);
            assert_eq!(
                parse(args.into_iter()),
                Err(FlagError::Timeout(time.to_owned())),
                "{time}"
            );
        }
    }
}
