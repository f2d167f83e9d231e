use std::time::Duration;

use minicloud_lb_api::{
    Action, Condition, Forward, HealthCheck, Matcher, Patterns, Redirect, TargetGroupTuple,
    TargetLoad,
};

use super::*;

fn target(id: &str) -> Target {
    Target {
        id: id.to_owned(),
        address: format!("{id}:80"),
        availability_zone: None,
        draining: false,
        load: None,
    }
}

fn rule(priority: u32, path: &str, group: &str) -> Rule {
    Rule {
        priority,
        conditions: vec![Condition::PathPattern(Patterns {
            values: vec![path.to_owned()],
            regex_values: Vec::new(),
        })],
        transforms: Vec::new(),
        action: Action::forward(group),
        rate_limit: None,
        compression: None,
    }
}

fn snapshot() -> Snapshot {
    Snapshot {
        version: 1,
        listeners: vec![Listener {
            load_balancer: "demo".to_owned(),
            port: 80,
            rules: vec![rule(10, "/api/*", "api")],
            default_action: Action::forward("web"),
            attributes: Default::default(),
        }],
        target_groups: vec![TargetGroup {
            name: "web".to_owned(),
            health_check: HealthCheck {
                protocol: Default::default(),
                path: "/".to_owned(),
                interval: Duration::from_secs(5),
                timeout: Duration::from_secs(2),
                healthy_threshold: 2,
                unhealthy_threshold: 2,
                matcher: Matcher::default(),
            },
            deregistration_delay: Duration::from_secs(30),
            attributes: Default::default(),
            is_scaled: true,
            targets: vec![target("i-1"), target("i-2")],
        }],
    }
}

/// What `change` changes, in words.
fn told(change: impl FnOnce(&mut Snapshot)) -> Vec<String> {
    let before = snapshot();
    let mut after = before.clone();
    change(&mut after);
    let changes = changes(&before, &after).into_iter();
    changes
        .map(|change| format!("{}: {}", change.kind.as_str(), change.text))
        .collect()
}

#[test]
fn nothing_new_is_no_change() {
    assert_eq!(told(|_| {}), [""; 0]);
    assert_eq!(told(|after| after.version = 7), [""; 0]);
}

#[test]
fn loads_are_no_change() {
    let load = TargetLoad {
        cpu_utilization_percent: 90,
        sample: 1,
    };
    let told = told(|after| after.target_groups[0].targets[0].load = Some(load));
    assert_eq!(told, [""; 0]);
}

#[test]
fn order_is_no_change() {
    let mut before = snapshot();
    before.listeners[0].rules.push(rule(20, "/b", "web"));
    let mut after = before.clone();
    after.listeners[0].rules.reverse();
    after.target_groups[0].targets.reverse();
    assert_eq!(changes(&before, &after), []);
}

#[test]
fn first_snapshot_is_all_new() {
    let changes = changes(&Snapshot::default(), &snapshot());
    let told: Vec<_> = changes.iter().map(|change| &*change.text).collect();
    assert_eq!(
        told,
        [
            "listener 80 of demo added: 1 rules, default forward to web",
            "target group web added",
            "target i-1 at i-1:80 registered with web",
            "target i-2 at i-2:80 registered with web",
        ]
    );
}

#[test]
fn targets_come_and_go() {
    let told = told(|after| {
        let targets = &mut after.target_groups[0].targets;
        targets[0].draining = true;
        targets.remove(1);
        targets.push(target("i-3"));
    });
    assert_eq!(
        told,
        [
            "target_deregistered: target i-1 at i-1:80 deregistered from web",
            "target_deregistered: target i-2 at i-2:80 deregistered from web",
            "target_registered: target i-3 at i-3:80 registered with web",
        ]
    );
}

#[test]
fn drained_target_that_goes_is_told_once() {
    let mut before = snapshot();
    before.target_groups[0].targets[0].draining = true;
    let mut after = before.clone();
    after.target_groups[0].targets.remove(0);
    assert_eq!(changes(&before, &after), []);
}

#[test]
fn rules_are_told_by_their_priority() {
    let told = told(|after| {
        let rules = &mut after.listeners[0].rules;
        rules[0] = rule(10, "/v2/*", "api");
        rules.push(rule(20, "/b", "web"));
        after.listeners[0].default_action = Action::Redirect(Redirect::default());
    });
    let redirect = "redirect 302 to #{protocol}://#{host}:#{port}/#{path}?#{query}";
    assert_eq!(
        told,
        [
            format!("listener_changed: listener 80: default {redirect}, was forward to web"),
            r#"rule_changed: listener 80: rule 10: conditions [{"path_pattern":{"values":["/v2/*"],"regex_values":[]}}], was [{"path_pattern":{"values":["/api/*"],"regex_values":[]}}]"#.to_owned(),
            "rule_added: listener 80: rule 20 added: forward to web".to_owned(),
        ]
    );
}

#[test]
fn attributes_are_told_with_what_they_were() {
    let told = told(|after| {
        after.listeners[0].attributes.idle_timeout = Duration::from_secs(30);
        let group = &mut after.target_groups[0];
        group.attributes.queue.max_requests = 7;
        group.health_check.path = "/health".to_owned();
    });
    assert_eq!(
        told,
        [
            "listener_changed: listener 80: idle_timeout_seconds 30.0, was 60.0",
            "target_group_changed: target group web: attributes.queue.max_requests 7, was 1000, \
             health_check.path \"/health\", was \"/\"",
        ]
    );
}

#[test]
fn listeners_and_groups_go() {
    let told = told(|after| {
        after.listeners.clear();
        after.target_groups.clear();
    });
    assert_eq!(
        told,
        [
            "listener_removed: listener 80 removed",
            "target_group_removed: target group web removed",
            "target_deregistered: target i-1 at i-1:80 deregistered from web",
            "target_deregistered: target i-2 at i-2:80 deregistered from web",
        ]
    );
}

#[test]
fn weighted_forwards_tell_their_weights() {
    let tuple = |target_group: &str, weight| TargetGroupTuple {
        target_group: target_group.to_owned(),
        weight,
    };
    let action = Action::Forward(Forward {
        target_groups: vec![tuple("a", 9), tuple("b", 1)],
        target_group_stickiness: Duration::ZERO,
    });
    assert_eq!(action.to_string(), "forward to a (9), b (1)");
}
