use minicloud_autoscaler::{
    api::EffectiveConfiguration,
    config::{EffectiveValue, Origin, effective},
    describe::{Configuration, ConfigurationSource},
};

use super::connect;
use crate::{
    cli::ConfigArgs,
    failure::Failure,
    output::{Listing, show},
    role::ConfigFile,
};

pub(crate) async fn run(args: ConfigArgs) -> Result<(), Failure> {
    let described = match args.file {
        Some(file) => of_file(&ConfigFile::find(Some(file)))?,
        None => {
            connect(&args.reading.connection)?
                .read("/v1/configuration")
                .await?
        }
    };
    show(args.reading.output, &described, |described, output| {
        listing().render(&described.values, output)
    })
}

/// What the file would put in force, before anybody changes sizes.
fn of_file(file: &ConfigFile) -> Result<EffectiveConfiguration, Failure> {
    let source = file.source()?;
    let values = effective(&source).map_err(|faults| file.invalid(&faults, &source))?;
    Ok(EffectiveConfiguration {
        configuration: Configuration {
            source: ConfigurationSource::File,
            file: Some(file.name()),
            ..Configuration::default()
        },
        values,
    })
}

pub(super) fn listing() -> Listing<EffectiveValue> {
    Listing::new(|value: &EffectiveValue| value.path.clone())
        .column("KEY", |value| value.path.clone().into())
        .column("VALUE", |value| value.value.clone().into())
        .column("FROM", |value| from(value.origin).into())
}

fn from(origin: Origin) -> String {
    match origin {
        Origin::Written { line, .. } => format!("line {line}"),
        Origin::Default => "default".to_owned(),
        Origin::Pace => "default of the pace".to_owned(),
        Origin::Runtime => "API or policy".to_owned(),
    }
}
