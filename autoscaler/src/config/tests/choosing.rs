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

#[test]
fn busy_check_is_a_path_or_a_command() {
    let check = |lines: &str| {
        group(&format!("    busy_check: {lines}\n"))
            .busy_check
            .unwrap()
    };
    assert_eq!(
        check("{ path: /busy }"),
        BusyCheck {
            question: BusyQuestion::Path("/busy".to_owned()),
            timeout: Duration::from_secs(2),
            interval: Duration::from_secs(5),
        }
    );
    let asked = check("{ command: [test, -e, /run/busy], timeout: 500ms, interval: 1m }");
    let command = ["test", "-e", "/run/busy"].map(str::to_owned).to_vec();
    assert_eq!(asked.question, BusyQuestion::Command(command));
    assert_eq!(asked.interval, Duration::from_secs(60));
    for (value, expected) in [
        (
            "{}",
            "busy_check: nothing to ask; add path: /busy, or command: [...]",
        ),
        (
            "{ path: /busy, command: [busy] }",
            "busy_check.command: command stands beside path; keep one of the two",
        ),
        (
            "{ path: busy }",
            "busy_check.path: `busy` is not a path; begin with /, such as /health",
        ),
        (
            "{ path: /busy, interval: 1s }",
            "busy_check.interval: `1s` is out of range; write 2s to 5m",
        ),
        ("{ url: /busy }", "busy_check.url: unknown key; write path"),
    ] {
        assert_eq!(mistakes(&format!("    busy_check: {value}\n")), [expected]);
    }
}

#[test]
fn protection_and_distribution_are_read() {
    let group = group(
        "    new_instances_protected_from_scale_in: true\n    capacity_distribution: balanced-only\n",
    );
    assert!(group.new_instances_protected_from_scale_in);
    assert_eq!(
        group.capacity_distribution,
        CapacityDistributionStrategy::BalancedOnly
    );
    assert_eq!(
        mistakes("    capacity_distribution: balanced\n").len(),
        1,
        "{:?}",
        mistakes("    capacity_distribution: balanced\n")
    );
}

#[test]
fn headroom_is_a_share_and_a_size() {
    let read = |value: &str| parse(&format!("version: 1\nhost_headroom: {value}\n"));
    let found = read("{ cpu: 2.5%, memory: 1GiB, enabled: false }")
        .unwrap()
        .host_headroom;
    assert_eq!(
        found,
        HostHeadroom {
            enabled: false,
            cpu_percent: 2.5,
            memory_bytes: 1 << 30,
        }
    );
    for (value, expected) in [
        ("{ cpu: 10 }", "cpu: `10` has no unit; write 10%"),
        (
            "{ cpu: 101% }",
            "cpu: `101%` is out of range; write 0% to 100%",
        ),
        (
            "{ cpu: -1% }",
            "cpu: `-1%` is out of range; write 0% to 100%",
        ),
        (
            "{ cpu: NaN% }",
            "cpu: `NaN%` is out of range; write 0% to 100%",
        ),
        (
            "{ cpu: ten% }",
            "cpu: `ten%` is not a share; write a number and %, such as 10%",
        ),
        ("{ ram: 1GiB }", "ram: unknown key; write memory"),
    ] {
        let refused = read(value).unwrap_err();
        let faults: Vec<_> = refused.into_iter().map(Fault::to_string).collect();
        assert!(
            faults.len() == 1 && faults[0].ends_with(&format!("host_headroom.{expected}")),
            "{faults:?}"
        );
    }
}

#[test]
fn foreign_changes_are_one_of_three() {
    let read = |word: &str| group(&format!("    foreign_changes: {word}\n")).foreign_changes;
    assert_eq!(read("adopt"), ForeignChanges::Adopt);
    assert_eq!(read("report"), ForeignChanges::Report);
    assert_eq!(
        mistakes("    foreign_changes: ignore\n"),
        ["foreign_changes: unknown value `ignore`; write adopt or revert or report"]
    );
}

#[test]
fn sample_has_every_key_of_choosing() {
    let config = parse(balancer::EVERY_KEY).unwrap();
    let web = &config.auto_scaling_groups["web"];
    assert_eq!(web.termination_policies.len(), 2);
    assert_eq!(web.foreign_changes, ForeignChanges::Report);
    let workers = config.auto_scaling_groups["workers"].busy_check.clone();
    assert!(matches!(
        workers.unwrap().question,
        BusyQuestion::Command(_)
    ));
}
