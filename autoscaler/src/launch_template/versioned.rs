//! A launch template with its versions, and what may be done to them. Pure: the caller brings
//! time and randomness, and keeps what comes of it.

use std::{collections::BTreeMap, fmt};

use jiff::Timestamp;
use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

use super::{
    LaunchTemplate, LaunchTemplateData, LaunchTemplateError, VersionSelector,
    describe::{LaunchTemplateDescription, LaunchTemplateVersionDescription},
};

/// EC2's limit on versions of one template.
const MAX_VERSIONS: usize = 10_000;
/// EC2's limit on a version's description, in characters.
const MAX_DESCRIPTION: usize = 255;
const NAME_LENGTH: std::ops::RangeInclusive<usize> = 3..=128;

/// `lt-` and 17 hex digits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LaunchTemplateId(String);

/// Who made a template or a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum CreatedBy {
    ConfigurationFile,
    ControlApi,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct VersionedTemplate {
    pub(crate) id: LaunchTemplateId,
    pub(crate) name: String,
    create_time: Timestamp,
    created_by: CreatedBy,
    default_version: u64,
    /// The highest number ever given.
    last_version: u64,
    /// As the configuration file had it last: only another text makes a new version, so what
    /// the API adds stays the latest until the file changes.
    #[serde(default)]
    file: Option<LaunchTemplate>,
    /// Kept apart from the rest, one by one.
    #[serde(skip)]
    versions: BTreeMap<u64, Version>,
}

/// One version and who made it when.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Version {
    pub(crate) template: LaunchTemplate,
    description: Option<String>,
    create_time: Timestamp,
    created_by: CreatedBy,
}

/// Who does something, and when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Author {
    pub(crate) by: CreatedBy,
    pub(crate) at: Timestamp,
}

impl LaunchTemplateId {
    pub(crate) fn random(rng: &mut impl Rng) -> Self {
        let (high, low): (u64, u8) = (rng.random(), rng.random());
        Self(format!("lt-{high:016x}{:x}", low & 0xf))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CreatedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ConfigurationFile => "configuration-file",
            Self::ControlApi => "control-api",
        })
    }
}

/// Botocore's `LaunchTemplateName`. Names in the file are held to the file's own rules.
pub(crate) fn check_name(name: &str) -> Result<(), LaunchTemplateError> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"().-/_".contains(&b);
    match NAME_LENGTH.contains(&name.len()) && name.bytes().all(allowed) {
        true => Ok(()),
        false => Err(LaunchTemplateError::MalformedName(
            name.chars().take(40).collect(),
        )),
    }
}

impl VersionedTemplate {
    /// A template without versions: the first that is added is its default.
    pub(crate) fn new(name: String, id: LaunchTemplateId, author: Author) -> Self {
        Self {
            id,
            name,
            create_time: author.at,
            created_by: author.by,
            default_version: 1,
            last_version: 0,
            file: None,
            versions: BTreeMap::new(),
        }
    }

    /// What the store has of it, put together again.
    pub(crate) fn with_versions(mut self, versions: impl IntoIterator<Item = Version>) -> Self {
        let numbered = versions
            .into_iter()
            .map(|version| (version.template.version, version));
        self.versions.extend(numbered);
        let highest = self.versions.keys().next_back().copied();
        self.last_version = self.last_version.max(highest.unwrap_or_default());
        if !self.versions.contains_key(&self.default_version) {
            let lowest = self.versions.keys().next().copied();
            self.default_version = lowest.unwrap_or(self.default_version);
        }
        self
    }

    /// Adds what the file says, where it says something new. True where it does.
    pub(crate) fn follow_file(&mut self, template: &LaunchTemplate, at: Timestamp) -> bool {
        let text = LaunchTemplate {
            version: 0,
            ..template.clone()
        };
        if self.file.as_ref() == Some(&text) {
            return false;
        }
        if self.next_version(&text).is_some() {
            let by = CreatedBy::ConfigurationFile;
            self.push(text.clone(), None, Author { by, at });
        }
        self.file = Some(text);
        true
    }

    /// The number of the version that the file makes with this text; `None` where it is not new.
    pub(crate) fn next_version(&self, template: &LaunchTemplate) -> Option<u64> {
        let text = LaunchTemplate {
            version: 0,
            ..template.clone()
        };
        if self.file.as_ref() == Some(&text) {
            return None;
        }
        // A store from before it kept the file's text: the latest version is it.
        let is_latest = self.file.is_none()
            && self.versions.values().next_back().is_some_and(|latest| {
                let version = latest.template.version;
                let written = latest.created_by == CreatedBy::ConfigurationFile;
                written
                    && latest.template
                        == LaunchTemplate {
                            version,
                            ..text.clone()
                        }
            });
        (!is_latest).then(|| self.last_version + 1)
    }

    /// The file has it no longer. True where it had.
    pub(crate) fn leave_file(&mut self) -> bool {
        self.file.take().is_some()
    }

