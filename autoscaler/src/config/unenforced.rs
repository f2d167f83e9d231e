//! What a file asks for and no provider, or not the one in use, can enforce: told, not refused.

use super::{Config, ProviderKind, Warning};
use crate::security_group::have_member_sources;

impl Config {
    /// One for each thing that is asked for and not enforced, or not everywhere; with
    /// `provider` in use, or with any.
    pub(super) fn unenforced(&self, provider: Option<ProviderKind>) -> Vec<Warning> {
        let templates = self.launch_templates.values();
        let templates = templates
            .filter(|template| !template.security_groups.is_empty())
            .flat_map(|template| {
                let of = |kind, is_run: bool, says: &str| {
                    let concerns = is_run && provider.is_none_or(|used| used == kind);
                    concerns.then(|| Warning {
                        path: format!("launch_templates.{}.security_groups", template.name),
                        message: says.to_owned(),
                    })
                };
                [
                    of(
                        ProviderKind::Process,
                        template.process.is_some(),
                        ON_PROCESSES,
                    ),
                    of(ProviderKind::Docker, template.image.is_some(), ON_DOCKER),
                ]
            })
            .flatten();
        let balancers = self.load_balancers.values();
        let balancers = balancers
            .filter(|it| have_member_sources(&it.security_groups, &self.security_groups))
            .map(|it| Warning {
                path: format!("load_balancers.{}.security_groups", it.name),
                message: MEMBERS.to_owned(),
            });
        templates.chain(balancers).collect()
    }
}

const ON_PROCESSES: &str = "child processes listen on loopback, where every program of this machine reaches them and nobody else does: only rules for 127.0.0.0/8 mean something, and none is enforced";
const ON_DOCKER: &str = "containers share a network with the members of their groups and of the groups that these let in, and with nobody else; ports and cidr are not enforced, and in a Compose project nothing is";
const MEMBERS: &str = "source_security_group lets in instances that have an address of their own, which are those of a Compose project; others cannot be told from the rest of this machine";
