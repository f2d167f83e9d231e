//! One small file for each way of being wrong: place, path and words.

use super::*;

/// A file that is right apart from `old`, which becomes `new`.
fn with(old: &str, new: &str) -> Vec<String> {
    const RIGHT: &str = "\
version: 1
launch_templates: { t: { image: nginx, port: 80 } }
auto_scaling_groups:
  g:
    launch_template: t
    min_size: 1
    max_size: 3
    target_groups: [g]
target_groups:
  g: { health_check: { interval: 5s }, targets: [\"a:1\"] }
load_balancers:
  l: { listeners: [ { port: 80, default_action: { forward: g } } ] }
";
    assert!(parse(RIGHT).is_ok() && RIGHT.contains(old), "{old}");
    faults(&RIGHT.replacen(old, new, 1))
}

fn faults(text: &str) -> Vec<String> {
    let faults = parse(text).err();
    faults.iter().flatten().map(Fault::to_string).collect()
}

#[test]
fn each_class_says_where_what_and_what_to_do() {
    for (old, new, expected) in [
        (
            "min_size: 1",
            "min_siz: 1",
            "6:5: auto_scaling_groups.g.min_siz: unknown key; did you mean min_size?",
        ),
        (
            "min_size: 1",
            "MinSize: 1",
            "6:5: auto_scaling_groups.g.MinSize: unknown key; write min_size",
        ),
        (
            "min_size: 1",
            "min_size: one",
            "6:15: auto_scaling_groups.g.min_size: expected a whole number, found the text `one`",
        ),
        (
            "min_size: 1",
            "min_size:",
            "6:5: auto_scaling_groups.g.min_size: expected a whole number, found nothing",
        ),
        (
            "    min_size: 1\n",
            "",
            "4:3: auto_scaling_groups.g: min_size is missing; add min_size: 1",
        ),
        (
            "min_size: 1",
            "min_size: 4",
            "6:15: auto_scaling_groups.g.min_size: min_size 4 is above max_size 3; write 3 or less, or raise max_size",
        ),
        (
            "min_size: 1",
            "min_size: 99999999999999999999",
            "6:15: auto_scaling_groups.g.min_size: `100000000000000000000` is out of range; write 0 to 1000",
        ),
        (
            "max_size: 3",
            "max_size: 1\n    desired_capacity: 0",
            "8:23: auto_scaling_groups.g.desired_capacity: desired_capacity 0 is outside min_size 1 to max_size 1; write 1",
        ),
        (
            "max_size: 3",
            "max_size: 1001",
            "7:15: auto_scaling_groups.g.max_size: `1001` is out of range; write 0 to 1000",
        ),
        (
            "max_size: 3",
            "max_size: 3\n    max_size: 3",
            "8:5: auto_scaling_groups.g.max_size: the key appears twice, first in line 7; keep one of the two",
        ),
        (
            "interval: 5s",
            "interval: 5",
            "10:34: target_groups.g.health_check.interval: `5` has no unit; write 5s",
        ),
        (
            "interval: 5s",
            "interval: 5 seconds",
            "10:34: target_groups.g.health_check.interval: `5 seconds` is not a duration; write 5s",
        ),
        (
            "interval: 5s",
            "interval: 6m",
            "10:34: target_groups.g.health_check.interval: `6m` is out of range; write 100ms to 5m",
        ),
        (
            "interval: 5s",
            "path: /a b",
            "10:30: target_groups.g.health_check.path: `/a b` is not a path; leave out spaces, # and what is not ASCII, or write it as %20",
        ),
        (
            "interval: 5s",
            "matcher: 99",
            "10:33: target_groups.g.health_check.matcher: `99` does not match HTTP codes; write codes from 200 to 499: 200, \"200,204\" or 200-299",
        ),
        (
            "launch_template: t",
            "launch_template: tt",
            "5:22: auto_scaling_groups.g.launch_template: there is no launch template `tt`; did you mean t?",
        ),
        (
            "target_groups: [g]",
            "target_groups: [other]",
            "8:21: auto_scaling_groups.g.target_groups[0]: there is no target group `other`; known: g",
        ),
        (
            "target_groups: [g]",
            "target_groups: g",
            "8:20: auto_scaling_groups.g.target_groups: expected a list, found the text `g`; write [g]",
        ),
        (
            "target_groups: [g]",
            "availability_zones: []",
            "8:25: auto_scaling_groups.g.availability_zones: no zone; write [local], or remove the key",
        ),
        (
            "forward: g",
            "forward: api",
            "12:60: load_balancers.l.listeners[0].default_action.forward: there is no target group `api`; known: g",
        ),
        (
            "  l: {",
            "  k: { listeners: [ { port: 80, default_action: { forward: g } } ] }\n  l: {",
            "13:29: load_balancers.l.listeners[0].port: port 80 is taken by the listener in line 12; choose another",
        ),
        (
            "port: 80, d",
            "port: 0, d",
            "12:29: load_balancers.l.listeners[0].port: `0` is out of range; write 1 to 65535",
        ),
        (
            "image: nginx",
            "image: nginx, memory: 5MiB",
            "2:48: launch_templates.t.memory: `5MiB` is out of range; write 6MiB to 1024GiB",
        ),
        (
            "image: nginx",
            "image: nginx, cpus: .inf",
            "2:46: launch_templates.t.cpus: expected a number, found the text `.inf`",
        ),
        (
            "image: nginx",
            "image: nginx, env: { MINICLOUD_X: \"1\" }",
            "2:47: launch_templates.t.env.MINICLOUD_X: minicloud itself sets `MINICLOUD_X`; remove it",
        ),
        (
            "version: 1\n",
            "",
            "1:1: version is missing; add version: 1",
        ),
        (
            "version: 1",
            "version: \"1\"",
            "1:10: version: this minicloud reads version 1, found the text `1`; write 1",
        ),
        (
            "version: 1",
            "version: 1\n5: x",
            "2:1: expected a name before the `:`, found the number `5`; put it in quotes if it is one",
        ),
    ] {
        assert_eq!(with(old, new), [expected], "{new:?}");
    }
}

#[test]
fn files_that_are_no_configuration_get_one_sentence() {
    for (text, expected) in [
        ("", "1:1: the file is empty; begin with version: 1"),
        (
            "# only\n# comments\n",
            "1:1: the file is empty; begin with version: 1",
        ),
        ("---\n", "1:1: the file is empty; begin with version: 1"),
        (
            "- version: 1\n",
            "1:1: expected keys and values, found a list; begin with version: 1",
        ),
        (
            "hello\n",
            "1:1: expected keys and values, found the text `hello`; begin with version: 1",
        ),
        (
            "version: 1\n\tpace: fast\n",
            "2:1: a tab stands where YAML indents; use spaces",
        ),
    ] {
        assert_eq!(faults(text), [expected], "{text:?}");
    }
}

#[test]
fn words_of_aws_and_of_earlier_sketches_lead_to_ours() {
    for (old, ours) in [
        ("groups", "auto_scaling_groups"),
        ("AutoScalingGroups", "auto_scaling_groups"),
        ("launch-templates", "launch_templates"),
        ("load-balancers", "load_balancers"),
    ] {
        let expected = format!("2:1: {old}: unknown key; write {ours}");
        assert_eq!(faults(&format!("version: 1\n{old}: {{}}\n")), [expected]);
    }
    for (old, hint) in [
        ("template", "write launch_template"),
        ("capacity", "write min_size, max_size and desired_capacity"),
        ("min", "write min_size"),
        ("max", "write max_size"),
        ("desired", "write desired_capacity"),
        ("scaling", "write scaling_policies"),
        (
            "health",
            "it belongs in target_groups.NAME, as health_check",
        ),
        ("grace", "write health_check_grace_period"),
        ("deregistration-delay", "it belongs in target_groups.NAME"),
        ("HealthCheckGracePeriod", "write health_check_grace_period"),
        ("TargetGroupARNs", "write target_groups"),
    ] {
        let file = format!("version: 1\nauto_scaling_groups: {{ g: {{ {old}: 1 }} }}\n");
        let expected = format!("2:29: auto_scaling_groups.g.{old}: unknown key; {hint}");
        assert!(faults(&file).contains(&expected), "{:?}", faults(&file));
    }
}

#[test]
fn provider_in_use_must_find_what_it_launches() {
    let file = "version: 1
launch_templates: { t: { image: nginx, port: 80 }, p: { process: { command: [app] }, port: 1 } }
auto_scaling_groups:
  g: { launch_template: t, min_size: 0, max_size: 1 }
  h: { launch_template: p, min_size: 0, max_size: 1 }
";
    assert!(parse(file).is_ok());
    for (provider, expected) in [
        (
            ProviderKind::Process,
            "4:25: auto_scaling_groups.g.launch_template: the launch template `t` has no process, \
             which the provider process runs; add process: { command: [...] } to launch_templates.t",
        ),
        (
            ProviderKind::Docker,
            "5:25: auto_scaling_groups.h.launch_template: the launch template `p` has no image, \
             which the provider docker runs; add image: NAME to launch_templates.p",
        ),
    ] {
        let faults = Config::parse_for(file.as_bytes(), provider).unwrap_err();
        assert_eq!(faults.to_string(), expected);
    }
}

#[test]
fn group_names_a_version_or_a_template_of_the_api() {
    let group = |reference: &str| {
        let file = format!(
            "version: 1
launch_templates: {{ web: {{ image: nginx, port: 80 }} }}
auto_scaling_groups:
  g: {{ launch_template: {reference}, min_size: 0, max_size: 1 }}
"
        );
        let config = parse(&file).map_err(|faults| faults.to_string())?;
        let reference = config.auto_scaling_groups["g"].launch_template.clone();
        Ok::<_, String>(format!("{} {}", reference.name, reference.version))
    };
    for (reference, expected) in [
        ("web", "web $Latest"),
        ("{ name: web, version: $Default }", "web $Default"),
        ("{ name: web, version: 3 }", "web 3"),
        ("{ name: web, version: \"3\" }", "web 3"),
        ("elsewhere/made", "elsewhere/made $Latest"),
        // Near a name of the file, so a typing error unless it is written out.
        ("{ name: web2 }", "web2 $Latest"),
    ] {
        assert_eq!(group(reference).as_deref(), Ok(expected), "{reference}");
    }
    for (reference, says) in [
        ("web2", "did you mean web?"),
        ("ab", "3 to 128 letters"),
        ("\"\"", "3 to 128 letters"),
        ("{ name: web, version: 0 }", "$Latest, $Default or a number"),
        (
            "{ name: web, version: latest }",
            "$Latest, $Default or a number",
        ),
        ("{ version: 1 }", "name is missing"),
    ] {
        let refused = group(reference).unwrap_err();
        assert!(refused.contains(says), "{reference}: {refused}");
    }
}

#[test]
fn members_of_launch_templates_are_checked() {
    let template = |members: &str| {
        let file = format!(
            "version: 1
instance_types: {{ small: {{ vcpus: 0.25, memory: 64MiB }} }}
launch_templates: {{ t: {{ image: nginx, port: 80, {members} }} }}
"
        );
        let config = parse(&file).map_err(|faults| faults.to_string())?;
        Ok::<_, String>(config.launch_templates["t"].clone())
    };
    let small = template("instance_type: small, cpus: 2").unwrap();
    assert_eq!(small.quota_cores(), Some(2.0));
    assert_eq!(small.memory_limit(), Some(64 << 20));
    let micro = template("instance_type: t2.micro").unwrap();
    assert_eq!(micro.quota_cores(), Some(1.0));
    for members in [
        "mounts: [\"/srv/a:/a\", \"cache:/b:ro\"]",
        "mounts: [\"/:/host\"], allow_privileged_mounts: true",
        "entrypoint: [a], command: [b, c], working_dir: /srv, user: \"1:2\"",
        "user_data: \"#!/bin/sh\\necho\", user_data_required: true",
        "user_data: IyEvYmluL3NoCmVjaG8K",
    ] {
        assert!(template(members).is_ok(), "{members}");
    }
    for (members, says) in [
        ("instance_type: t2.mirco", "did you mean t2.micro?"),
        ("instance_type: x", "add it to instance_types"),
        (
            "mounts: [\"/var/run/docker.sock:/s\"]",
            "command over the container engine",
        ),
        ("mounts: [\"/a:/b\", \"/c:/b\"]", "`/b` is mounted twice"),
        ("mounts: [data]", "`data` is not a mount"),
        ("working_dir: srv", "write one such as /srv/app"),
        ("user: \"a b\"", "is not a user"),
        ("user_data: echo", "begin it with #!"),
        ("command: []", "no program is named"),
        ("key_name: \"\"", "is not the name of a key pair"),
        ("key_pair: ops", "write key_name"),
    ] {
        let refused = template(members).unwrap_err();
        assert!(refused.contains(says), "{members}: {refused}");
    }
}

#[test]
fn members_survive_the_way_to_json_and_back() {
    let config = parse(
        "version: 1
launch_templates:
  t: { image: nginx, process: { command: [a] }, instance_type: t2.nano, cpus: 0.5, memory: 1024.5MiB, port: 80, env: { A: b }, security_groups: [s], entrypoint: [e], command: [c], working_dir: /w, user: u, user_data: \"#!/bin/sh\\n\", user_data_required: true, mounts: [\"v1:/v:ro\", \"/:/h\"], allow_privileged_mounts: true, key_name: ops }
security_groups: { s: {} }
",
    )
    .unwrap();
    let template = &config.launch_templates["t"];
    let serde_json::Value::Object(members) = template.members() else {
        panic!("no object")
    };
    let data = super::super::launch_template_data(members, &config).unwrap();
    let empty = LaunchTemplate {
        name: "t".to_owned(),
        version: 1,
        ..LaunchTemplate::default()
    };
    assert_eq!(data.over(empty), *template);
}

#[test]
fn what_may_not_work_is_a_warning() {
    let config = parse(
        "version: 1
launch_templates: { t: { image: nginx, port: 80, instance_type: m5.8xlarge } }
auto_scaling_groups: { g: { launch_template: other, min_size: 0, max_size: 1 } }
",
    )
    .unwrap();
    let small = HostSize {
        vcpus: 2.0,
        memory: 1 << 30,
    };
    let warnings = |config: &Config| {
        let warnings = config
            .warnings(None, Some(small), jiff::Timestamp::UNIX_EPOCH)
            .into_iter();
        warnings
            .map(|warning| warning.to_string())
            .collect::<Vec<_>>()
    };
    assert!(warnings(&Config::example()).is_empty());
    let warnings = warnings(&config);
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(warnings[0].starts_with("launch_templates.t: instance type m5.8xlarge has 32 vCPUs"));
    assert!(warnings[1].contains("launch-template create other"));
}

#[test]
fn key_pairs_hold_public_keys() {
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGE4zp+/4hayLSEwUnrNr+TBxl+76jGyqmDPx5jVUwka";
    let key_pairs =
        |members: &str| parse(&format!("version: 1\nkey_pairs: {{ ops: {members} }}\n"));
    let config = key_pairs(&format!("{{ public_key: {key} me@home }}")).unwrap();
    let ops = &config.key_pairs["ops"];
    assert_eq!(ops.public_key.to_string(), key);
    for (members, says) in [
        ("{}", "public_key is missing"),
        (
            "{ public_key: ssh-ed25519 }",
            "not a public key in OpenSSH's form",
        ),
        (
            "{ public_key: \"-----BEGIN OPENSSH PRIVATE KEY-----\" }",
            "give the public one",
        ),
        ("{ key: x }", "write public_key"),
    ] {
        let refused = key_pairs(members).unwrap_err().to_string();
        assert!(refused.contains(says), "{members}: {refused}");
    }
}