    pub(crate) fn is_in_file(&self) -> bool {
        self.file.is_some()
    }

    /// Adds a version and returns its number.
    pub(crate) fn create_version(
        &mut self,
        data: LaunchTemplateData,
        source: Option<VersionSelector>,
        description: Option<String>,
        author: Author,
    ) -> Result<u64, LaunchTemplateError> {
        if self.versions.len() >= MAX_VERSIONS {
            return Err(LaunchTemplateError::LimitExceeded(format!(
                "launch template `{}` has {MAX_VERSIONS} versions, the most; delete some",
                self.name
            )));
        }
        let length = description.as_deref().map_or(0, |it| it.chars().count());
        if length > MAX_DESCRIPTION {
            return Err(LaunchTemplateError::InvalidData(format!(
                "version_description has {length} characters, the most is {MAX_DESCRIPTION}"
            )));
        }
        let source = match source {
            Some(selector) => self.resolve(selector)?.template.clone(),
            None => LaunchTemplate {
                name: self.name.clone(),
                ..LaunchTemplate::default()
            },
        };
        let template = data.over(source);
        if let Some(fault) = template.fault() {
            return Err(LaunchTemplateError::InvalidData(fault));
        }
        Ok(self.push(template, description, author))
    }

    fn push(
        &mut self,
        template: LaunchTemplate,
        description: Option<String>,
        author: Author,
    ) -> u64 {
        self.last_version += 1;
        let number = self.last_version;
        if self.versions.is_empty() {
            self.default_version = number;
        }
        let version = Version {
            template: LaunchTemplate {
                version: number,
                ..template
            },
            description,
            create_time: author.at,
            created_by: author.by,
        };
        self.versions.insert(number, version);
        number
    }

    pub(crate) fn resolve(
        &self,
        selector: VersionSelector,
    ) -> Result<&Version, LaunchTemplateError> {
        let found = match selector {
            VersionSelector::Latest => self.versions.values().next_back(),
            VersionSelector::Default => self.versions.get(&self.default_version),
            VersionSelector::Number(number) => self.versions.get(&number),
        };
        found.ok_or_else(|| LaunchTemplateError::VersionNotFound {
            name: self.name.clone(),
            version: selector,
            known: spans(self.versions.keys().copied()),
        })
    }

    pub(crate) fn set_default_version(
        &mut self,
        selector: VersionSelector,
    ) -> Result<(), LaunchTemplateError> {
        self.default_version = self.resolve(selector)?.template.version;
        Ok(())
    }

    /// The default cannot be deleted; a number is not given again.
    pub(crate) fn delete_version(&mut self, number: u64) -> Result<Version, LaunchTemplateError> {
        self.resolve(VersionSelector::Number(number))?;
        if number == self.default_version {
            return Err(LaunchTemplateError::DefaultVersion {
                name: self.name.clone(),
                version: number,
            });
        }
        let deleted = self.versions.remove(&number);
        Ok(deleted.expect("it was resolved above"))
    }

    /// Oldest first.
    pub(crate) fn versions(&self) -> impl Iterator<Item = &Version> {
        self.versions.values()
    }

    pub(crate) fn describe(&self) -> LaunchTemplateDescription {
        LaunchTemplateDescription {
            launch_template_id: self.id.as_str().to_owned(),
            launch_template_name: self.name.clone(),
            create_time: self.create_time,
            created_by: self.created_by.to_string(),
            default_version_number: self.default_version,
            latest_version_number: self
                .versions
                .keys()
                .next_back()
                .copied()
                .unwrap_or_default(),
        }
    }

    pub(crate) fn describe_version(&self, version: &Version) -> LaunchTemplateVersionDescription {
        LaunchTemplateVersionDescription {
            launch_template_id: self.id.as_str().to_owned(),
            launch_template_name: self.name.clone(),
            version_number: version.template.version,
            version_description: version.description.clone(),
            create_time: version.create_time,
            created_by: version.created_by.to_string(),
            default_version: version.template.version == self.default_version,
            launch_template_data: version.template.members(),
        }
    }
}

impl Version {
    /// Of a store that kept nothing but the template's text.
    pub(crate) fn from_text(template: LaunchTemplate, author: Author) -> Self {
        Self {
            template,
            description: None,
            create_time: author.at,
            created_by: author.by,
        }
    }
}

