use std::sync::Arc;

use minicloud_autoscaler::{
    api::ScalingPolicies,
    describe::{AutoScalingGroup, PolicyDecision},
    scaling_policy::ScalingPolicy,
};
use serde::{Serialize, Serializer};

use super::{groups_of, watch};
use crate::{
    cli::GroupReading,
    control_api::ControlApi,
    failure::Failure,
    output::{Cell, Listing, or_dash},
};

pub(crate) async fn run(args: GroupReading) -> Result<(), Failure> {
    let fetch = async |api: &ControlApi| {
        let groups = groups_of(api, args.group.as_deref()).await?;
        Ok(Shown(groups.auto_scaling_groups))
    };
    watch::read(&args.watching, fetch, |shown, output| {
        listing().render(rows(&shown.0), output)
    })
    .await
}

/// Groups, of which JSON has the policies alone.
struct Shown(Vec<Arc<AutoScalingGroup>>);

impl Serialize for Shown {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let policies = self.0.iter().flat_map(|group| &group.scaling_policies);
        let policies = ScalingPolicies {
            scaling_policies: policies.cloned().collect(),
        };
        policies.serialize(serializer)
    }
}

/// A policy, and what it said last.
pub(super) struct Row {
    group: String,
    policy: ScalingPolicy,
    decided: Option<PolicyDecision>,
}

pub(super) fn rows(groups: &[Arc<AutoScalingGroup>]) -> impl Iterator<Item = Row> {
    groups.iter().flat_map(|group| {
        let policies = group.scaling_policies.iter();
        policies.map(|policy| {
            let decided = group
                .decision
                .iter()
                .flat_map(|decision| &decision.policies);
            let mut decided = decided.filter(|decided| decided.policy_name == policy.name);
            Row {
                group: group.auto_scaling_group_name.clone(),
                policy: policy.clone(),
                decided: decided.next().cloned(),
            }
        })
    })
}

pub(super) fn listing() -> Listing<Row> {
    Listing::new(|row: &Row| row.policy.name.clone())
        .column("GROUP", |row| row.group.clone().into())
        .column("POLICY", |row| row.policy.name.clone().into())
        .column("TYPE", |row| row.policy.policy_type().into())
        .column("METRIC", |row| row.policy.metric().to_string().into())
        .column("VALUE", |row| {
            row.told(|decided| decided.metric_value.map(|value| format!("{value:.1}")))
        })
        .column("AT", |row| row.policy.threshold().to_string().into())
        .column("WANTS", |row| {
            row.told(|decided| Some(decided.wanted.to_string()))
        })
        .column("REASON", |row| {
            row.told(|decided| Some(decided.reason.clone()))
        })
        .wide("SCALES IN", |row| match row.policy.can_scale_in() {
            true => "yes".into(),
            false => "no".into(),
        })
}

impl Row {
    fn told(&self, tell: fn(&PolicyDecision) -> Option<String>) -> Cell {
        or_dash(self.decided.as_ref().and_then(tell).as_deref()).into()
    }
}
