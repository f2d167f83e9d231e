//! The state folder: where it is when nobody says, and what keeps us from it.

use std::{
    env,
    path::{Path, PathBuf},
};

use minicloud_autoscaler::StateDir;
use rand::{SeedableRng, rngs::SmallRng};

use super::control_plane::seed;
use crate::failure::Failure;

/// Opens and locks the folder that was named, or the user's own.
pub(crate) fn open(named: Option<PathBuf>) -> Result<StateDir, Failure> {
    let path = match named {
        Some(path) => path,
        None => default_folder(|name| env::var_os(name).map(PathBuf::from)),
    };
    open_at(&path, seed()?)
}

fn open_at(path: &Path, seed: u64) -> Result<StateDir, Failure> {
    StateDir::open(path, &mut SmallRng::seed_from_u64(seed))
        .map_err(|error| Failure::state_folder(path, &error))
}

/// The XDG base directory for state: it survives a change of working directory, so the next
/// `up` finds the instances of the last wherever it is started.
fn default_folder(env: impl Fn(&str) -> Option<PathBuf>) -> PathBuf {
    let absolute = |name| env(name).filter(|path| path.is_absolute());
    absolute("XDG_STATE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/state")))
        .map_or_else(|| ".minicloud".into(), |folder| folder.join("minicloud"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Exit;

    #[test]
    fn folder_follows_xdg() {
        let folder = |given: &[(&str, &str)]| {
            default_folder(|name| {
                let found = given.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| value.into())
            })
        };
        for (given, expected) in [
            (
                &[("XDG_STATE_HOME", "/s"), ("HOME", "/h")][..],
                "/s/minicloud",
            ),
            (
                &[("XDG_STATE_HOME", "rel"), ("HOME", "/h")],
                "/h/.local/state/minicloud",
            ),
            (&[], ".minicloud"),
        ] {
            assert_eq!(folder(given), Path::new(expected));
        }
    }

    #[test]
    fn what_keeps_us_out_has_its_own_exit_code() {
        let dir = tempfile::tempdir().unwrap();
        let held = open_at(&dir.path().join("a"), 7).unwrap();
        let failure = open_at(held.path(), 7).unwrap_err();
        assert_eq!(failure.exit, Exit::InUse);
        std::fs::write(dir.path().join("b"), "").unwrap();
        let failure = open_at(&dir.path().join("b"), 7).unwrap_err();
        assert_eq!(failure.exit, Exit::CannotCreate);
    }
}