/// `1-3, 7`.
fn spans(numbers: impl Iterator<Item = u64>) -> String {
    let mut spans: Vec<(u64, u64)> = Vec::new();
    for number in numbers {
        match spans.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ => spans.push((number, number)),
        }
    }
    let shown = spans.iter().map(|(first, last)| match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    });
    shown.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::SmallRng};

    use super::*;

    const AUTHOR: Author = Author {
        by: CreatedBy::ControlApi,
        at: Timestamp::UNIX_EPOCH,
    };

    fn empty() -> VersionedTemplate {
        let id = LaunchTemplateId::random(&mut SmallRng::seed_from_u64(1));
        VersionedTemplate::new("web".to_owned(), id, AUTHOR)
    }

    fn image(image: &str) -> LaunchTemplateData {
        LaunchTemplateData {
            image: Some(image.to_owned()),
            port: Some(80),
            ..LaunchTemplateData::default()
        }
    }

    fn with_versions(count: usize) -> VersionedTemplate {
        let mut template = empty();
        for number in 1..=count {
            let data = image(&format!("image{number}"));
            template.create_version(data, None, None, AUTHOR).unwrap();
        }
        template
    }

    fn resolved(template: &VersionedTemplate, selector: &str) -> Option<u64> {
        let version = template.resolve(selector.parse().unwrap()).ok()?;
        Some(version.template.version)
    }

    #[test]
    fn ids_have_the_form_of_ec2() {
        let id = empty().id.as_str().to_owned();
        let hex = id.strip_prefix("lt-").unwrap();
        assert!(hex.len() == 17 && hex.bytes().all(|b| b.is_ascii_hexdigit()));
    }

    #[test]
    fn first_version_is_the_default_until_another_is_made_it() {
        let mut template = with_versions(3);
        assert_eq!(resolved(&template, "$Latest"), Some(3));
        assert_eq!(resolved(&template, "$Default"), Some(1));
        assert_eq!(resolved(&template, "2"), Some(2));
        assert_eq!(resolved(&template, "4"), None);
        let latest = VersionSelector::Latest;
        template.set_default_version(latest).unwrap();
        assert_eq!(resolved(&template, "$Default"), Some(3));
        let missing = template.set_default_version(VersionSelector::Number(9));
        let error = missing.unwrap_err();
        assert_eq!(error.code(), "InvalidLaunchTemplateId.VersionNotFound");
        assert!(error.to_string().contains("1-3"), "{error}");
    }

    #[test]
    fn default_stays_and_numbers_are_not_given_again() {
        let mut template = with_versions(3);
        let refused = template.delete_version(1).unwrap_err();
        assert_eq!(refused.code(), "OperationNotPermitted");
        template.delete_version(3).unwrap();
        assert_eq!(resolved(&template, "$Latest"), Some(2));
        let made = template.create_version(image("x"), None, None, AUTHOR);
        assert_eq!(made, Ok(4));
        assert!(template.delete_version(3).is_err());
    }

    #[test]
    fn version_is_its_source_with_members_replaced() {
        let mut template = with_versions(1);
        let data = LaunchTemplateData {
            cpus: Some(0.5),
            ..LaunchTemplateData::default()
        };
        let source = Some(VersionSelector::Number(1));
        let description = Some("half".to_owned());
        template
            .create_version(data.clone(), source, description, AUTHOR)
            .unwrap();
        let made = &template.resolve(VersionSelector::Latest).unwrap().template;
        assert_eq!(made.image.as_deref(), Some("image1"));
        assert_eq!((made.cpus, made.port, made.version), (Some(0.5), 80, 2));
        let alone = template.create_version(data, None, None, AUTHOR);
        assert!(matches!(alone, Err(LaunchTemplateError::InvalidData(_))));
    }

    #[test]
    fn file_adds_a_version_only_where_its_text_changes() {
        let mut template = empty();
        let file = |image: &str| LaunchTemplate {
            name: "web".to_owned(),
            version: 1,
            image: Some(image.to_owned()),
            port: 80,
            ..LaunchTemplate::default()
        };
        let at = Timestamp::UNIX_EPOCH;
        let versions = ["a", "a", "b", "b", "a"].map(|text| {
            template.follow_file(&file(text), at);
            resolved(&template, "$Latest").unwrap()
        });
        assert_eq!(versions, [1, 1, 2, 2, 3]);
        // What the API adds stays the latest until the file changes.
        template
            .create_version(image("api"), None, None, AUTHOR)
            .unwrap();
        assert!(!template.follow_file(&file("a"), at));
        assert_eq!(resolved(&template, "$Latest"), Some(4));
        assert!(template.follow_file(&file("c"), at));
        assert_eq!(resolved(&template, "$Latest"), Some(5));
    }

    #[test]
    fn names_are_those_of_ec2() {
        for name in ["web", "a/b", "v1.2_(x)", &"a".repeat(128)] {
            assert_eq!(check_name(name), Ok(()), "{name}");
        }
        for name in ["", "ab", "a b c", "äbc", &"a".repeat(129)] {
            let code = check_name(name).unwrap_err().code();
            assert_eq!(code, "InvalidLaunchTemplateName.MalformedException");
        }
    }

    #[test]
    fn long_descriptions_are_refused() {
        let mut template = with_versions(1);
        let mut add = |length| {
            let description = Some("ä".repeat(length));
            template.create_version(image("x"), None, description, AUTHOR)
        };
        assert!(add(256).is_err());
        assert!(add(255).is_ok());
    }
}
