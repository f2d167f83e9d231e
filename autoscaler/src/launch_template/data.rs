//! The members of a launch template as they are given: to begin with, or in place of those of
//! an earlier version.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{LaunchTemplate, Mount, ProcessTemplate, UserData};
use crate::{config::show_bytes, instance_type::InstanceType};

/// EC2's `RequestLaunchTemplateData`: what is absent is taken from the source version, or left
/// to its default.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LaunchTemplateData {
    pub image: Option<String>,
    pub process: Option<ProcessTemplate>,
    pub instance_type: Option<InstanceType>,
    pub cpus: Option<f64>,
    pub memory: Option<u64>,
    pub port: Option<u16>,
    pub env: Option<BTreeMap<String, String>>,
    pub security_groups: Option<Vec<String>>,
    pub entrypoint: Option<Vec<String>>,
    pub command: Option<Vec<String>>,
    pub working_dir: Option<String>,
    pub user: Option<String>,
    pub user_data: Option<UserData>,
    pub user_data_required: Option<bool>,
    pub mounts: Option<Vec<Mount>>,
    pub allow_privileged_mounts: Option<bool>,
    pub key_name: Option<String>,
}

impl LaunchTemplateData {
    /// `source` with the members that are given replaced, each as a whole.
    pub fn over(self, source: LaunchTemplate) -> LaunchTemplate {
        LaunchTemplate {
            name: source.name,
            version: source.version,
            image: self.image.or(source.image),
            process: self.process.or(source.process),
            instance_type: self.instance_type.or(source.instance_type),
            cpus: self.cpus.or(source.cpus),
            memory: self.memory.or(source.memory),
            port: self.port.unwrap_or(source.port),
            env: self.env.unwrap_or(source.env),
            security_groups: self.security_groups.unwrap_or(source.security_groups),
            entrypoint: self.entrypoint.or(source.entrypoint),
            command: self.command.or(source.command),
            working_dir: self.working_dir.or(source.working_dir),
            user: self.user.or(source.user),
            user_data: self.user_data.or(source.user_data),
            user_data_required: self.user_data_required.unwrap_or(source.user_data_required),
            mounts: self.mounts.unwrap_or(source.mounts),
            allow_privileged_mounts: self
                .allow_privileged_mounts
                .unwrap_or(source.allow_privileged_mounts),
            key_name: self.key_name.or(source.key_name),
            clone_of: source.clone_of,
        }
    }
}

impl LaunchTemplate {
    /// Why nothing can be launched from it, whatever the provider.
    pub fn fault(&self) -> Option<String> {
        if self.image.is_none() && self.process.is_none() {
            return Some("nothing to launch; add image or process, or both".to_owned());
        }
        if self.port == 0 {
            return Some("port is missing; add port: 8080".to_owned());
        }
        let refused = |mount: &Mount| {
            let danger = mount.danger().filter(|_| !self.allow_privileged_mounts)?;
            Some(format!("mounts: {danger}"))
        };
        self.mounts.iter().find_map(refused)
    }

    /// Its members in the words of the configuration file, those at their default left out.
    pub fn members(&self) -> Value {
        let mut members = Map::new();
        let mut put = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                members.insert(name.to_owned(), value);
            }
        };
        let flag = |flag: bool| flag.then_some(Value::Bool(true));
        put("image", self.image.as_ref().map(|it| json!(it)));
        put("process", self.process.as_ref().map(|it| json!(it)));
        let instance_type = self.instance_type.as_ref();
        put("instance_type", instance_type.map(|it| json!(it.name)));
        put("cpus", self.cpus.map(|it| json!(it)));
        put("memory", self.memory.map(|it| json!(show_bytes(it))));
        put("port", Some(json!(self.port)));
        put("env", (!self.env.is_empty()).then(|| json!(self.env)));
        put(
            "security_groups",
            (!self.security_groups.is_empty()).then(|| json!(self.security_groups)),
        );
        put("entrypoint", self.entrypoint.as_ref().map(|it| json!(it)));
        put("command", self.command.as_ref().map(|it| json!(it)));
        put("working_dir", self.working_dir.as_ref().map(|it| json!(it)));
        put("user", self.user.as_ref().map(|it| json!(it)));
        put(
            "user_data",
            self.user_data.as_ref().map(|it| json!(it.as_str())),
        );
        put("user_data_required", flag(self.user_data_required));
        let mounts = self.mounts.iter().map(Mount::to_string);
        put(
            "mounts",
            (!self.mounts.is_empty()).then(|| mounts.collect()),
        );
        put(
            "allow_privileged_mounts",
            flag(self.allow_privileged_mounts),
        );
        put("key_name", self.key_name.as_ref().map(|it| json!(it)));
        put("clone_of", self.clone_of.as_ref().map(|it| json!(it)));
        Value::Object(members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_members_replace_those_of_the_source_whole() {
        let source = LaunchTemplate {
            image: Some("a".to_owned()),
            port: 80,
            cpus: Some(0.5),
            env: BTreeMap::from([("A".to_owned(), "1".to_owned())]),
            ..LaunchTemplate::default()
        };
        let data = LaunchTemplateData {
            image: Some("b".to_owned()),
            env: Some(BTreeMap::from([("B".to_owned(), "2".to_owned())])),
            ..LaunchTemplateData::default()
        };
        let made = data.over(source.clone());
        assert_eq!(made.image.as_deref(), Some("b"));
        assert_eq!(made.env, BTreeMap::from([("B".to_owned(), "2".to_owned())]));
        assert_eq!((made.port, made.cpus), (80, Some(0.5)));
        assert_eq!(LaunchTemplateData::default().over(source.clone()), source);
    }

    #[test]
    fn what_cannot_be_launched_says_why() {
        let mut template = LaunchTemplate::default();
        assert!(template.fault().unwrap().contains("nothing to launch"));
        template.image = Some("nginx".to_owned());
        assert!(template.fault().unwrap().contains("port is missing"));
        template.port = 80;
        assert_eq!(template.fault(), None);
        template.mounts = vec!["/:/host".parse().unwrap()];
        assert!(template.fault().is_some());
        template.allow_privileged_mounts = true;
        assert_eq!(template.fault(), None);
    }
}
