//! Launch templates: what the file says of them, what is asked through the API, and which
//! version a group launches from.

use tracing::info;

use super::Reconciler;
use crate::{
    command::LaunchTemplateCommand,
    config,
    describe::ConditionKind,
    instance_type::{self, InstanceType},
    launch_template::{
        Author, CreatedBy, LaunchTemplate, LaunchTemplateData, LaunchTemplateError,
        LaunchTemplateId, LaunchTemplateReference, VersionSelector, VersionedTemplate, check_name,
        describe::{
            CreateLaunchTemplate, CreateLaunchTemplateVersion, LaunchTemplateDescription,
            LaunchTemplateVersionDescription,
        },
    },
    now::{Clock, Now},
    provider::InstanceProvider,
    store::StoreError,
};

/// EC2's limit on templates in a region.
const MAX_TEMPLATES: usize = 5000;

type Outcome<T> = Result<T, LaunchTemplateError>;

impl<P: InstanceProvider, C: Clock> Reconciler<P, C> {
    /// Makes a version of each template of the file whose text is new.
    pub(super) fn follow_file_templates(&mut self, now: Now) -> Result<(), StoreError> {
        let author = Author {
            by: CreatedBy::ConfigurationFile,
            at: now.wall,
        };
        for (name, text) in &self.config.launch_templates {
            let mut template = match self.ledger.store.launch_template(name)? {
                Some(template) => template,
                None => {
                    let id = LaunchTemplateId::random(&mut self.rng);
                    let versions = self.ledger.store.headless_versions(name, author)?;
                    VersionedTemplate::new(name.clone(), id, author).with_versions(versions)
                }
            };
            if template.follow_file(text, now.wall) {
                self.ledger.store.put_launch_template(&template)?;
            }
        }
        for mut template in self.ledger.store.launch_templates()? {
            if !self.config.launch_templates.contains_key(&template.name) && template.leave_file() {
                self.ledger.store.put_launch_template(&template)?;
            }
        }
        Ok(())
    }

    /// The version that a group is to launch from now.
    pub(super) fn launch_template_of(
        &self,
        reference: &LaunchTemplateReference,
    ) -> Outcome<LaunchTemplate> {
        let template = self.find_template(&reference.name)?;
        let template = template.resolve(reference.version)?.template.clone();
        let known = &self.config.security_groups;
        let mut groups = template.security_groups.iter();
        match groups.find(|group| !known.contains_key(*group)) {
            Some(group) => Err(LaunchTemplateError::SecurityGroupNotFound {
                name: template.name.clone(),
                version: template.version,
                security_group: group.clone(),
            }),
            None => Ok(template),
        }
    }

    /// The stored text of one version, where it is still there.
    pub(super) fn launch_template_version(
        &self,
        name: &str,
        version: u64,
    ) -> Option<LaunchTemplate> {
        let template = self.ledger.store.launch_template(name).ok().flatten()?;
        let found = template.resolve(VersionSelector::Number(version)).ok()?;
        Some(found.template.clone())
    }

    /// After a change of templates: groups launch from what their reference now means.
    pub(super) fn resolve_launch_templates(&mut self, now: Now) {
        let names: Vec<String> = self.groups.keys().cloned().collect();
        for name in names {
            let Some(group) = self.groups.get(&name).filter(|group| !group.retired) else {
                continue;
            };
            let resolved = self.launch_template_of(&group.spec.launch_template);
            if let Some(group) = self.groups.get_mut(&name) {
                match resolved {
                    Ok(template) if template == group.launch_template => {
                        group.launch_template_fault = None;
                    }
                    Ok(template) => {
                        info!(
                            asg.name = name,
                            launch_template = template.name,
                            version = template.version,
                            "the group launches from another version"
                        );
                        group.launch_template = template;
                        group.launch_template_fault = None;
                        // What failed before may work now.
                        group.launches.reset();
                    }
                    Err(error) => group.launch_template_fault = Some(error.to_string()),
                }
            }
            self.report_launch_template(&name, now);
        }
    }

