//! The keys that say which instance goes, which stays, and where the next one is launched.

use super::*;

fn with(lines: &str) -> Result<Config, Faults> {
    parse(&format!(
        "version: 1
launch_templates: {{ t: {{ image: nginx, port: 80 }} }}
auto_scaling_groups:
  g:
    launch_template: t
    min_size: 1
    max_size: 3
{lines}"
    ))
}

fn group(lines: &str) -> AutoScalingGroup {
    let mut config = with(lines).unwrap();
    config.auto_scaling_groups.remove("g").unwrap()
}

/// What is wrong, without the place.
fn mistakes(lines: &str) -> Vec<String> {
    let faults = with(lines).err();
    let faults = faults.iter().flatten().map(Fault::to_string);
    faults
        .map(|fault| {
            fault
                .split_once("auto_scaling_groups.g.")
                .map_or(fault.clone(), |(_, rest)| rest.to_owned())
        })
        .collect()
}

#[test]
fn termination_policies_are_read_in_order() {
    let group =
        group("    termination_policies: [OldestLaunchTemplate, NewestInstance, Default]\n");
    assert_eq!(
        group.termination_policies,
        [
            TerminationPolicy::OldestLaunchTemplate,
            TerminationPolicy::NewestInstance,
            TerminationPolicy::Default
        ]
    );
}

#[test]
fn mistaken_choices_say_what_to_do() {
    for (line, expected) in [
        (
            "termination_policies: OldestInstance",
            "termination_policies: expected a list, found the text `OldestInstance`; write [OldestInstance]",
        ),
        (
            "termination_policies: []",
            "termination_policies: no policy; write [Default], or remove the key",
        ),
        (
            "termination_policies: [OldestInstanc]",
            "termination_policies[0]: unknown value `OldestInstanc`; did you mean OldestInstance?",
        ),
        (
            "termination_policies: [NewestInstance, NewestInstance]",
            "termination_policies[1]: `NewestInstance` is listed twice; keep one of the two",
        ),
        (
            "termination_policies: [Default, NewestInstance]",
            "termination_policies[1]: `NewestInstance` is never asked, since Default leaves one instance; put Default last",
        ),
        (
            "termination_policies: [OldestLaunchConfiguration]",
            "termination_policies[0]: `OldestLaunchConfiguration` chooses nothing; there are no launch configurations here: write OldestLaunchTemplate",
        ),
        (
            "termination_policies: [AllocationStrategy]",
            "termination_policies[0]: `AllocationStrategy` chooses nothing; a group has one kind of instance here, so there is no allocation to align with: leave it out",
        ),
        (
            "termination_policies: [\"arn:aws:lambda:eu-west-1:1:function:f\"]",
            "termination_policies[0]: there are no functions to call here; write one of AWS's own policies, or LeastBusy with a busy_check",
        ),
        (
            "termination_policy: [Default]",
            "termination_policy: unknown key; write termination_policies",
        ),
    ] {
        assert_eq!(mistakes(&format!("    {line}\n")), [expected]);
    }
}
