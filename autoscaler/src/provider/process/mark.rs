//! The mark that a process carries in its environment.

use std::ffi::OsString;

use super::super::identity::{ENVIRONMENT, Identity};
use crate::instance::InstanceId;

/// Set for commands run by `exec`: they count to the instance and never lead it.
pub(super) const COMMAND: &str = "MINICLOUD_COMMAND";

/// What a process says of itself; hostile until the owner is ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) owner: String,
    pub(super) instance_id: InstanceId,
    pub(super) is_command: bool,
    /// `None` where a variable is missing or makes no sense.
    pub(super) identity: Option<Identity>,
    pub(super) address: Option<String>,
}

impl Mark {
    /// Reads `/proc/<pid>/environ`: `NAME=value` ended by NUL, the first of a name counts.
    pub(super) fn parse(environ: &[u8]) -> Option<Self> {
        let lookup = |name: &'static str| {
            variables(environ)
                .find(|(key, _)| *key == name.as_bytes())
                .and_then(|(_, value)| std::str::from_utf8(value).ok())
        };
        let address = || {
            let ip: std::net::IpAddr = lookup("BIND")?.parse().ok()?;
            let port: u16 = lookup("PORT")?.parse().ok()?;
            Some(std::net::SocketAddr::new(ip, port).to_string())
        };
        Some(Self {
            owner: lookup(ENVIRONMENT.owner)?.to_owned(),
            instance_id: lookup(ENVIRONMENT.instance_id)?.parse().ok()?,
            is_command: lookup(COMMAND).is_some(),
            identity: Identity::read(&ENVIRONMENT, lookup),
            address: address(),
        })
    }

    pub(super) fn is_of(&self, owner: &str, id: &InstanceId) -> bool {
        self.owner == owner && self.instance_id == *id
    }
}

/// The variables of an environ file, as an environment to start a command with.
pub(super) fn environment(environ: &[u8]) -> Vec<(OsString, OsString)> {
    use std::os::unix::ffi::OsStringExt;
    variables(environ)
        .map(|(name, value)| {
            (
                OsString::from_vec(name.to_vec()),
                OsString::from_vec(value.to_vec()),
            )
        })
        .collect()
}

fn variables(environ: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    environ.split(|byte| *byte == 0).filter_map(|entry| {
        let equals = entry.iter().position(|byte| *byte == b'=')?;
        Some((entry.get(..equals)?, entry.get(equals + 1..)?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARKED: &[u8] =
        b"PATH=/bin\0PORT=4000\0BIND=127.0.0.1\0MINICLOUD_INSTANCE_ID=i-0123abcd\0\
        MINICLOUD_OWNER=me\0MINICLOUD_AUTO_SCALING_GROUP=web\0MINICLOUD_AVAILABILITY_ZONE=a\0\
        MINICLOUD_INSTANCE_INDEX=1\0MINICLOUD_LAUNCH_TEMPLATE=web\0\
        MINICLOUD_LAUNCH_TEMPLATE_VERSION=3\0";

    #[test]
    fn mark_is_read_from_environ() {
        let mark = Mark::parse(MARKED).unwrap();
        assert!(mark.is_of("me", &"i-0123abcd".parse().unwrap()));
        assert!(!mark.is_of("you", &"i-0123abcd".parse().unwrap()));
        assert_eq!(mark.address.as_deref(), Some("127.0.0.1:4000"));
        assert_eq!(mark.identity.unwrap().launch_template_version, 3);
        assert!(!mark.is_command);
    }

    #[test]
    fn first_of_a_name_counts() {
        let mut environ = MARKED.to_vec();
        environ.extend_from_slice(b"MINICLOUD_OWNER=you\0");
        assert_eq!(Mark::parse(&environ).unwrap().owner, "me");
    }

    #[test]
    fn unmarked_and_hostile_environs_have_no_mark() {
        for environ in [
            b"".as_slice(),
            b"\0\0=\0",
            b"MINICLOUD_OWNER=me\0",
            b"MINICLOUD_OWNER=me\0MINICLOUD_INSTANCE_ID=i-../../x\0",
            b"MINICLOUD_OWNER=\xff\xfe\0MINICLOUD_INSTANCE_ID=i-0123abcd\0",
        ] {
            assert_eq!(Mark::parse(environ), None, "{environ:?}");
        }
    }
}