    pub(super) fn report_launch_template(&mut self, name: &str, now: Now) {
        let fault = self
            .groups
            .get(name)
            .and_then(|group| group.launch_template_fault.as_ref())
            .map(|fault| format!("{fault}; nothing is launched until it exists"));
        self.conditions
            .set(name, ConditionKind::LaunchTemplateNotFound, fault, now.wall);
    }

    /// Does what is asked and answers. The asker may have gone; it is done all the same.
    pub(super) fn obey_launch_template(&mut self, command: LaunchTemplateCommand, now: Now) {
        use LaunchTemplateCommand as Asked;
        match command {
            Asked::Describe { reply } => drop(reply.send(self.describe_templates())),
            Asked::DescribeVersions { name, reply } => {
                drop(reply.send(self.describe_versions(&name)));
            }
            Asked::Create { create, reply } => {
                drop(reply.send(self.create_template(create, now)));
            }
            Asked::CreateVersion {
                name,
                create,
                reply,
            } => drop(reply.send(self.create_version(&name, create, now))),
            Asked::Modify {
                name,
                default_version,
                reply,
            } => drop(reply.send(self.set_default_version(&name, default_version, now))),
            Asked::Delete { name, reply } => drop(reply.send(self.delete_template(&name, now))),
            Asked::DeleteVersion {
                name,
                version,
                reply,
            } => drop(reply.send(self.delete_version(&name, version, now))),
            Asked::DescribeInstanceTypes { reply } => {
                let types: Vec<InstanceType> =
                    instance_type::all(&self.config.instance_types).collect();
                drop(reply.send(Ok(types)));
            }
        }
    }

    fn describe_templates(&self) -> Outcome<Vec<LaunchTemplateDescription>> {
        let templates = self.ledger.store.launch_templates().map_err(unstored)?;
        Ok(templates.iter().map(VersionedTemplate::describe).collect())
    }

    fn describe_versions(&self, name: &str) -> Outcome<Vec<LaunchTemplateVersionDescription>> {
        let template = self.find_template(name)?;
        let versions = template.versions();
        Ok(versions
            .map(|version| template.describe_version(version))
            .collect())
    }

    fn create_template(
        &mut self,
        create: CreateLaunchTemplate,
        now: Now,
    ) -> Outcome<LaunchTemplateDescription> {
        let name = create.launch_template_name;
        check_name(&name)?;
        let known = self.ledger.store.launch_templates().map_err(unstored)?;
        if known.iter().any(|template| template.name == name) {
            return Err(LaunchTemplateError::AlreadyExists(name));
        }
        if known.len() >= MAX_TEMPLATES {
            return Err(LaunchTemplateError::LimitExceeded(format!(
                "there are {MAX_TEMPLATES} launch templates, the most; delete some"
            )));
        }
        let data = self.read_data(create.launch_template_data)?;
        let id = LaunchTemplateId::random(&mut self.rng);
        let mut template = VersionedTemplate::new(name, id, by_api(now));
        template.create_version(data, None, create.version_description, by_api(now))?;
        self.keep(&template, now)?;
        Ok(template.describe())
    }

    fn create_version(
        &mut self,
        name: &str,
        create: CreateLaunchTemplateVersion,
        now: Now,
    ) -> Outcome<LaunchTemplateVersionDescription> {
        let mut template = self.find_template(name)?;
        let data = self.read_data(create.launch_template_data)?;
        let number = template.create_version(
            data,
            create.source_version,
            create.version_description,
            by_api(now),
        )?;
        self.keep(&template, now)?;
        let version = template.resolve(VersionSelector::Number(number))?;
        Ok(template.describe_version(version))
    }

