//! What an image runs by itself.

use super::{DockerProvider, engine::Fault, launch};
use crate::{
    launch_template::LaunchTemplate,
    provider::{
        LaunchError,
        boot::{self, Script},
    },
};

/// Where the script is put and runs: writable for whoever the image's user is.
const FOLDER: &str = "/tmp";

/// A container's entrypoint and what it is given; `None` is the image's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) entrypoint: Option<Vec<String>>,
    pub(super) command: Option<Vec<String>>,
}

/// What the template makes of its image: the template's words, and user data before them.
pub(super) async fn run_of(
    provider: &DockerProvider,
    template: &LaunchTemplate,
    image: &str,
) -> Result<Run, LaunchError> {
    let own = Run {
        entrypoint: template.entrypoint.clone(),
        command: template.command.clone(),
    };
    let Some(user_data) = &template.user_data else {
        return Ok(own);
    };
    let argv = own.over(of_image(provider, image).await?);
    if argv.is_empty() {
        return Err(LaunchError::Template(format!(
            "image `{image}` has no command to run after user data; add command: [...] to launch \
             template `{}`",
            template.name
        )));
    }
    Ok(Run {
        entrypoint: Some(boot::prefix(template, FOLDER, &Script::Inline(user_data))),
        command: Some(argv),
    })
}

impl Run {
    /// The whole command line. As `docker run` has it, an entrypoint of one's own puts the
    /// image's command aside.
    fn over(self, image: Self) -> Vec<String> {
        let command = match &self.entrypoint {
            Some(_) => self.command,
            None => self.command.or(image.command),
        };
        let entrypoint = self.entrypoint.or(image.entrypoint);
        let words = entrypoint.into_iter().chain(command);
        words.flatten().collect()
    }
}

async fn of_image(provider: &DockerProvider, image: &str) -> Result<Run, LaunchError> {
    let found = provider
        .engine
        .call(async |docker| docker.inspect_image(image).await)
        .await;
    let config = match found {
        Ok(found) => found.config.unwrap_or_default(),
        Err(Fault::Missing(_)) => return Err(launch::image_missing(image)),
        Err(fault) => return Err(fault.into()),
    };
    Ok(Run {
        entrypoint: config.entrypoint,
        command: config.cmd,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(entrypoint: &[&str], command: &[&str]) -> Run {
        let words = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            (!words.is_empty()).then_some(words)
        };
        Run {
            entrypoint: words(entrypoint),
            command: words(command),
        }
    }

    #[test]
    fn command_line_is_that_of_docker_run() {
        let image = || run(&["entry"], &["serve"]);
        for (own, expected) in [
            (run(&[], &[]), "entry serve"),
            (run(&[], &["other"]), "entry other"),
            (run(&["mine"], &[]), "mine"),
            (run(&["mine"], &["other"]), "mine other"),
        ] {
            assert_eq!(own.over(image()).join(" "), expected);
        }
    }
}
