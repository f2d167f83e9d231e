//! What every provider checks of a launch template.

use super::LaunchError;
use crate::{instance_type::HostSize, launch_template::LaunchTemplate};

/// An instance type promises what the machine must have; `cpus` and `memory` are mere bounds.
pub(super) fn check_size(
    template: &LaunchTemplate,
    host: Option<HostSize>,
) -> Result<(), LaunchError> {
    let of_type = template.instance_type.as_ref();
    match of_type.zip(host).and_then(|(of, host)| of.exceeds(host)) {
        Some(why) => Err(LaunchError::Template(format!(
            "launch template `{}`: {why}",
            template.name
        ))),
        None => Ok(()),
    }
}

/// A name with `=` in it would smuggle in another variable, one of ours say.
pub(super) fn check_env(template: &LaunchTemplate) -> Result<(), LaunchError> {
    let is_variable = |name: &str, value: &str| {
        !name.is_empty() && !name.contains(['=', '\0']) && !value.contains('\0')
    };
    match template
        .env
        .iter()
        .find(|(name, value)| !is_variable(name, value))
    {
        Some((name, _)) => Err(LaunchError::Template(format!(
            "launch template `{}`: the environment variable `{}` cannot be set: its name is \
             empty or has `=` in it, or there is a NUL",
            template.name,
            name.escape_debug()
        ))),
        None => Ok(()),
    }
}
