use std::{
    fs::File,
    io::{self, Read},
};

use minicloud_autoscaler::{
    api::{LaunchTemplateVersions, LaunchTemplates},
    config::{self, MAX_FILE_BYTES},
    launch_template::{
        VersionSelector,
        describe::{
            CreateLaunchTemplate, CreateLaunchTemplateVersion, LaunchTemplateDescription,
            LaunchTemplateVersionDescription, ModifyLaunchTemplate,
        },
    },
};
use serde_json::{Map, Value};

use super::connect;
use crate::{
    cli::{
        CreateLaunchTemplateArgs, CreateLaunchTemplateVersionArgs, DataSource,
        DeleteLaunchTemplateArgs, LaunchTemplateVerb, LaunchTemplatesArgs,
        SetDefaultLaunchTemplateArgs, ShowLaunchTemplateArgs,
    },
    control_api::ControlApi,
    failure::{Exit, Failure},
    http_client::segment,
    output::{say, show, table},
};

const TEMPLATES: &str = "/v1/launch-templates";

pub(crate) async fn list(args: LaunchTemplatesArgs) -> Result<(), Failure> {
    let api = connect(&args.reading.connection)?;
    match &args.name {
        Some(name) => {
            let versions = versions(&api, name).await?;
            show(args.reading.output, &versions, |versions| {
                version_rows(&versions.launch_template_versions)
            })
        }
        None => {
            let templates: LaunchTemplates = api.read(TEMPLATES).await?;
            show(args.reading.output, &templates, |templates| {
                rows(&templates.launch_templates)
            })
        }
    }
}

pub(crate) async fn run(verb: LaunchTemplateVerb) -> Result<(), Failure> {
    match verb {
        LaunchTemplateVerb::Create(args) => create(args).await,
        LaunchTemplateVerb::CreateVersion(args) => create_version(args).await,
        LaunchTemplateVerb::SetDefault(args) => set_default(args).await,
        LaunchTemplateVerb::Delete(args) => delete(args).await,
        LaunchTemplateVerb::Show(args) => show_version(args).await,
    }
}

async fn create(args: CreateLaunchTemplateArgs) -> Result<(), Failure> {
    let body = CreateLaunchTemplate {
        launch_template_name: args.name,
        version_description: args.data.version_description,
        launch_template_data: members(&args.data.source)?,
    };
    let api = connect(&args.reading.connection)?;
    let made: LaunchTemplateDescription = api.post(TEMPLATES, &body).await?;
    show(args.reading.output, &made, |made| {
        rows(std::slice::from_ref(made))
    })
}

async fn create_version(args: CreateLaunchTemplateVersionArgs) -> Result<(), Failure> {
    let body = CreateLaunchTemplateVersion {
        source_version: args.source_version,
        version_description: args.data.version_description,
        launch_template_data: members(&args.data.source)?,
    };
    let api = connect(&args.reading.connection)?;
    let path = format!("{}/versions", path(&args.name));
    let made: LaunchTemplateVersionDescription = api.post(&path, &body).await?;
    show(args.reading.output, &made, |made| {
        version_rows(std::slice::from_ref(made))
    })
}

async fn set_default(args: SetDefaultLaunchTemplateArgs) -> Result<(), Failure> {
    let body = ModifyLaunchTemplate {
        default_version: args.default_version,
    };
    let api = connect(&args.reading.connection)?;
    let modified: LaunchTemplateDescription = api.patch(&path(&args.name), &body).await?;
    show(args.reading.output, &modified, |modified| {
        rows(std::slice::from_ref(modified))
    })
}

async fn delete(args: DeleteLaunchTemplateArgs) -> Result<(), Failure> {
    let api = connect(&args.connection)?;
    if args.versions.is_empty() {
        let gone: LaunchTemplateDescription = api.delete(&path(&args.name)).await?;
        say(format_args!("deleted {}", gone.launch_template_name));
    }
    for version in args.versions {
        let path = format!("{}/versions/{version}", path(&args.name));
        let gone: LaunchTemplateVersionDescription = api.delete(&path).await?;
        let name = gone.launch_template_name;
        say(format_args!("deleted version {version} of {name}"));
    }
    Ok(())
}

