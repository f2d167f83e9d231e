//! Whatever the bytes, an answer: a configuration that holds its promises, or faults.

use proptest::prelude::*;

use super::{balancer::EVERY_KEY, *};

/// What the rest of minicloud takes for granted.
fn check(config: &Config) {
    let mut ports = Vec::new();
    for group in config.auto_scaling_groups.values() {
        assert!(group.min_size <= group.desired_capacity);
        assert!(group.desired_capacity <= group.max_size);
        assert!(!group.availability_zones.is_empty());
        // Of the file, or of those that the control API makes.
        assert!(!group.launch_template.name.is_empty());
        for name in &group.target_groups {
            assert!(config.target_groups.contains_key(name));
        }
    }
    for target_group in config.target_groups.values() {
        let check = &target_group.health_check;
        assert!(check.path.starts_with('/'));
        assert!(!check.timeout.is_zero() && check.timeout <= check.interval);
        assert_eq!(target_group.attributes.validate(), Ok(()));
    }
    for template in config.launch_templates.values() {
        assert!(template.image.is_some() || template.process.is_some());
        assert!(template.port > 0);
    }
    for listener in config.load_balancers.values().flat_map(|lb| &lb.listeners) {
        assert_eq!(listener.validate(), Ok(()));
        let actions = listener.rules.iter().map(|rule| &rule.action);
        for action in actions.chain([&listener.default_action]) {
            let Action::Forward(forward) = action else {
                continue;
            };
            for tuple in &forward.target_groups {
                assert!(config.target_groups.contains_key(&tuple.target_group));
            }
        }
        assert!(!ports.contains(&listener.port));
        ports.push(listener.port);
    }
}

fn answer(bytes: &[u8]) {
    match Config::parse(bytes) {
        Ok(config) => check(&config),
        Err(faults) => {
            assert!(
                faults
                    .iter()
                    .all(|fault| fault.line > 0 && fault.column > 0)
            );
            let rendered = faults.with_source("f", bytes).to_string();
            assert!(
                !rendered.chars().any(|c| c.is_control() && c != '\n'),
                "{rendered:?}"
            );
        }
    }
}

/// Pieces that parse often and are seldom right.
fn fragment() -> impl Strategy<Value = String> {
    let words = "[ -~\n]{0,12}|min_size|max_size|: |\\[|\\]|\\{|\\}|&a |\\*a|<<|30s|128MiB|-1|0|web|\n  |\
         \"\\*\"|\\(|\\)\\+|\"#\\{host\\}\"|::/0|10\\.0\\.0\\.0/8|HTTPS|forward|redirect|stickiness|/\\*|é|\u{202e}";
    proptest::string::string_regex(words).expect("a valid pattern")
}

proptest! {
    #[test]
    fn any_bytes_get_an_answer(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        answer(&bytes);
    }

    #[test]
    fn mutated_examples_get_an_answer(
        file in prop::sample::select(vec![EXAMPLE, EXAMPLE_WITH_RULES, EVERY_KEY]),
        edits in proptest::collection::vec((any::<prop::sample::Index>(), 0..20usize, fragment()), 1..6),
    ) {
        let mut bytes = file.as_bytes().to_vec();
        for (at, removed, inserted) in edits {
            let start = at.index(bytes.len());
            let end = (start + removed).min(bytes.len());
            bytes.splice(start..end, inserted.into_bytes());
            bytes.push(b'\n');
        }
        answer(&bytes);
    }

    #[test]
    fn deleted_lines_get_an_answer(keep in proptest::collection::vec(any::<bool>(), 200)) {
        for file in [EXAMPLE, EXAMPLE_WITH_RULES, EVERY_KEY, MISTAKES] {
            let kept = file.lines().zip(&keep).filter(|(_, keep)| **keep);
            answer(kept.map(|(line, _)| line.to_owned() + "\n").collect::<String>().as_bytes());
        }
    }
}

/// Values that a schema with many short forms may be given in any place.
fn value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        fragment().prop_map(|text| format!("{text:?}")),
        Just("/*".to_owned()),
        Just("web".to_owned()),
        Just("1".to_owned()),
        Just("true".to_owned()),
        Just("1h".to_owned()),
        Just("'a{1000}{1000}'".to_owned()),
        Just("~".to_owned()),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        let keys = prop::sample::select(vec![
            "values",
            "regex_values",
            "key",
            "value",
            "forward",
            "target_groups",
            "target_group",
            "weight",
            "duration",
            "lb_cookie",
            "consistent_hash",
            "http_header",
            "regex",
            "replace",
            "status_code",
            "host",
        ]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4)
                .prop_map(|items| format!("[{}]", items.join(", "))),
            prop::collection::vec((keys, inner), 0..3).prop_map(|pairs| {
                let pairs = pairs.iter().map(|(key, value)| format!("{key}: {value}"));
                format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "))
            }),
        ]
    })
}

proptest! {
    #[test]
    fn any_value_in_any_place_gets_an_answer(
        line in any::<prop::sample::Index>(),
        key in any::<prop::sample::Index>(),
        value in value(),
    ) {
        let lines: Vec<_> = EVERY_KEY.lines().collect();
        let line = line.index(lines.len());
        // What follows one of the line's keys is replaced up to the end of the line.
        let keys: Vec<_> = lines[line].match_indices(": ").collect();
        prop_assume!(!keys.is_empty());
        let (end, _) = keys[key.index(keys.len())];
        let head = &lines[line][..end];
        let open: String = head.chars().filter(|c| matches!(c, '{' | '[' | '}' | ']')).collect();
        let close: String = unclosed(&open);
        let changed = format!("{head}: {value}{close}");
        let file: Vec<_> = lines[..line].iter().copied().chain([&*changed]).chain(lines[line + 1..].iter().copied()).collect();
        answer((file.join("\n") + "\n").as_bytes());
    }
}

/// What closes the brackets that are open.
fn unclosed(brackets: &str) -> String {
    let mut open = Vec::new();
    for bracket in brackets.chars() {
        match bracket {
            '{' => open.push('}'),
            '[' => open.push(']'),
            _ => drop(open.pop()),
        }
    }
    open.into_iter().rev().collect()
}

#[test]
fn thousands_of_faults_are_found_in_good_time() {
    let references = "no-such-target-group-as-this, ".repeat(2_000);
    let groups: String = (0..2_000)
        .map(|n| format!("  target-group-number-{n}: {{}}\n"))
        .collect();
    let file = format!(
        "version: 1\nauto_scaling_groups: {{ g: {{ target_groups: [{references}] }} }}\ntarget_groups:\n{groups}"
    );
    let faults = parse(&file).unwrap_err();
    assert!(faults.iter().count() > 2_000);
}
