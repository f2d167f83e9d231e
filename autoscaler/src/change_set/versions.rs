//! Which versions of launch templates there will be, and what groups launch from then.

use std::collections::BTreeMap;

use crate::{
    config::Config,
    launch_template::{LaunchTemplateReference, VersionSelector, VersionedTemplate},
};

pub(super) struct Versions<'a> {
    known: &'a BTreeMap<String, VersionedTemplate>,
    /// Those that the next configuration makes, by name.
    made: BTreeMap<&'a str, u64>,
}

impl<'a> Versions<'a> {
    pub(super) fn new(known: &'a BTreeMap<String, VersionedTemplate>, next: &'a Config) -> Self {
        let made = next.launch_templates.iter().filter_map(|(name, text)| {
            let number = match known.get(name) {
                Some(template) => template.next_version(text)?,
                None => 1,
            };
            Some((name.as_str(), number))
        });
        Self {
            known,
            made: made.collect(),
        }
    }

    /// The version that is meant now.
    pub(super) fn before(&self, name: &str, version: VersionSelector) -> Option<u64> {
        let found = self.known.get(name)?.resolve(version).ok()?;
        Some(found.template.version)
    }

    /// The version that will be meant.
    pub(super) fn after(&self, name: &str, version: VersionSelector) -> Option<u64> {
        let made = self.made.get(name).copied();
        let before = self.before(name, version);
        match version {
            VersionSelector::Latest => made.or(before),
            VersionSelector::Default => before.or(made),
            VersionSelector::Number(number) => before.or(made.filter(|made| *made == number)),
        }
    }

    /// What a group with that reference will launch from; `None` where there is no such thing.
    pub(super) fn target<'r>(
        &self,
        reference: &'r LaunchTemplateReference,
    ) -> Option<(&'r str, u64)> {
        let version = self.after(&reference.name, reference.version)?;
        Some((&reference.name, version))
    }
}
