//! A few lines of shell around a command in a container.
//!
//! The engine has no call to end an exec: only its pid *inside* the container does, which the
//! engine does not tell either (it knows the host's). So the command runs under a shell that
//! says its pid, whether the command is there, and then becomes the command.

/// Says `minicloud PID STATUS`, the status being what a shell would exit with: 127 for a command
/// that is missing, 126 for one that cannot be run. Every exec has a session, hence a process
/// group, of its own, which the pid names.
const WRAPPER: &str = r#"case $1 in
*/*) if [ ! -e "$1" ]; then s=127; elif [ -d "$1" ] || [ ! -x "$1" ]; then s=126; else s=0; fi ;;
*) if command -v "$1" >/dev/null 2>&1; then s=0; else s=127; fi ;;
esac
echo "minicloud $$ $s"
[ "$s" = 0 ] || exit "$s"
exec "$@""#;

const KILL: &str = r#"kill -s KILL -- "-$1" || kill -s KILL "$1""#;

/// Longest greeting: the word and two numbers.
const LONGEST: usize = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Greeting {
    Started { pid: u32 },
    Missing,
    NotExecutable,
}

/// What is left of the output when the greeting has been taken off it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard<'a> {
    Greeting(Greeting, &'a [u8]),
    /// The line has not ended yet.
    More,
    /// Not the wrapper: there is no shell in the container.
    Nonsense,
}

pub(super) fn wrap(command: &[String]) -> Vec<String> {
    let wrapper = ["sh", "-c", WRAPPER, "sh"].map(str::to_owned);
    wrapper.into_iter().chain(command.iter().cloned()).collect()
}

pub(super) fn kill(pid: u32) -> Vec<String> {
    ["sh", "-c", KILL, "sh", &pid.to_string()]
        .map(str::to_owned)
        .to_vec()
}

pub(super) fn hear(output: &[u8]) -> Heard<'_> {
    let Some(end) = output.iter().position(|byte| *byte == b'\n') else {
        return if output.len() < LONGEST {
            Heard::More
        } else {
            Heard::Nonsense
        };
    };
    let (line, rest) = output.split_at(end);
    match std::str::from_utf8(line).ok().and_then(greeting) {
        Some(greeting) => Heard::Greeting(greeting, rest.get(1..).unwrap_or_default()),
        None => Heard::Nonsense,
    }
}

fn greeting(line: &str) -> Option<Greeting> {
    // A terminal ends its lines so.
    let line = line.strip_suffix('\r').unwrap_or(line);
    let (pid, status) = line.strip_prefix("minicloud ")?.split_once(' ')?;
    let pid = pid.parse().ok()?;
    match status {
        "0" => Some(Greeting::Started { pid }),
        "126" => Some(Greeting::NotExecutable),
        "127" => Some(Greeting::Missing),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greeting_is_taken_off_the_output() {
        let started = Greeting::Started { pid: 17 };
        assert_eq!(
            hear(b"minicloud 17 0\nhello\n"),
            Heard::Greeting(started, b"hello\n")
        );
        assert_eq!(
            hear(b"minicloud 17 0\r\n$ "),
            Heard::Greeting(started, b"$ ")
        );
        assert_eq!(hear(b"minicloud 17 0\n"), Heard::Greeting(started, b""));
        assert_eq!(
            hear(b"minicloud 17 127\n"),
            Heard::Greeting(Greeting::Missing, b"")
        );
        assert_eq!(hear(b"minicloud 17"), Heard::More);
    }

    #[test]
    fn other_output_is_no_greeting() {
        for output in [
            b"OCI runtime exec failed: exec: \"sh\": executable file not found\r\n".as_slice(),
            b"minicloud -1 0\n",
            b"minicloud 1 2 3\n",
            b"\xff\n",
            &[b'x'; 100],
        ] {
            assert_eq!(hear(output), Heard::Nonsense);
        }
    }

    #[test]
    fn wrapper_tells_what_can_be_run() {
        for (command, expected) in [
            ("true", "0"),
            ("no-such-command", "127"),
            ("/no/such/command", "127"),
            ("/etc/passwd", "126"),
            ("/etc", "126"),
            ("", "127"),
        ] {
            let argv = wrap(&[command.to_owned()]);
            let (program, arguments) = argv.split_first().unwrap();
            let output = std::process::Command::new(program)
                .args(arguments)
                .output()
                .unwrap();
            let said = String::from_utf8(output.stdout).unwrap();
            assert!(
                said.ends_with(&format!(" {expected}\n")),
                "{command}: {said}"
            );
        }
    }
}