async fn show_version(args: ShowLaunchTemplateArgs) -> Result<(), Failure> {
    let api = connect(&args.reading.connection)?;
    let versions = versions(&api, &args.name).await?.launch_template_versions;
    let is_wanted = |version: &&LaunchTemplateVersionDescription| match args.selected {
        VersionSelector::Latest => true,
        VersionSelector::Default => version.default_version,
        VersionSelector::Number(number) => version.version_number == number,
    };
    let Some(found) = versions.iter().rfind(is_wanted) else {
        let (name, version) = (&args.name, args.selected);
        let message = format!(
            "launch template `{name}` has no version {version} (InvalidLaunchTemplateId.VersionNotFound)"
        );
        return Err(Failure::new(Exit::NotFound, message));
    };
    show(args.reading.output, found, member_rows)
}

async fn versions(api: &ControlApi, name: &str) -> Result<LaunchTemplateVersions, Failure> {
    api.read(&format!("{}/versions", path(name))).await
}

fn path(name: &str) -> String {
    format!("{TEMPLATES}/{}", segment(name))
}

fn members(source: &DataSource) -> Result<Map<String, Value>, Failure> {
    let (name, text) = match (&source.data, &source.file) {
        (Some(data), _) => ("--data".to_owned(), data.clone().into_bytes()),
        (None, Some(file)) => {
            let bytes = match file.as_os_str() == "-" {
                true => read(io::stdin().lock()),
                false => File::open(file).and_then(read),
            };
            let name = file.display().to_string();
            let unreadable =
                |error| Failure::new(Exit::Failure, format!("cannot read {name}: {error}"));
            (name.clone(), bytes.map_err(unreadable)?)
        }
        (None, None) => Default::default(),
    };
    config::yaml_members(&text).map_err(|faults| {
        let faults = faults.with_source(&name, &text).to_string();
        let message = format!(
            "not the members of a launch template\n{}",
            faults.trim_end()
        );
        Failure::new(Exit::Config, message)
    })
}

/// One byte more than is allowed lets the parser say that it is too much.
fn read(source: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source
        .take(MAX_FILE_BYTES as u64 + 1)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn rows(templates: &[LaunchTemplateDescription]) -> String {
    let header = ["NAME", "ID", "DEFAULT", "LATEST", "CREATED BY", "CREATED"];
    let row = |template: &LaunchTemplateDescription| {
        [
            template.launch_template_name.clone(),
            template.launch_template_id.clone(),
            template.default_version_number.to_string(),
            template.latest_version_number.to_string(),
            template.created_by.clone(),
            format!("{:.0}", template.create_time),
        ]
    };
    table(header, templates.iter().map(row))
}

fn version_rows(versions: &[LaunchTemplateVersionDescription]) -> String {
    let header = [
        "NAME",
        "VERSION",
        "DEFAULT",
        "IMAGE",
        "TYPE",
        "CREATED BY",
        "CREATED",
        "DESCRIPTION",
    ];
    let row = |version: &LaunchTemplateVersionDescription| {
        let member = |name: &str| {
            let member = version.launch_template_data[name].as_str();
            member.unwrap_or("-").to_owned()
        };
        [
            version.launch_template_name.clone(),
            version.version_number.to_string(),
            if version.default_version { "*" } else { "" }.to_owned(),
            member("image"),
            member("instance_type"),
            version.created_by.clone(),
            format!("{:.0}", version.create_time),
            version.version_description.clone().unwrap_or_default(),
        ]
    };
    table(header, versions.iter().map(row))
}

fn member_rows(version: &LaunchTemplateVersionDescription) -> String {
    let members = version.launch_template_data.as_object();
    let rows = members.into_iter().flatten().map(|(name, value)| {
        let value = match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        [name.clone(), value]
    });
    table(["MEMBER", "VALUE"], rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_yaml_or_json() {
        let source = |data: &str| DataSource {
            data: Some(data.to_owned()),
            file: None,
        };
        for data in [
            "{ image: nginx, port: 80 }",
            r#"{"image":"nginx","port":80}"#,
        ] {
            let members = members(&source(data)).unwrap();
            assert_eq!(
                Value::Object(members),
                serde_json::json!({ "image": "nginx", "port": 80 })
            );
        }
        for data in ["", "nginx", "[1]", "{ a: 1, a: 2 }", "{ 1: a }"] {
            assert_eq!(members(&source(data)).unwrap_err().exit, Exit::Config);
        }
    }
}
