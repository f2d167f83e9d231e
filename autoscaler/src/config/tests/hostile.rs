//! Whatever the bytes, an answer: a configuration that holds its promises, or faults.

use proptest::prelude::*;

use super::*;

/// What the rest of minicloud takes for granted.
fn check(config: &Config) {
    let mut ports = Vec::new();
    for group in config.auto_scaling_groups.values() {
        assert!(group.min_size <= group.desired_capacity);
        assert!(group.desired_capacity <= group.max_size);
        assert!(!group.availability_zones.is_empty());
        assert!(config.launch_templates.contains_key(&group.launch_template));
        for name in &group.target_groups {
            assert!(config.target_groups.contains_key(name));
        }
    }
    for target_group in config.target_groups.values() {
        let check = &target_group.health_check;
        assert!(check.path.starts_with('/'));
        assert!(!check.timeout.is_zero() && check.timeout <= check.interval);
    }
    for template in config.launch_templates.values() {
        assert!(template.image.is_some() || template.process.is_some());
        assert!(template.port > 0);
    }
    for listener in config.load_balancers.values().flat_map(|lb| &lb.listeners) {
        let Action::Forward(forward) = &listener.default_action else {
            panic!("{listener:?}");
        };
        for tuple in &forward.target_groups {
            assert!(config.target_groups.contains_key(&tuple.target_group));
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
    let words =
        "[ -~\n]{0,12}|min_size|max_size|: |\\[|\\]|\\{|\\}|&a |\\*a|<<|30s|128MiB|-1|0|web|\n  ";
    proptest::string::string_regex(words).expect("a valid pattern")
}

proptest! {
    #[test]
    fn any_bytes_get_an_answer(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        answer(&bytes);
    }

    #[test]
    fn mutated_examples_get_an_answer(
        edits in proptest::collection::vec((any::<prop::sample::Index>(), 0..20usize, fragment()), 1..6),
    ) {
        let mut bytes = EXAMPLE.as_bytes().to_vec();
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
        for file in [EXAMPLE, MISTAKES] {
            let kept = file.lines().zip(&keep).filter(|(_, keep)| **keep);
            answer(kept.map(|(line, _)| line.to_owned() + "\n").collect::<String>().as_bytes());
        }
    }
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
