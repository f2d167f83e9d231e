use std::sync::Arc;

use minicloud_autoscaler::api::{TargetGroups, TargetHealthDescriptions};
use minicloud_lb_api::{AnomalyDetection, AnomalyResult, TargetHealthDescription, TargetState};

use super::watch;
use crate::{
    cli::TargetsArgs,
    control_api::ControlApi,
    failure::Failure,
    http_client::segment,
    output::{Listing, Tone, or_dash, word},
};

pub(crate) async fn run(args: TargetsArgs) -> Result<(), Failure> {
    let fetch = async |api: &ControlApi| match &args.target_group {
        Some(group) => {
            let path = format!("/v1/target-groups/{}/targets", segment(group));
            api.read(&path).await
        }
        None => of_all_groups(api).await,
    };
    watch::read(
        &args.watching,
        fetch,
        |targets: &TargetHealthDescriptions, output| {
            listing().render(&targets.target_health_descriptions, output)
        },
    )
    .await
}

async fn of_all_groups(api: &ControlApi) -> Result<TargetHealthDescriptions, Failure> {
    let groups: TargetGroups = api.read("/v1/target-groups").await?;
    let groups = groups.target_groups.into_iter();
    Ok(TargetHealthDescriptions {
        target_health_descriptions: groups
            .flat_map(|group| Arc::unwrap_or_clone(group).target_health_descriptions)
            .collect(),
    })
}

pub(super) fn listing() -> Listing<TargetHealthDescription> {
    Listing::new(|of: &TargetHealthDescription| of.target.id.clone())
        .column("TARGET GROUP", |of| of.target_group.clone().into())
        .column("TARGET", |of| of.target.id.clone().into())
        .column("ADDRESS", |of| of.target.address.clone().into())
        .column("ZONE", |of| {
            or_dash(of.target.availability_zone.as_deref()).into()
        })
        .column("STATE", |of| {
            tone(of.target_health.state).cell(state(of.target_health.state))
        })
        .column("IN FLIGHT", |of| of.in_flight.to_string().into())
        .column("REQUESTS", |of| of.request_count.to_string().into())
        .column("REASON", |of| reason(of).into())
        .wide("ANOMALY", |of| match of.anomaly_detection {
            Some(AnomalyDetection {
                result: AnomalyResult::Anomalous,
                ..
            }) => Tone::Bad.cell("anomalous"),
            Some(_) => "normal".into(),
            None => "-".into(),
        })
}

pub(super) fn tone(state: TargetState) -> Tone {
    match state {
        TargetState::Healthy => Tone::Good,
        TargetState::Unhealthy | TargetState::Unavailable => Tone::Bad,
        TargetState::Initial | TargetState::Draining => Tone::Busy,
        TargetState::Unused => Tone::Faint,
    }
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

/// What the health checks say, and what the requests do.
pub(super) fn reason(description: &TargetHealthDescription) -> String {
    let reasons = [health_reason(description), anomaly(description)];
    let said: Vec<_> = reasons
        .into_iter()
        .filter(|reason| !reason.is_empty())
        .collect();
    said.join("; ")
}

fn anomaly(description: &TargetHealthDescription) -> String {
    match description.anomaly_detection {
        Some(AnomalyDetection {
            result: AnomalyResult::Anomalous,
            mitigation_in_effect,
        }) => match mitigation_in_effect {
            true => "anomalous: requests are kept from it".to_owned(),
            false => "anomalous: it fails too many requests".to_owned(),
        },
        _ => String::new(),
    }
}

/// ELB's code, as the wire has it, and the sentence.
fn health_reason(description: &TargetHealthDescription) -> String {
    let health = &description.target_health;
    let code = health.reason.as_ref().map(word).unwrap_or_default();
    match &health.description {
        Some(sentence) if code.is_empty() => sentence.clone(),
        Some(sentence) => format!("{code}: {sentence}"),
        None => code,
    }
}

#[cfg(test)]
mod tests {
    use minicloud_lb_api::{HealthReason, TargetDescription, TargetHealth};

    use super::*;

    #[test]
    fn reason_tells_of_checks_and_of_requests() {
        let mut description = TargetHealthDescription {
            target_group: "web".to_owned(),
            target: TargetDescription {
                id: "i-0123abcd".to_owned(),
                address: "127.0.0.1:1".to_owned(),
                port: 1,
                availability_zone: None,
            },
            target_health: TargetHealth {
                state: TargetState::Unhealthy,
                reason: Some(HealthReason::Timeout),
                description: Some("Request timed out".to_owned()),
            },
            in_flight: 0,
            request_count: 0,
            anomaly_detection: Some(AnomalyDetection {
                result: AnomalyResult::Anomalous,
                mitigation_in_effect: true,
            }),
        };
        let expected = "Target.Timeout: Request timed out; anomalous: requests are kept from it";
        assert_eq!(reason(&description), expected);
        description.target_health.reason = None;
        description.target_health.description = None;
        assert_eq!(reason(&description), "anomalous: requests are kept from it");
        description.anomaly_detection = None;
        assert_eq!(reason(&description), "");
    }
}
