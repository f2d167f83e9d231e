//! Whether a command can be run at all, told before a shell that is to become it runs.

use std::{
    env,
    ffi::{OsStr, OsString},
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

/// As execvp(3) looks for it: in the folders of `path`, or where its own slashes say, from
/// `folder`.
///
/// # Errors
/// `NotFound` or `PermissionDenied`, as running it would give.
pub(super) fn find(program: &OsStr, path: Option<&OsStr>, folder: Option<&str>) -> io::Result<()> {
    let from_folder = |program: PathBuf| match folder {
        Some(folder) => Path::new(folder).join(program),
        None => program,
    };
    if Path::new(program).components().count() > 1 || Path::new(program).is_absolute() {
        return check(&from_folder(program.into()));
    }
    let mut found = io::ErrorKind::NotFound;
    for folder in env::split_paths(&path.map_or_else(default_path, OsString::from)) {
        match check(&from_folder(folder.join(program))) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => found = error.kind(),
            Err(_) => {}
        }
    }
    Err(found.into())
}

/// Where execvp looks without a `PATH`.
fn default_path() -> OsString {
    "/bin:/usr/bin".into()
}

fn check(file: &Path) -> io::Result<()> {
    let metadata = fs::metadata(file)?;
    match metadata.is_file() && metadata.permissions().mode() & 0o111 != 0 {
        true => Ok(()),
        false => Err(io::ErrorKind::PermissionDenied.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_as_they_would_be_run() {
        let kind = |program: &str| {
            let path = OsStr::new("/no/such/folder:/etc:/bin");
            let found = find(OsStr::new(program), Some(path), Some("/bin"));
            found.map_err(|error| error.kind())
        };
        for program in ["sh", "/bin/sh", "./sh"] {
            assert_eq!(kind(program), Ok(()), "{program}");
        }
        assert_eq!(kind("no-such-program"), Err(io::ErrorKind::NotFound));
        assert_eq!(kind("/etc/passwd"), Err(io::ErrorKind::PermissionDenied));
        assert_eq!(kind("/etc"), Err(io::ErrorKind::PermissionDenied));
    }
}
