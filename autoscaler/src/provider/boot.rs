//! What runs before an instance's command, in a few lines of shell: user data.

use crate::launch_template::{LaunchTemplate, UserData, user_data::ENDED};

/// The script's words go to one stream, so that the last of them come last.
///
/// Takes `required` or nothing, a folder, the interpreter, its argument or nothing, the script or
/// nothing where the folder has it, and the command. Says how the script ended on a line of
/// its own, and becomes the command.
const USER_DATA: &str = r#"f=$2/user-data
if [ -n "$5" ]; then
  (umask 077 && printf '%s' "$5" >"$f") || { echo "minicloud: cannot write user data to $2" >&2; exit 126; }
fi
if [ -n "$4" ]; then (cd "$2" && exec "$3" "$4" "$f") 2>&1; else (cd "$2" && exec "$3" "$f") 2>&1; fi
s=$?
rm -f "$f"
printf '\nENDED%s\n' "$s"
if [ "$s" != 0 ] && [ -n "$1" ]; then exit "$s"; fi
shift 5
exec "$@""#;

/// Name of the script in an instance's folder.
pub(super) const FILE: &str = "user-data";

/// Where the script comes from.
pub(super) enum Script<'a> {
    /// Written to the folder by the shell.
    Inline(&'a UserData),
    /// In the folder already, as [`FILE`].
    InFolder(&'a UserData),
}

/// The words before a command that make it run after `script`, which runs in `folder`.
pub(super) fn prefix(template: &LaunchTemplate, folder: &str, script: &Script<'_>) -> Vec<String> {
    let (data, text) = match script {
        Script::Inline(data) => (data, data.as_str()),
        Script::InFolder(data) => (data, ""),
    };
    let (interpreter, argument) = data.interpreter();
    let required = match template.user_data_required {
        true => "required",
        false => "",
    };
    let shell = USER_DATA.replace("ENDED", ENDED);
    let words = ["sh", "-c", &shell, "minicloud"].into_iter();
    words
        .chain([required, folder, interpreter, argument, text])
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Output};

    use super::*;
    use crate::launch_template::user_data::Outcome;

    fn boot(script: &str, required: bool) -> (Output, Option<Outcome>) {
        let folder = tempfile::tempdir().unwrap();
        let template = LaunchTemplate {
            user_data_required: required,
            ..LaunchTemplate::default()
        };
        let data = UserData::try_new(script).unwrap();
        let folder = folder.path().to_str().unwrap();
        let prefix = prefix(&template, folder, &Script::Inline(&data));
        let output = Command::new(&prefix[0])
            .args(&prefix[1..])
            .args(["printf", "serving %s", "a b"])
            .output()
            .unwrap();
        let outcome = Outcome::find(&output.stdout);
        (output, outcome)
    }

    #[test]
    fn command_follows_the_script() {
        let (output, outcome) = boot("#!/bin/sh -e\nprintf %s \"$0 's\"\n", true);
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(said.ends_with("\nserving a b"), "{said}");
        assert_eq!(outcome.unwrap().failure(), None);
    }

    #[test]
    fn failure_is_told_and_ends_what_requires_it() {
        let script = "#!/bin/sh\necho no such host\nexit 3\n";
        let failure = "user data failed with exit code 3: no such host";
        let (output, outcome) = boot(script, false);
        assert!(output.stdout.ends_with(b"serving a b"));
        assert_eq!(outcome.unwrap().failure().as_deref(), Some(failure));
        let (output, outcome) = boot(script, true);
        assert_eq!(output.status.code(), Some(3));
        assert_eq!(outcome.unwrap().failure().as_deref(), Some(failure));
    }

    #[test]
    fn interpreter_that_is_missing_fails_the_script() {
        let (_, outcome) = boot("#!/no/such/interpreter\n", false);
        assert_eq!(outcome.unwrap().exit_code, 127);
    }
}