    fn set_default_version(
        &mut self,
        name: &str,
        default_version: VersionSelector,
        now: Now,
    ) -> Outcome<LaunchTemplateDescription> {
        let mut template = self.find_template(name)?;
        template.set_default_version(default_version)?;
        self.keep(&template, now)?;
        Ok(template.describe())
    }

    fn delete_template(&mut self, name: &str, now: Now) -> Outcome<LaunchTemplateDescription> {
        let template = self.find_template(name)?;
        let in_use = |user: String, remedy| LaunchTemplateError::InUse {
            name: template.name.clone(),
            user,
            remedy,
        };
        if let Some(group) = self.user_of(&template.name, |_| true) {
            let remedy = "give the group another one, or remove the group first";
            return Err(in_use(format!("Auto Scaling group `{group}`"), remedy));
        }
        if template.is_in_file() {
            let remedy = "remove it there";
            return Err(in_use("the configuration file".to_owned(), remedy));
        }
        let deleted = self.ledger.store.delete_launch_template(&template.name);
        deleted.map_err(unstored)?;
        info!(launch_template = template.name, "deleted");
        self.resolve_launch_templates(now);
        Ok(template.describe())
    }

    fn delete_version(
        &mut self,
        name: &str,
        version: u64,
        now: Now,
    ) -> Outcome<LaunchTemplateVersionDescription> {
        let mut template = self.find_template(name)?;
        let pinned = VersionSelector::Number(version);
        let description = template.describe_version(template.resolve(pinned)?);
        template.delete_version(version)?;
        if let Some(group) = self.user_of(&template.name, |used| used == pinned) {
            return Err(LaunchTemplateError::InUse {
                name: template.name,
                user: format!("Auto Scaling group `{group}`, which names version {version}"),
                remedy: "give the group another version first",
            });
        }
        let store = &self.ledger.store;
        store
            .delete_launch_template_version(&template.name, version)
            .map_err(unstored)?;
        self.keep(&template, now)?;
        Ok(description)
    }

    fn user_of(&self, name: &str, uses: impl Fn(VersionSelector) -> bool) -> Option<&String> {
        let groups = self.config.auto_scaling_groups.iter();
        let mut users = groups.filter(|(_, spec)| {
            spec.launch_template.name == name && uses(spec.launch_template.version)
        });
        users.next().map(|(group, _)| group)
    }

    fn read_data(
        &self,
        members: serde_json::Map<String, serde_json::Value>,
    ) -> Outcome<LaunchTemplateData> {
        config::launch_template_data(members, &self.config).map_err(|faults| {
            LaunchTemplateError::InvalidData(format!("launch_template_data: {faults}"))
        })
    }

    /// By name or by id.
    fn find_template(&self, name: &str) -> Outcome<VersionedTemplate> {
        if let Some(template) = self.ledger.store.launch_template(name).map_err(unstored)? {
            return Ok(template);
        }
        let templates = self.ledger.store.launch_templates().map_err(unstored)?;
        let known: Vec<_> = templates.iter().map(|it| it.name.as_str()).collect();
        let known = match known.is_empty() {
            true => "none".to_owned(),
            false => known.join(", "),
        };
        let of_id = templates.into_iter().find(|it| it.id.as_str() == name);
        of_id.ok_or_else(|| LaunchTemplateError::NotFound {
            name: name.chars().take(128).collect(),
            known,
        })
    }

    fn keep(&mut self, template: &VersionedTemplate, now: Now) -> Outcome<()> {
        self.ledger
            .store
            .put_launch_template(template)
            .map_err(unstored)?;
        self.resolve_launch_templates(now);
        Ok(())
    }
}

fn by_api(now: Now) -> Author {
    Author {
        by: CreatedBy::ControlApi,
        at: now.wall,
    }
}

#[expect(clippy::needless_pass_by_value, reason = "fits map_err")]
fn unstored(error: StoreError) -> LaunchTemplateError {
    LaunchTemplateError::Store(error.to_string())
}
