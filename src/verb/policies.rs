use std::sync::Arc;

use minicloud_autoscaler::{
    api::{AutoScalingGroups, ScalingPolicies},
    describe::{AutoScalingGroup, PolicyDecision},
    scaling_policy::ScalingPolicy,
};

use super::{connect, groups_of};
use crate::{
    cli::{GroupReading, Output},
    failure::Failure,
    output::{show, table},
};

pub(crate) async fn run(args: GroupReading) -> Result<(), Failure> {
    let api = connect(&args.reading.connection)?;
    let groups = groups_of(&api, args.group.as_deref()).await?;
    match args.reading.output {
        Output::Table => show(Output::Table, &groups, rows),
        Output::Json => {
            let AutoScalingGroups {
                auto_scaling_groups,
            } = groups;
            let policies = auto_scaling_groups
                .into_iter()
                .flat_map(|group| Arc::unwrap_or_clone(group).scaling_policies);
            let policies = ScalingPolicies {
                scaling_policies: policies.collect(),
            };
            show(Output::Json, &policies, |_| String::new())
        }
    }
}

fn rows(groups: &AutoScalingGroups) -> String {
    let header = [
        "GROUP", "POLICY", "TYPE", "METRIC", "VALUE", "AT", "WANTS", "REASON",
    ];
    let groups = groups.auto_scaling_groups.iter();
    let policies = groups.flat_map(|group| {
        let policies = group.scaling_policies.iter();
        policies.map(move |policy| row(group, policy))
    });
    table(header, policies)
}

fn row(group: &AutoScalingGroup, policy: &ScalingPolicy) -> [String; 8] {
    let decided = group.decision.as_ref().and_then(|decision| {
        let mut policies = decision.policies.iter();
        policies.find(|decided| decided.policy_name == policy.name)
    });
    let told = |tell: fn(&PolicyDecision) -> String| decided.map_or("-".to_owned(), tell);
    [
        group.auto_scaling_group_name.clone(),
        policy.name.clone(),
        policy.policy_type().to_owned(),
        policy.metric().to_string(),
        told(|decided| {
            let value = decided.metric_value.map(|value| format!("{value:.1}"));
            value.unwrap_or_else(|| "-".to_owned())
        }),
        policy.threshold().to_string(),
        told(|decided| decided.wanted.to_string()),
        told(|decided| decided.reason.clone()),
    ]
}
