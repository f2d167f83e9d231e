//! What minicloud says of its own forms, for editors, generators and dashboards.

use minicloud_autoscaler::{api, config::Config};

use crate::{failure::Failure, output::print};

/// The JSON Schema of the configuration file.
pub(crate) fn schema() -> Result<(), Failure> {
    pretty(&Config::json_schema())
}

/// The control API as it is served at `/v1/openapi.json`.
pub(crate) fn openapi() -> Result<(), Failure> {
    pretty(&api::document())
}

/// The dashboard, to be imported into Grafana.
pub(crate) fn grafana() -> Result<(), Failure> {
    print(include_bytes!("../../contrib/grafana/minicloud.json"))
}

fn pretty(value: &impl serde::Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).expect("a description is plain data");
    print((text + "\n").as_bytes())
}
