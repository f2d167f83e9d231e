//! A script that an instance runs at boot, before its command serves.

use std::fmt;

use base64::{Engine, prelude::BASE64_STANDARD};
use serde::{Deserialize, Serialize};

/// EC2's bound, of the script before it is encoded.
pub const MAX_BYTES: usize = 16 * 1024;
/// Of the script's last words, in a message.
const LONGEST_LINE: usize = 200;
/// Begins the line that the wrapper writes to the instance's log after the script.
pub(crate) const ENDED: &str = "minicloud: user data ended with exit code ";

/// A shell script or another with a `#!` line; decoded, and never empty.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UserData(String);

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum UserDataError {
    #[error("user data has {0} bytes, the most is {MAX_BYTES}")]
    TooLong(usize),
    #[error(
        "user data is no script: begin it with #! and an interpreter, such as #!/bin/sh, or give \
         such a script in base64"
    )]
    NotAScript,
    #[error("user data contains a NUL character; leave it out")]
    Nul,
}

/// How the script ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    pub exit_code: i32,
    /// What it said last; empty where it said nothing.
    pub last_line: String,
}

impl UserData {
    /// Takes the script as it is, or in base64 as EC2 has it.
    pub fn try_new(text: &str) -> Result<Self, UserDataError> {
        let script = match text.starts_with("#!") {
            true => text.to_owned(),
            false => decode(text).ok_or(UserDataError::NotAScript)?,
        };
        if script.len() > MAX_BYTES {
            return Err(UserDataError::TooLong(script.len()));
        }
        if script.contains('\0') {
            return Err(UserDataError::Nul);
        }
        let script = Self(script);
        match script.interpreter().0 {
            "" => Err(UserDataError::NotAScript),
            _ => Ok(script),
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The program of the `#!` line and its one argument, as the kernel splits them; empty
    /// where there is none.
    pub fn interpreter(&self) -> (&str, &str) {
        let line = self.0.lines().next().unwrap_or_default();
        let line = line.trim_start_matches("#!").trim();
        match line.split_once([' ', '\t']) {
            Some((program, argument)) => (program, argument.trim()),
            None => (line, ""),
        }
    }
}

impl fmt::Debug for UserData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // It may hold secrets, and logs are for everybody.
        write!(f, "UserData({} bytes)", self.0.len())
    }
}

fn decode(text: &str) -> Option<String> {
    let packed: String = text.split_whitespace().collect();
    let script = String::from_utf8(BASE64_STANDARD.decode(packed).ok()?).ok()?;
    script.starts_with("#!").then_some(script)
}

impl Outcome {
    /// Looks for the wrapper's line in the beginning of an instance's log; `None` while the
    /// script runs.
    pub fn find(log: &[u8]) -> Option<Self> {
        let log = String::from_utf8_lossy(log);
        let mut last_line = "";
        for line in log.split_inclusive('\n') {
            // A line that has not ended may be half of ours.
            let line = line.strip_suffix('\n')?;
            if let Some(code) = line.strip_prefix(ENDED).and_then(|code| code.parse().ok()) {
                let plain = |c: char| if c.is_control() { ' ' } else { c };
                return Some(Self {
                    exit_code: code,
                    last_line: last_line.chars().take(LONGEST_LINE).map(plain).collect(),
                });
            }
            if !line.trim().is_empty() {
                last_line = line.trim();
            }
        }
        None
    }

    /// Why it failed, where it did.
    pub fn failure(&self) -> Option<String> {
        let Self {
            exit_code,
            last_line,
        } = self;
        match (exit_code, last_line.as_str()) {
            (0, _) => None,
            (code, "") => Some(format!("user data failed with exit code {code}")),
            (code, line) => Some(format!("user data failed with exit code {code}: {line}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_are_taken_plain_and_in_base64() {
        let script = "#!/bin/sh -e\necho hello\n";
        let encoded = BASE64_STANDARD.encode(script);
        let folded = format!("{}\n{}", &encoded[..8], &encoded[8..]);
        for text in [script, &encoded, &folded] {
            let data = UserData::try_new(text).unwrap();
            assert_eq!(data.as_str(), script);
            assert_eq!(data.interpreter(), ("/bin/sh", "-e"));
        }
        let env = UserData::try_new("#! /usr/bin/env python3\n").unwrap();
        assert_eq!(env.interpreter(), ("/usr/bin/env", "python3"));
    }

    #[test]
    fn what_is_no_script_is_refused() {
        let encoded = BASE64_STANDARD.encode("echo hello");
        for text in ["", "echo hello", "#!", "#!  \n", "%%%", encoded.as_str()] {
            let refused = UserData::try_new(text);
            assert_eq!(refused, Err(UserDataError::NotAScript), "{text:?}");
        }
        let most = format!("#!/bin/sh\n{}", "x".repeat(MAX_BYTES - 10));
        assert!(UserData::try_new(&most).is_ok());
        let encoded = BASE64_STANDARD.encode(&most);
        assert!(
            UserData::try_new(&encoded).is_ok(),
            "the bound is the script's"
        );
        let longer = format!("{most}x");
        let refused = UserData::try_new(&longer);
        assert_eq!(refused, Err(UserDataError::TooLong(MAX_BYTES + 1)));
        assert_eq!(UserData::try_new("#!/bin/sh\0\n"), Err(UserDataError::Nul));
    }

    #[test]
    fn outcome_is_read_from_the_log() {
        let log = format!("one\nno such host\n\n{ENDED}3\nserving\n");
        let outcome = Outcome::find(log.as_bytes()).unwrap();
        assert_eq!(
            outcome.failure().as_deref(),
            Some("user data failed with exit code 3: no such host")
        );
        let fine = Outcome::find(format!("{ENDED}0\n").as_bytes()).unwrap();
        assert_eq!(fine.failure(), None);
        assert_eq!(Outcome::find(b"one\ntwo\n"), None);
        // Half a line: `ended with exit code 1` of `127`.
        assert_eq!(Outcome::find(format!("{ENDED}1").as_bytes()), None);
    }
}
