use minicloud_autoscaler::api::{TargetGroups, TargetHealthDescriptions};
use minicloud_lb_api::{TargetHealthDescription, TargetState};
use serde_json::Value;

use super::connect;
use crate::{
    cli::TargetsArgs,
    control_api::ControlApi,
    failure::Failure,
    http_client::segment,
    output::{show, table},
};

pub(crate) async fn run(args: TargetsArgs) -> Result<(), Failure> {
    let api = connect(&args.reading.connection)?;
    let targets = match &args.target_group {
        Some(group) => {
            let path = format!("/v1/target-groups/{}/targets", segment(group));
            api.read(&path).await?
        }
        None => of_all_groups(&api).await?,
    };
    show(args.reading.output, &targets, |targets| {
        rows(&targets.target_health_descriptions)
    })
}

async fn of_all_groups(api: &ControlApi) -> Result<TargetHealthDescriptions, Failure> {
    let groups: TargetGroups = api.read("/v1/target-groups").await?;
    let groups = groups.target_groups.into_iter();
    Ok(TargetHealthDescriptions {
        target_health_descriptions: groups
            .flat_map(|group| group.target_health_descriptions)
            .collect(),
    })
}

fn rows(targets: &[TargetHealthDescription]) -> String {
    let header = [
        "TARGET GROUP",
        "TARGET",
        "ADDRESS",
        "ZONE",
        "STATE",
        "IN FLIGHT",
        "REQUESTS",
        "REASON",
    ];
    table(header, targets.iter().map(row))
}

fn row(description: &TargetHealthDescription) -> [String; 8] {
    let target = &description.target;
    let zone = target.availability_zone.clone();
    [
        description.target_group.clone(),
        target.id.clone(),
        target.address.clone(),
        zone.unwrap_or_else(|| "-".to_owned()),
        state(description.target_health.state).to_owned(),
        description.in_flight.to_string(),
        description.request_count.to_string(),
        reason(description),
    ]
}

pub(super) fn state(state: TargetState) -> &'static str {
    match state {
        TargetState::Initial => "initial",
        TargetState::Healthy => "healthy",
        TargetState::Unhealthy => "unhealthy",
        TargetState::Draining => "draining",
        TargetState::Unused => "unused",
        TargetState::Unavailable => "unavailable",
    }
}

/// ELB's code, as the wire has it, and the sentence.
fn reason(description: &TargetHealthDescription) -> String {
    let health = &description.target_health;
    let code = match health.reason.map(serde_json::to_value) {
        Some(Ok(Value::String(code))) => code,
        _ => String::new(),
    };
    match &health.description {
        Some(sentence) if code.is_empty() => sentence.clone(),
        Some(sentence) => format!("{code}: {sentence}"),
        None => code,
    }
}
