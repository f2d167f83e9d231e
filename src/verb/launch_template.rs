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

use super::{connect, watch};
use crate::{
    cli::{
        CreateLaunchTemplateArgs, CreateLaunchTemplateVersionArgs, DataSource,
        DeleteLaunchTemplateArgs, LaunchTemplateVerb, LaunchTemplatesArgs, Output,
        SetDefaultLaunchTemplateArgs, ShowLaunchTemplateArgs,
    },
    control_api::ControlApi,
    failure::Failure,
    http_client::segment,
    output::{Cell, Listing, or_dash, say, show},
};

const TEMPLATES: &str = "/v1/launch-templates";

pub(crate) async fn list(args: LaunchTemplatesArgs) -> Result<(), Failure> {
    match &args.name {
        Some(name) => {
            let fetch = async |api: &ControlApi| versions(api, name).await;
            watch::read(&args.watching, fetch, |versions, output| {
                version_listing().render(&versions.launch_template_versions, output)
            })
            .await
        }
        None => {
            let fetch = async |api: &ControlApi| api.read::<LaunchTemplates>(TEMPLATES).await;
            watch::read(&args.watching, fetch, |templates, output| {
                listing().render(&templates.launch_templates, output)
            })
            .await
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
    show(args.reading.output, &made, |made, output| {
        listing().render([made], output)
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
    show(args.reading.output, &made, |made, output| {
        version_listing().render([made], output)
    })
}

async fn set_default(args: SetDefaultLaunchTemplateArgs) -> Result<(), Failure> {
    let body = ModifyLaunchTemplate {
        default_version: args.default_version,
    };
    let api = connect(&args.reading.connection)?;
    let modified: LaunchTemplateDescription = api.patch(&path(&args.name), &body).await?;
    show(args.reading.output, &modified, |modified, output| {
        listing().render([modified], output)
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
        return Err(Failure::template_version_unknown(&args.name, args.selected));
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
            let bytes =
                bytes.map_err(|error| Failure::unreadable("the launch template", &name, &error))?;
            (name, bytes)
        }
        (None, None) => Default::default(),
    };
    config::yaml_members(&text).map_err(|faults| {
        let faults = faults.with_source(&name, &text).to_string();
        Failure::members_invalid(&name, &faults)
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

pub(super) fn listing() -> Listing<LaunchTemplateDescription> {
    Listing::new(|of: &LaunchTemplateDescription| of.launch_template_name.clone())
        .column("NAME", |of| of.launch_template_name.clone().into())
        .column("ID", |of| of.launch_template_id.clone().into())
        .column("DEFAULT", |of| of.default_version_number.to_string().into())
        .column("LATEST", |of| of.latest_version_number.to_string().into())
        .column("CREATED BY", |of| of.created_by.clone().into())
        .column("CREATED", |of| format!("{:.0}", of.create_time).into())
}

pub(super) fn version_listing() -> Listing<LaunchTemplateVersionDescription> {
    Listing::new(|of: &LaunchTemplateVersionDescription| of.version_number.to_string())
        .column("NAME", |of| of.launch_template_name.clone().into())
        .column("VERSION", |of| of.version_number.to_string().into())
        .column("DEFAULT", |of| {
            if of.default_version { "*" } else { "" }.into()
        })
        .column("IMAGE", |of| member(of, "image"))
        .column("TYPE", |of| member(of, "instance_type"))
        .column("CREATED BY", |of| of.created_by.clone().into())
        .column("CREATED", |of| format!("{:.0}", of.create_time).into())
        .column("DESCRIPTION", |of| {
            of.version_description.clone().unwrap_or_default().into()
        })
        .wide("DATA", |of| of.launch_template_data.to_string().into())
}

fn member(of: &LaunchTemplateVersionDescription, name: &str) -> Cell {
    or_dash(of.launch_template_data[name].as_str()).into()
}

fn member_rows(version: &LaunchTemplateVersionDescription, output: Output) -> String {
    let members = version.launch_template_data.as_object();
    let members = members.into_iter().flatten();
    Listing::new(|(name, _): &(&String, &Value)| (*name).clone())
        .column("MEMBER", |(name, _)| (*name).clone().into())
        .column("VALUE", |(_, value)| match value {
            Value::String(text) => text.clone().into(),
            other => other.to_string().into(),
        })
        .render(members, output)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Exit;

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
