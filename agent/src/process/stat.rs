use super::Pid;

/// What /proc/<pid>/stat says of a process, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stat {
    pub(super) ppid: Pid,
    /// Ticks from boot to the start: with the pid, this names a process for good.
    pub(super) start: u64,
    /// Ticks of CPU time that its threads have used.
    pub(super) own: u64,
    /// Ticks of the children it has waited for, and of those they had.
    pub(super) reaped: u64,
    /// Pages of memory in use.
    pub(super) resident: u64,
}

impl Stat {
    /// None for anything but a whole line of the kernel's. The command's name may hold any
    /// byte, brackets and line feeds too, so fields are counted from the last bracket.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let end = bytes.iter().rposition(|byte| *byte == b')')?;
        let rest = std::str::from_utf8(&bytes[end + 1..]).ok()?;
        let fields: Vec<&str> = rest.strip_suffix('\n')?.split_ascii_whitespace().collect();
        // proc(5) numbers the fields from 1; the state, behind the name, is the third.
        let field = |number: usize| fields.get(number - 3).copied();
        // cutime and cstime are signed, but time used is not negative.
        let time = |number| field(number)?.parse::<u64>().ok();
        Some(Self {
            ppid: field(4)?.parse().ok()?,
            own: time(14)?.checked_add(time(15)?)?,
            reaped: time(16)?.checked_add(time(17)?)?,
            start: field(22)?.parse().ok()?,
            resident: field(24)?.parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn line(comm: &str) -> String {
        format!(
            "42 ({comm}) S 7 42 42 0 -1 4194560 100 200 0 0 11 12 13 14 20 0 1 0 5555 1000000 \
             321 18446744073709551615 1 1 0 0 0 0 0 0 0\n"
        )
    }

    #[test]
    fn fields_are_found_behind_any_name() {
        for comm in ["sh", "a b", ") S 1 (", "x\ny", "(sd-pam)"] {
            assert_eq!(
                Stat::parse(line(comm).as_bytes()),
                Some(Stat {
                    ppid: 7,
                    start: 5555,
                    own: 23,
                    reaped: 27,
                    resident: 321
                }),
                "{comm:?}"
            );
        }
    }

    #[test]
    fn torn_lines_are_nothing() {
        let line = line("sh");
        for length in 0..line.len() {
            assert_eq!(Stat::parse(&line.as_bytes()[..length]), None, "{length}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in any::<Vec<u8>>(), fields in "[0-9) -]{0,128}\n") {
            let _ = Stat::parse(&bytes);
            let _ = Stat::parse(fields.as_bytes());
        }
    }
}
